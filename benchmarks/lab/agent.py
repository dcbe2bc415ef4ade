"""Lists the marked processes of this machine, or kills them.

    python -m benchmarks.lab.agent list|end MARK

A lab on real hosts runs it over ssh. Its output is one line of JSON.
"""

from __future__ import annotations

import json
import sys

from benchmarks.lab.processes import end_all, facts, marked


def main(verb: str, mark: str) -> None:
    """Run a command line."""
    if verb == "end":
        end_all(lambda: marked(mark))
    sys.stdout.write(json.dumps(facts(marked(mark))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
