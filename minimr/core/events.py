"""What ran where and when: recorded by workers, kept by the control store.

    worker: add() ─> a list ─ every second ─> blob ─> control store

The blobs stay pickled until somebody asks; the control store forgets the
oldest. Ray: task events, `ray timeline`, `ray list tasks`.
"""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m

if TYPE_CHECKING:
    from minimr.core.runtime import Runtime

PERIOD_S = 0.5
BATCH = 1000


class EventLog:
    """The events of one worker that were not sent yet."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._events: list[tuple[bytes, str, float, float]] = []
        self._scheduled = False

    def add(self, task: bytes, name: str, start: float, end: float) -> None:
        """Note that a task has run."""
        self._events.append((task, name, start, end))
        if not self._scheduled:
            self._scheduled = True
            with self.runtime.lock:
                self.runtime.later(PERIOD_S, self._send)
        elif len(self._events) >= BATCH:
            self._post()

    def _send(self) -> None:
        self._scheduled = False
        self._post()

    def _post(self) -> None:
        events, self._events = self._events, []
        if events:
            row = (self.runtime.welcome.node, os.getpid(), events)
            self.runtime.node.post(m.Events(pickle.dumps(row)))


def chrome_trace(blobs: list[bytes]) -> list[dict[str, Any]]:
    """Give the events as Chrome's trace format has them."""
    rows: list[dict[str, Any]] = []
    for node, pid, events in map(pickle.loads, blobs):
        rows += [
            {
                "cat": f"task::{name}",
                "name": name,
                "ph": "X",
                "ts": start * 1e6,
                "dur": (end - start) * 1e6,
                "pid": f"node {node[:8]}",
                "tid": f"worker {pid}",
                "args": {"task_id": task.hex()},
            }
            for task, name, start, end in events
        ]
    return rows
