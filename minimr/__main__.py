"""The command `minimr`, and `python -m minimr`: see `minimr/cli/commands.py`.

Ctrl-C is made to end in a line instead of a traceback before anything large
is imported.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from minimr.system.leaving import leave_at_ctrl_c


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code."""
    leave_at_ctrl_c("minimr")
    from minimr.cli.commands import ready_streams, run

    ready_streams()
    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
