"""When an owner gives a worker back: the others' need, and its own."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.leases import IDLE_S, LOCALITY_BYTES, Leases
from minimr.core.tasks import Task

SHAPE = m.Shape((("CPU", 1.0),), None, ())
WORKER = ("worker", 1)


class Peer:
    """The other end of a link: keeps what it is sent."""

    def __init__(self, address: Any) -> None:
        self.data = SimpleNamespace(address=address)
        self.sent: list[Any] = []

    def post(self, message: Any) -> None:
        self.sent.append(message)

    def posted(self) -> int:
        return 0


class Runtime:
    """An owner without sockets, clock and results."""

    urgent = False
    job = SimpleNamespace(id="job", driver=None)

    def __init__(self) -> None:
        self.peers: dict[Any, Peer] = {}
        self.node = self.link(("node", 0))
        self.timers: list[float] = []
        self.finished: list[Task] = []
        self.tasks = SimpleNamespace(finish=self._finish)
        self.objects = SimpleNamespace(received=lambda reply: None)

    def link(self, address: Any) -> Any:
        return self.peers.setdefault(address, Peer(address))

    def later(self, seconds: float, function: Any) -> None:
        self.timers.append(seconds)

    def _finish(self, task: Task, results: Any) -> None:
        task.waits = False
        self.finished.append(task)


class Owner:
    """What a test does to an owner, and sees of it."""

    def __init__(self) -> None:
        self.runtime: Any = Runtime()
        self.leases = Leases(self.runtime)
        self.node: Any = self.runtime.node
        self.worker: Any = self.runtime.link(WORKER)
        self._ids = itertools.count()

    def submit(self, refs: Any = (), shape: m.Shape = SHAPE) -> None:
        id = next(self._ids).to_bytes(4, "big")
        self.leases.enqueue(
            Task(id, "f", b"f", b"", b"", list(refs), [], 1, shape=shape)
        )

    def leased(self, wanted: bool) -> None:
        grant = m.Grant(7, WORKER, (), wanted)
        self.leases._on_leased(self.node, 0, grant)

    def done(self) -> None:
        pushed = [each[1] for each in self.worker.sent if each[0] == "push"]
        id = pushed[len(self.runtime.finished)]
        self.leases._on_done(self.worker, id, b"result")

    def reclaim(self, busy: bool, node: Any = None) -> None:
        self.leases._on_reclaim(node or self.node, busy)

    @property
    def released(self) -> bool:
        return ("release", 7, "") in self.node.sent


@pytest.fixture
def owner() -> Owner:
    owner = Owner()
    owner.submit()
    return owner


def test_an_idle_worker_is_kept_for_a_moment(owner: Owner) -> None:
    owner.leased(wanted=False)
    owner.done()
    assert not owner.released
    assert owner.runtime.timers == [IDLE_S]


def test_a_worker_that_others_wait_for_goes_when_it_is_idle(
    owner: Owner,
) -> None:
    owner.leased(wanted=True)
    assert not owner.released
    owner.done()
    assert owner.released


def test_a_worker_that_others_wait_for_does_our_tasks_first(
    owner: Owner,
) -> None:
    owner.submit()
    owner.leased(wanted=True)
    owner.done()
    assert not owner.released
    owner.done()
    assert owner.released


def test_an_idle_worker_that_is_asked_back_goes_at_once(owner: Owner) -> None:
    owner.leased(wanted=False)
    owner.done()
    owner.reclaim(busy=False)
    assert owner.released


def test_a_busy_worker_that_is_asked_back_goes_when_it_is_idle(
    owner: Owner,
) -> None:
    owner.leased(wanted=False)
    owner.reclaim(busy=False)
    assert not owner.released
    owner.done()
    assert owner.released


def test_a_busy_worker_whose_time_is_up_gets_no_more_tasks(
    owner: Owner,
) -> None:
    owner.submit()
    owner.leased(wanted=False)
    owner.reclaim(busy=True)
    owner.submit()
    pushed = len(owner.worker.sent)
    owner.done()
    assert len(owner.worker.sent) == pushed
    assert owner.released


def test_what_another_node_needs_is_not_ours_to_give(owner: Owner) -> None:
    owner.leased(wanted=False)
    owner.done()
    owner.reclaim(busy=False, node=Peer(("another", 0)))
    assert not owner.released


def demands(peer: Any) -> list[tuple[int, int]]:
    """How many workers a node was asked for, and was it chosen for it?"""
    asked = [each[1] for each in peer.sent if each[0] == "demand"]
    return [(demand.workers, demand.hops) for demand in asked]


def large(size: int, *places: Any) -> Any:
    """An argument that lies on nodes."""
    value = m.Stored(size, [*places], ())
    return SimpleNamespace(entry=SimpleNamespace(value=value))


def test_a_worker_is_asked_from_the_node_that_has_a_large_argument(
    owner: Owner,
) -> None:
    far = owner.runtime.link(("far", 2))
    owner.submit([large(2 * LOCALITY_BYTES, ("far", 2))])
    assert demands(far) == [(1, 1)]
    assert demands(owner.node) == [(1, 0)]  # the fixture's


def test_a_small_argument_moves_no_task(owner: Owner) -> None:
    owner.submit([large(LOCALITY_BYTES // 2, ("far", 2))])
    assert demands(owner.runtime.link(("far", 2))) == []


def test_a_strategy_is_decided_by_the_node_that_is_asked(
    owner: Owner,
) -> None:
    spread = SHAPE._replace(strategy=("SPREAD",))
    owner.submit([large(2 * LOCALITY_BYTES, ("far", 2))], spread)
    assert demands(owner.runtime.link(("far", 2))) == [(1, 0)]
