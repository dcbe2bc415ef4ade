"""What an owner remembers of its tasks, for those who draw a run.

    Tasks.submit ─> Leases._push ─> Tasks.finish ──> History ─┐
    Leases.end: its worker has died ─────────────────────────>│ Inspect
    what the user was told ──────────────────────────────────>│    │
                                                              └────v rows

Rules:

1. It is told, and nothing depends on it. What is kept is bounded.
2. With $MINIMR_TRACE=off there is none: no time is taken, nothing is kept,
   and workers tell the control store nothing.

Ray: the core worker's task event buffer.
"""

from __future__ import annotations

import inspect
import os
import pickle
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from minimr.core.process.records import Task
from minimr.net.endpoint import NOBODY
from minimr.system import machine

VARIABLE = "MINIMR_TRACE"
ROW = "history"  # in what the control store keeps of drivers that have left
MAX_TASKS = 10_000
PACK = 200  # tasks are packed together
MAX_LINES = 1000

# What is kept of an attempt.
KEYS = (
    "id", "name", "parent", "attempt", "state", "submitted", "sent",
    "pid", "home", "ended", "inputs",
)  # fmt: skip


class History:
    """What has become of the tasks of one process. Lock held.

    There are many, and small objects that live long cost more than to make
    them: no cache holds so many. So only the latest are objects; the others
    lie packed, one behind the other.

    Attributes:
        places: {name of a function or class: its file, its first line}.
    """

    def __init__(self) -> None:
        self._packed: deque[bytes] = deque(maxlen=MAX_TASKS // PACK)
        self._recent: list[Any] = []  # values of KEYS, and again
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
        refs, recent = task.refs, self._recent
        recent += (
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
        if len(recent) == PACK * len(KEYS):
            self._packed.append(pickle.dumps(recent))
            recent.clear()

    def rows(self, live: Iterable[Task]) -> list[dict[str, Any]]:
        """Return all of it, and the tasks that have not ended."""
        present = History()
        for task in live:
            present.ended(task, "WAITING")
        return [
            *self._tasks(),
            *present._tasks(),
            *({"kind": "said", "at": a, "text": t} for a, t in self._said),
            *(
                {"kind": "place", "name": name, "file": file, "line": line}
                for name, (file, line) in self.places.items()
            ),
        ]

    def _tasks(self) -> Iterator[dict[str, Any]]:
        for values in (*map(pickle.loads, self._packed), self._recent):
            for attempt in zip(*[iter(values)] * len(KEYS), strict=True):
                yield {"kind": "task", **dict(zip(KEYS, attempt, strict=True))}


def is_kept() -> bool:
    """Return whether processes keep one."""
    return os.environ.get(VARIABLE, "").lower() != "off"
