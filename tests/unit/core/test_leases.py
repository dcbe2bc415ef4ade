"""When an owner gives a worker back: the others' need, and its own."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.process import leases
from minimr.core.process.leases import IDLE_S, LOCALITY_BYTES, Leases
from minimr.core.process.tasks import Task
from minimr.system import machine

SHAPE = m.Shape((("CPU", 1.0),), None, ())
WORKER = ("worker", 1)


class Peer:
    """The other end of a link: keeps what it is sent."""

    name = "127.0.0.1:1"

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
    waits = False
    job = SimpleNamespace(id="job", driver=None)

    def __init__(self) -> None:
        self.peers: dict[Any, Peer] = {}
        self.node = self.link(("node", 0))
        self.timers: list[float] = []
        self.finished: list[Task] = []
        self.unready: list[tuple[bytes, int, Any]] = []
        self.tasks = SimpleNamespace(
            finish=self._finish, wait_again=self._wait_again, deps=list
        )

    def link(self, address: Any) -> Any:
        return self.peers.setdefault(address, Peer(address))

    def later(self, seconds: float, function: Any) -> None:
        self.timers.append(seconds)

    def _wait_again(self, task: Task, number: int, place: Any) -> None:
        self.unready.append((task.id, number, place))

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
        self.leases._on_leased(self.node, m.Leased(0, grant))

    def done(self) -> None:
        id = self.pushed[len(self.runtime.finished)]
        self.leases._on_done(self.worker, m.Done(id, b"result"))

    @property
    def pushed(self) -> list[bytes]:
        """The tasks that the worker was sent."""
        sent = self.worker.sent
        return [each.id for each in sent if type(each) is m.Push]

    def reclaim(self, busy: bool, node: Any = None) -> None:
        self.leases._on_reclaim(node or self.node, m.Reclaim(busy))

    @property
    def released(self) -> bool:
        return m.Release(7, "") in self.node.sent


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
    asked = [each for each in peer.sent if type(each) is m.Demand]
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


def test_a_task_that_waits_takes_its_cpu_before_it_gives_a_worker_back(
    owner: Owner,
) -> None:
    owner.leased(wanted=True)
    owner.runtime.waits = True
    owner.done()
    assert not owner.released
    owner.leases.give_back()
    assert owner.released


def test_a_task_whose_argument_is_lost_leaves_its_worker_to_others(
    owner: Owner,
) -> None:
    owner.leased(wanted=True)
    (id,) = owner.pushed
    owner.leases._on_unready(owner.worker, m.Unready(id, 0, ("far", 2)))
    assert owner.runtime.unready == [(id, 0, ("far", 2))]
    assert owner.runtime.finished == []
    assert owner.released


def test_what_makes_a_lost_argument_may_get_the_worker_of_its_reader(
    owner: Owner,
) -> None:
    owner.leased(wanted=True)
    owner.submit()  # of the same shape
    first, *_ = owner.pushed
    owner.leases._on_unready(owner.worker, m.Unready(first, 0, None))
    assert len(owner.pushed) == 2
    assert not owner.released


def test_a_window_doubles_while_answers_come_quickly(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(machine, "monotonic", lambda: now[0])
    for _ in range(20):
        owner.submit()
    owner.leased(wanted=False)
    sent = [len(owner.pushed)]
    for _ in range(3):
        owner.done()
        sent.append(len(owner.pushed) - len(owner.runtime.finished))
    assert sent == [1, 2, 4, 8]
    now[0] += 2 * leases.SLOW_S
    owner.done()  # and one at a time, once the seven are done
    assert len(owner.pushed) - len(owner.runtime.finished) == 7


def test_what_was_returned_runs_first_and_in_its_order(owner: Owner) -> None:
    owner.leased(wanted=False)
    (lease,) = owner.leases.by_peer.values()
    lease.window = 4
    for _ in range(3):
        owner.submit()
    ids = owner.pushed
    assert len(ids) == 4
    owner.leases._on_returned(owner.worker, m.Returned(ids[1:]))
    owner.submit()
    waiting = [task.id for task in lease.queue.tasks]
    assert waiting[:3] == ids[1:]


def test_the_worker_with_least_to_do_gets_the_next_task(owner: Owner) -> None:
    owner.leased(wanted=False)
    (lease,) = owner.leases.by_peer.values()
    lease.window = 4
    owner.submit()
    grant = m.Grant(8, ("worker", 2), (), False)
    owner.leases._on_leased(owner.node, m.Leased(0, grant))
    owner.submit()
    other = owner.runtime.link(("worker", 2))
    assert [type(each) for each in other.sent] == [m.Granted, m.Push]


def test_a_refusal_is_of_the_tasks_that_wait_and_not_of_later_ones(
    owner: Owner,
) -> None:
    refused = m.Refused(0, None, "no node can run it")
    owner.leases._on_refused(owner.node, refused)
    assert len(owner.runtime.finished) == 1
    owner.submit()
    assert len(owner.runtime.finished) == 1
    assert demands(owner.node)[-1] == (1, 0)


def test_a_node_is_told_when_nothing_waits_any_more(owner: Owner) -> None:
    owner.submit()
    owner.submit()
    owner.leased(wanted=False)
    (lease,) = owner.leases.by_peer.values()
    lease.window = 4
    owner.leases.dispatch(lease.queue)
    assert demands(owner.node)[-1] == (0, 0)


def test_a_death_is_believed_when_the_last_answers_are_read(
    owner: Owner,
) -> None:
    told: list[int] = []
    owner.runtime.tasks.interrupted = lambda lease, why, begun: told.append(
        begun
    )
    owner.leased(wanted=False)
    (lease,) = owner.leases.by_peer.values()
    lease.window = 2
    owner.submit()
    owner.leases._on_died(owner.node, m.Died(7, "killed", 2))
    assert told == []
    owner.done()  # its last answer was on the way
    owner.leases.left(owner.worker, "it hung up")
    assert told == [2]
