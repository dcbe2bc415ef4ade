"""What the coordinator remembers of a job, for those who draw it.

    RunMap, RunReduce ──> sent ──┐
    Done, TaskFailed, ... ─> ended ─> lines, one per attempt
    a death ────────────> lost ──┘

`docs/lecture.md` has the format of the lines. Times are the coordinator's,
but for the beginning and the end of a task, which its report tells.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from minimr.sockets.cluster import messages as m
from minimr.sockets.cluster.membership import Member
from minimr.system import machine

MAX_LINES = 20_000
STATES = {m.TaskFailed: "FAILED", m.FetchFailed: "FAILED"}


class History:
    """All attempts of a job, and what was said about them."""

    def __init__(self) -> None:
        self._lines: deque[dict[str, Any]] = deque(maxlen=MAX_LINES)
        self._running: dict[int, dict[str, Any]] = {}  # {worker: its attempt}
        self._attempted: dict[m.TaskId, int] = {}  # {task: who has it}
        self._begun = machine.time()

    def sent(self, member: Member, order: m.Order) -> None:
        """Note an order."""
        task, now = order.attempt.task, machine.time()
        line = {
            "kind": "task",
            "id": _name(task),
            "name": task.kind,
            "attempt": order.attempt.number,
            "worker": f"worker {member.id}",
            "node": member.peer.host,
            "submitted": self._begun,
            "sent": now,
            "after": [],
        }
        if isinstance(order, m.RunReduce):
            line["after"] = [
                _name(m.TaskId("map", number))
                for source in order.sources
                for number in source.map_tasks
            ]
        rival = self._attempted.get(task)
        if rival in self._running:
            text = f"{task} is late: a backup runs in worker {member.id}"
            self._say(text, "backup", member, [task])
        self._attempted[task] = member.id
        self._running[member.id] = line
        self._lines.append(line)

    def ended(
        self, member: Member, end: m.End, again: Sequence[m.TaskId] = ()
    ) -> None:
        """Note the answer to an order, and which other tasks it costs."""
        line = self._running.pop(member.id, None)
        if line is None:
            return
        now = machine.time()
        line |= {"ended": now, "answered": now, "state": "CANCELLED"}
        if isinstance(end, m.Done):
            report = end.report
            line["state"] = "FINISHED"
            line["started"] = line["loaded"] = report.started_at
            executed = report.started_at + report.seconds
            line["executed"] = min(executed, now)  # a clock may be set back
            line["ended"] = line["executed"]
            line["bytes"] = report.shuffle_bytes
        elif type(end) in STATES:
            line["state"] = STATES[type(end)]
            task = end.attempt.task
            text = f"{task} has failed in worker {member.id}"
            if isinstance(end, m.FetchFailed):
                text = f"{task} cannot fetch from worker {end.source}"
            self._say(text + _costs(again), "retry", member, [task, *again])

    def lost(
        self, member: Member, why: str, again: Sequence[m.TaskId]
    ) -> None:
        """Note a death, and which tasks it costs."""
        line = self._running.pop(member.id, None)
        if line is not None:
            line |= {"ended": machine.time(), "state": "DIED"}
        self._say(why + _costs(again), "death", member, again)

    def lines(self) -> list[dict[str, Any]]:
        """Return a line per attempt, and what was said."""
        return [
            line
            if "state" in line or line["kind"] != "task"
            else {**line, "state": "RUNNING"}
            for line in self._lines
        ]

    def _say(
        self, text: str, what: str, member: Member, tasks: Sequence[m.TaskId]
    ) -> None:
        worker, node = f"worker {member.id}", member.peer.host
        self._lines.append(
            {
                "kind": "story", "at": machine.time(), "text": text,
                "what": what, "worker": worker, "node": node,
                "tasks": [_name(task) for task in tasks],
            }
        )  # fmt: skip


def _costs(again: Sequence[m.TaskId]) -> str:
    names = ", ".join(str(number) for _, number in again[:20])
    kinds = sorted({kind for kind, _ in again})
    return f": {' and '.join(kinds)} tasks {names} run again" if again else ""


def _name(task: m.TaskId) -> str:
    return f"{task.kind} {task.number}"
