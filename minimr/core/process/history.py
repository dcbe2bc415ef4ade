"""What an owner remembers of its tasks, for those who draw a run.

    Tasks.submit ─> Leases._push ─> Tasks.finish ──> History ─┐
    Leases.end: its worker has died ─────────────────────────>│ Inspect
    what the user was told ──────────────────────────────────>│    │
                                                              └────v rows

Rules:

1. It is told, and nothing depends on it. What is kept is bounded.
   All but the latest is packed: a processor has no room in its caches for
   many small objects that nobody looks at.
2. With $MINIMR_TRACE=off there is none: no time is taken, nothing is kept,
   and workers tell the control store nothing.

Ray: the core worker's task event buffer.
"""

from __future__ import annotations

import inspect
import os
import pickle
from collections import deque
from collections.abc import Iterable
from itertools import chain
from typing import Any

from minimr.core.process.records import Task
from minimr.net.endpoint import NOBODY
from minimr.system import machine

VARIABLE = "MINIMR_TRACE"
ROW = "history"  # in what the control store keeps of drivers that have left
MAX_TASKS = 10_000
PACK = 500  # attempts in a pickle
MAX_LINES = 1000

KEYS = (
    "id", "name", "parent", "attempt", "state", "submitted", "sent",
    "pid", "home", "ended", "inputs",
)  # fmt: skip


class History:
    """What has become of the tasks of one process. Lock held.

    Attributes:
        places: {name of a function or class: its file, its first line}.
    """

    def __init__(self) -> None:
        self._packed: deque[bytes] = deque(maxlen=MAX_TASKS // PACK)
        self._latest: list[tuple[Any, ...]] = []  # the values of KEYS
        self._said: deque[tuple[float, str]] = deque(maxlen=MAX_LINES)
        self.places: dict[str, tuple[str, int]] = {}

    def said(self, text: str) -> None:
        """Note what the user was told."""
        self._said.append((machine.time(), text))

    def defined(self, name: str, function: Any) -> None:
        """Note where the code of a function or a method is, if it has some."""
        code: Any = getattr(inspect.unwrap(function), "__code__", None)
        if code is not None:
            self.places[name] = code.co_filename, code.co_firstlineno

    def ended(self, task: Task, state: str) -> None:
        """Note an attempt that has ended, with its inputs."""
        worker = NOBODY if task.worker is None else task.worker.data
        refs, latest = task.refs, self._latest
        latest.append(
            (
                task.id,
                task.name,
                task.parent,
                task.attempt,
                state,
                task.submitted,
                task.sent,
                worker.pid,
                worker.home,
                machine.time(),
                tuple([ref.entry.id for ref in refs]) if refs else (),
            )
        )
        if len(latest) == PACK:
            self._packed.append(pickle.dumps(latest))
            latest.clear()

    def rows(self, live: Iterable[Task]) -> list[dict[str, Any]]:
        """Return all of it, and the tasks that have not ended."""
        present = History()
        for task in live:
            present.ended(task, "WAITING")
        all_ = *self._attempts(), *present._attempts()
        tasks = [dict(zip(KEYS, values, strict=True)) for values in all_]
        return [
            *({"kind": "task", **row} for row in tasks),
            *({"kind": "said", "at": a, "text": t} for a, t in self._said),
            *(
                {"kind": "place", "name": name, "file": file, "line": line}
                for name, (file, line) in self.places.items()
            ),
        ]

    def _attempts(self) -> list[tuple[Any, ...]]:
        packed = chain(*map(pickle.loads, self._packed))
        return [*packed, *self._latest][-MAX_TASKS:]


def is_kept() -> bool:
    """Return whether processes keep one."""
    return os.environ.get(VARIABLE, "").lower() != "off"
