"""What a run logs: $MINIMR_LOG is debug, info, warning or error.

Every process writes to its standard error, a line per event:

    06:08:12.345 node 7312 b1c2d3e4 minimr.core.node.leasing: lease 3: ...

Rule: only the logger `minimr` is configured. The root logger belongs to the
user's program, also in a worker, where a task may call `basicConfig`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

VARIABLE = "MINIMR_LOG"
LEVELS = ("debug", "info", "warning", "error")


class _Handler(logging.Handler):
    """Writes to what `sys.stderr` is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record) + "\n"
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            """It is closed, or there is none."""


# Makes what writes the log of this process.
handler_of: Callable[[], logging.Handler] = _Handler


def narrate(who: str = "", node: str = "") -> None:
    """Log to standard error at the level $MINIMR_LOG, by default warnings.

    `who` is the kind of this process, `node` the id of its node.
    """
    name = os.environ.get(VARIABLE, "warning").lower()
    log = logging.getLogger("minimr")
    log.handlers = [handler := handler_of()]
    log.propagate = False
    where = node[:8] + " " if node else ""
    handler.setFormatter(
        logging.Formatter(
            f"%(asctime)s.%(msecs)03d {who}%(process)d {where}"
            "%(name)s: %(message)s",
            datefmt="%H:%M:%S",
        )
    )
    level = getattr(logging, name.upper() if name in LEVELS else "WARNING")
    if log.level != level:  # all loggers forget then what they would say
        log.setLevel(level)
    if name not in LEVELS:
        text = "%s=%s is no level: use %s; `warning` is used"
        log.warning(text, VARIABLE, name, ", ".join(LEVELS))
        os.environ[VARIABLE] = "warning"  # our children need not repeat it
