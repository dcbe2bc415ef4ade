"""A driver in a notebook: what an interrupted cell has begun is cancelled.

    a cell begins ──> the tasks that live are noted
    it is interrupted ──> the others, its own, are cancelled, and that is said

In a program Ctrl-C ends the driver, and all of its tasks with it. A kernel
goes on: without this, its workers would go on with what nobody waits for.
"""

from __future__ import annotations

import sys
from typing import Any

from minimr.core.process.current import find
from minimr.core.process.runtime import Runtime


class Cells:
    """Follows the cells of a kernel."""

    def __init__(self) -> None:
        self._before: frozenset[bytes] = frozenset()

    def begin(self, *about: Any) -> None:
        """Note what is there before a cell runs."""
        runtime = find()
        if isinstance(runtime, Runtime):
            with runtime.lock:
                self._before = frozenset(runtime.tasks.live)

    def end(self, result: Any) -> None:
        """Cancel what a cell has begun, if it was interrupted."""
        if not isinstance(result.error_in_exec, KeyboardInterrupt):
            return
        runtime = find()
        if not isinstance(runtime, Runtime):
            return
        with runtime.lock:
            begun = [
                task
                for id, task in runtime.tasks.live.items()
                if id not in self._before and task.parent is None
            ]
            for task in begun:
                runtime.cancels.cancel(task, False, True)
        runtime.hub.flush()
        if begun:
            what = "1 task" if len(begun) == 1 else f"{len(begun)} tasks"
            runtime.say(f"interrupted: {what} of this cell cancelled")


_cells = Cells()


def follow() -> None:
    """Follow the cells, if this program is a notebook or IPython."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None:
        return
    for event, call in (
        ("pre_run_cell", _cells.begin),
        ("post_run_cell", _cells.end),
    ):
        if call not in shell.events.callbacks[event]:
            shell.events.register(event, call)
