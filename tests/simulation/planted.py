"""Bugs to be planted, one at a time: what simulation has to find.

Each is a mistake that somebody could make, in the words of who makes it,
and the program, the seed and the few strikes that bring it to light. Those
of rung 1 are here, those of rung 2 in `planted_core.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from minimr.net.endpoint import Endpoint
from minimr.net.hub import Hub
from minimr.net.peer import Peer
from minimr.shared.mapreduce.tasks import TaskReport
from minimr.shared.parameter_server.checkpoint import Checkpoint
from minimr.shared.parameter_server.rounds import Rounds
from minimr.sockets.cluster.coordinator import Coordinator
from minimr.sockets.cluster.fetch import Fetcher
from minimr.sockets.cluster.membership import Member, Members
from minimr.sockets.cluster.messages import TaskId
from minimr.sockets.cluster.tracker import Task, Tracker
from minimr.sockets.parameter_server import Server

Plant = Callable[[pytest.MonkeyPatch], None]


class Planted(NamedTuple):
    """A bug, and the smallest run that is known to find it.

    Attributes:
        program: that finds it.
        strikes: of that seed, which are enough.
    """

    program: str
    plant: Plant
    seed: int
    strikes: set[int]


PLANTED: dict[str, Planted] = {}  # by what somebody has forgotten


def bug(
    name: str, program: str, seed: int, *strikes: int
) -> Callable[[Plant], Plant]:
    def remember(plant: Plant) -> Plant:
        PLANTED[name] = Planted(program, plant, seed, set(strikes))
        return plant

    return remember


@bug("a dead worker's finished map tasks are not run again", "wordcount", 0, 0)
def finished_maps(patch: pytest.MonkeyPatch) -> None:
    def lose(self: Tracker, worker: int) -> list[Task]:
        for task in self._all():
            if task.holder == worker and task.id.kind == "reduce":
                task.holder = None
            task.attempts.pop(worker, None)
        return []

    # Nor by the way of a fetch that fails: it only tries again.
    def fetch_failed(
        self: Tracker, worker: int, id_: TaskId, source: int
    ) -> bool:
        self.task(id_).attempts.pop(worker, None)
        return False

    patch.setattr(Tracker, "lose", lose)
    patch.setattr(Tracker, "fetch_failed", fetch_failed)


@bug("a dead worker's outputs are not made again", "wordcount", 0, 0)
def outputs(patch: pytest.MonkeyPatch) -> None:
    def lose(self: Tracker, worker: int) -> list[Task]:
        for task in self._all():
            if task.holder == worker and task.id.kind == "map":
                task.holder = None
            task.attempts.pop(worker, None)
        return []

    patch.setattr(Tracker, "lose", lose)


@bug("what a dead worker was running is not run again", "wordcount", 2, 1)
def running(patch: pytest.MonkeyPatch) -> None:
    def lose(self: Tracker, worker: int) -> list[Task]:
        for task in self._all():
            if task.holder == worker:
                task.holder = None
        return []

    patch.setattr(Tracker, "lose", lose)


@bug(
    "the coordinator waits for the answer of a dead worker", "wordcount", 13, 2
)
def answers(patch: pytest.MonkeyPatch) -> None:
    def on_lost(self: Coordinator, member: Any) -> None:
        for run in self._runs.values():
            run.tracker.lose(member.id)

    patch.setattr(Coordinator, "_on_lost", on_lost)


@bug("a task that has ended twice belongs to the last one", "wordcount", 0)
def twice(patch: pytest.MonkeyPatch) -> None:
    def finish(
        self: Tracker, worker: int, id_: TaskId, report: TaskReport
    ) -> set[int]:
        task = self.task(id_)
        task.holder, task.report = worker + 1, report
        task.attempts.clear()
        return set()

    patch.setattr(Tracker, "finish", finish)


@bug(
    "blocks of the task before are taken for those of this one",
    "wordcount",
    4,
    2,
)
def unread(patch: pytest.MonkeyPatch) -> None:
    request = Fetcher.request

    def keep(self: Fetcher, *args: Any) -> None:
        self._unread.clear()
        request(self, *args)

    def close(self: Fetcher, worker: int) -> None:
        """Keep the connection, with what is still under way."""

    patch.setattr(Fetcher, "request", keep)
    patch.setattr(Fetcher, "_close", close)


@bug("a message of another thread wakes nobody", "wordcount", 0)
def no_wake(patch: pytest.MonkeyPatch) -> None:
    def post(self: Hub, message: Any) -> None:
        self._posted.append(message)

    patch.setattr(Hub, "post", post)


@bug("nobody hears that a worker is lost", "wordcount", 0, 0)
def unheard(patch: pytest.MonkeyPatch) -> None:
    lose = Members.lose

    def lose_unheard(
        self: Members, member: Member, why: str, died: bool = False
    ) -> None:
        lose(self, member, why, died)
        self._events.pop()

    patch.setattr(Members, "lose", lose_unheard)


@bug("what a socket has no room for is dropped", "objects", 0)
def no_room(patch: pytest.MonkeyPatch) -> None:
    drain = Peer._drain

    def drain_and_drop(self: Peer) -> bool:
        full = drain(self)
        if full:
            self._queue = []
        return full

    patch.setattr(Peer, "_drain", drain_and_drop)


@bug("nobody hears that a link has ended", "tasks", 0)
def link_ended(patch: pytest.MonkeyPatch) -> None:
    lose = Endpoint._lose

    def lose_unheard(self: Endpoint, peer: Peer, why: str) -> None:
        self.left.clear()
        lose(self, peer, why)

    patch.setattr(Endpoint, "_lose", lose_unheard)


@bug("who is gone leaves questions unanswered", "objects", 3, 1)
def unanswered(patch: pytest.MonkeyPatch) -> None:
    lose = Endpoint._lose

    def lose_silently(self: Endpoint, peer: Peer, why: str) -> None:
        asked, self._asked = self._asked, {}
        lose(self, peer, why)
        self._asked = asked

    patch.setattr(Endpoint, "_lose", lose_silently)


@bug("a push that comes again counts again", "parameter-server", 3, 0)
def push_twice(patch: pytest.MonkeyPatch) -> None:
    push = Rounds.push

    def again(self: Rounds, worker: int, clock: int, update: Any) -> bool:
        self.clocks[worker] = min(self.clocks[worker], clock - 1)
        return push(self, worker, clock, update)

    patch.setattr(Rounds, "push", again)


@bug(
    "a push is answered before it is in the checkpoint",
    "parameter-server",
    3,
    0,
)
def checkpoint(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Checkpoint, "changed", lambda self, rounds: None)


@bug("a worker that is dead is waited for", "parameter-server", 1, 0)
def dead_worker(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Server, "leave", lambda self, worker: None)
