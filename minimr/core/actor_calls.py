"""The caller's side of actors: lines of calls, one line an actor.

    handle.method.remote() ─> inputs there? in order ─> line ─> its worker
    control store ── ActorState ──> the line opens, waits, or fails

Rules:

1. Calls of one process to one actor leave in the order they were made,
   even if the inputs of a later one are there first.
2. A call that was sent when the process died is sent again only if the
   actor has `max_task_retries`; a call that was not sent waits for the
   restart.
3. The end of an actor is believed when its link closes: the last answers
   may still be on the way when the control store tells of it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from minimr.core import messages as m
from minimr.core.exceptions import (
    ActorUnavailableError,
    PendingCallsLimitExceeded,
)
from minimr.core.serialize import fail
from minimr.core.task import FIRST, Task
from minimr.net.peer import Peer

if TYPE_CHECKING:
    from minimr.core.runtime import Runtime

BATCH = 32


class Line:
    """All calls of this process to one actor that are not done."""

    def __init__(self, actor: bytes) -> None:
        self.actor = actor
        self.state = "PENDING"
        self.error: m.Failed | None = None  # when it is dead
        self.peer: Peer | None = None
        self.waiting: deque[Task] = deque()  # not sent, in order
        self.inflight: dict[bytes, Task] = {}  # sent, in order
        self.creation: Task | None = None  # keeps its arguments alive
        self.news: list[m.ActorState] = []  # for when its link has closed


class ActorCalls:
    """The lines of this process."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.lines: dict[bytes, Line] = {}
        self._anchors: dict[bytes, Line] = {}  # {id of the anchor object}
        self._running: dict[bytes, tuple[Line, Task]] = {}

    def line(self, actor: bytes) -> Line:
        """Give the line to an actor; follow it from now on. Lock held."""
        line = self.lines.get(actor)
        if line is None:
            line = self.lines[actor] = Line(actor)
            self.follow(line)
        return line

    def own(self, actor: bytes, creation: Task, detached: bool) -> Line:
        """Make the line to an actor that this process creates."""
        line = self.lines[actor] = Line(actor)
        line.creation = creation
        if not detached:
            self._anchors[actor + FIRST] = line
        return line

    def unreachable(self, anchor: bytes) -> None:
        """No handle is left anywhere to an actor of ours. Lock held."""
        line = self._anchors.pop(anchor, None)
        if line is not None and line.state != "DEAD":
            head = self.runtime.link(self.runtime.welcome.head)
            head.post(m.Forget(line.actor))
            self.lines.pop(line.actor, None)

    def end(self, line: Line, error: m.Failed) -> None:
        """The actor cannot be made. Lock held."""
        line.state, line.error = "DEAD", error
        self._fail_all(line, error)

    def follow(self, line: Line) -> None:
        """Ask the control store to tell us of the actor's changes."""
        self.runtime.urgent = True
        head = self.runtime.link(self.runtime.welcome.head)
        head.post(m.Follow(line.actor))

    def submit(self, line: Line, task: Task, limit: int) -> None:
        """Call a method, after all calls before it. Lock held.

        Raises:
            PendingCallsLimitExceeded: so many calls wait already.
        """
        pending = len(line.waiting) + len(line.inflight)
        if 0 < limit <= pending:
            raise PendingCallsLimitExceeded(
                f"the actor has {pending} calls waiting (max_pending_calls)"
            )
        task.lease = line
        line.waiting.append(task)
        if task.refs:
            self.runtime.outcomes.when_ready(
                task, lambda task: self._ready(line, task)
            )
        else:
            self._ready(line, task)

    def _ready(self, line: Line, task: Task) -> None:
        task.ready = True
        self._send(line)

    def _send(self, line: Line) -> None:
        if line.error is not None:
            self._fail_all(line, line.error)
            return
        peer, waiting = line.peer, line.waiting
        if peer is None or line.news:
            return
        while waiting and waiting[0].ready:
            task = waiting.popleft()
            if not task.waits:  # one of its inputs is an error
                continue
            if not line.inflight or peer.posted() >= BATCH:
                self.runtime.urgent = True
            line.inflight[task.id] = task
            self._running[task.id] = (line, task)
            peer.post(
                m.Call(
                    task.id,
                    task.function.name,
                    task.args,
                    self.runtime.outcomes.deps(task),
                    task.returns,
                    task.attempt,
                )
            )

    def on_done(self, done: m.Done) -> bool:
        """A call has come back; False if it is none of ours."""
        found = self._running.pop(done.task, None)
        if found is None:
            return False
        line, task = found
        line.inflight.pop(task.id, None)
        results = done.results
        if isinstance(results, m.Failed) and task.wants_retry(results):
            task.count_retry()
            line.waiting.append(task)
            self._send(line)
        else:
            self.runtime.outcomes.finish(task, results)
        return True

    def on_state(self, peer: Peer, state: m.ActorState) -> None:
        """The control store tells what has become of an actor."""
        line = self.lines.get(state.actor)
        if line is None or line.state == "DEAD":
            return
        ends = state.state in ("RESTARTING", "DEAD")
        if line.news or (ends and line.peer and not line.peer.closed):
            line.news.append(state)
            return
        line.state = state.state
        if state.state == "ALIVE" and state.worker is not None:
            worker = self.runtime.link(state.worker)
            if line.peer is not worker:
                self._interrupt(line, state.why)
                line.peer = worker
            self._send(line)
        elif state.state == "RESTARTING":
            self._interrupt(line, state.why)
            line.peer = None
        elif state.state == "DEAD":
            self.end(line, m.Failed(state.error or b""))

    def _interrupt(self, line: Line, why: str) -> None:
        """The process is gone: what was sent is sent again, or fails."""
        again = []
        for task in line.inflight.values():
            self._running.pop(task.id, None)
            if task.retries != 0:
                task.count_retry()
                again.append(task)
            else:
                text = (
                    f"{task.name}() did not come back: the actor's process "
                    f"is gone and it is being restarted ({why})"
                )
                self.runtime.outcomes.finish(
                    task, fail(ActorUnavailableError(text))
                )
        line.inflight.clear()
        line.waiting.extendleft(reversed(again))

    def _fail_all(self, line: Line, error: m.Failed) -> None:
        tasks = [*line.inflight.values(), *line.waiting]
        line.inflight.clear()
        line.waiting.clear()
        for task in tasks:
            self._running.pop(task.id, None)
            self.runtime.outcomes.finish(task, error)

    def cancel(self, task: Task, force: bool, recursive: bool) -> None:
        """Stop a call. Lock held."""
        task.cancelled = True
        line: Line = task.lease
        if task.id in line.inflight and line.peer is not None:
            line.peer.post(m.Cancel(task.id, False, recursive))
        elif task in line.waiting:
            line.waiting.remove(task)
            self.runtime.outcomes.finish(task, task.cancelled_value())

    def peer_left(self, peer: Peer, why: str) -> None:
        """A worker is gone; what it means, the control store will tell."""
        for line in list(self.lines.values()):
            if line.peer is peer:
                line.peer = None
                news, line.news = line.news, []
                for state in news:
                    self.on_state(peer, state)
