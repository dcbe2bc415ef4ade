"""Who gets a worker, and who is told that others wait for it."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.node.leasing import Leasing
from minimr.core.node.worker_pool import Worker
from minimr.core.scheduler import Pool

SHAPE = m.Shape((("CPU", 1.0),), None, ())


class Node:
    """A node with one CPU, one idle worker and no clock."""

    id, address = "node", ("node", 0)

    def __init__(self, cpus: int = 1) -> None:
        self.pool = Pool({"CPU": float(cpus)})
        self.workers = SimpleNamespace(workers={}, fork=self.fork)
        self.nodes: list[m.NodeInfo] = []
        self.fork(())
        self.starts()

    def fork(self, env: Any) -> None:
        workers = self.workers.workers
        workers[len(workers)] = Worker(env)

    def starts(self) -> int:
        """Let workers that were forked say hello; tell how many."""
        new = [w for w in self.workers.workers.values() if w.peer is None]
        for worker in new:
            worker.peer, worker.address = Any, ("worker", 1)
        return len(new)

    def cpus(self) -> int:
        return int(self.pool.total["CPU"])

    def info(self) -> m.NodeInfo:
        about = (self.id, self.address, self.pool.total, self.pool.available)
        return m.NodeInfo(*about, os.getpid(), True, {})

    def report(self) -> None: ...

    def later(self, seconds: float, function: Any) -> None: ...


class Owner:
    """Somebody who wants workers: keeps what he is told."""

    name = "127.0.0.1:1"

    def __init__(self, leasing: Leasing) -> None:
        self.told: list[Any] = []
        self._leasing = leasing

    def post(self, message: Any) -> None:
        self.told.append(message)

    def wants(self, workers: int, hops: int = 0) -> None:
        peer: Any = self
        demand = m.Demand(0, SHAPE, None, "", workers, hops)
        self._leasing._on_demand(peer, demand)

    def gives_back(self) -> None:
        peer: Any = self
        (lease,) = self._leasing.leases
        self._leasing._on_release(peer, m.Release(lease, ""))

    @property
    def wanted(self) -> list[bool]:
        """For each worker he got: was he told that others wait?"""
        leased = [each for each in self.told if type(each) is m.Leased]
        return [each.grant.wanted for each in leased]


@pytest.fixture
def owners() -> list[Owner]:
    node: Any = Node()
    leasing = Leasing(node)
    return [Owner(leasing) for _ in range(3)]


def test_nobody_waits_for_the_only_owners_worker(owners: list[Owner]) -> None:
    owners[0].wants(5)  # four of them have to wait: for himself
    assert owners[0].wanted == [False]


def test_who_has_a_worker_is_told_when_another_waits(
    owners: list[Owner],
) -> None:
    owners[0].wants(1)
    owners[1].wants(1)
    assert m.Reclaim(busy=False) in owners[0].told
    assert owners[1].told == []


def test_who_gets_a_worker_that_others_wait_for_is_told(
    owners: list[Owner],
) -> None:
    for owner in owners:
        owner.wants(1)
    owners[0].gives_back()
    assert owners[1].wanted == [True]
    owners[1].gives_back()
    assert owners[2].wanted == [False]


@pytest.mark.parametrize("hops", [0, 1])
def test_who_waits_is_sent_on_when_another_node_gets_room(
    owners: list[Owner], hops: int
) -> None:
    leasing = owners[0]._leasing
    owners[0].wants(1)
    owners[1].wants(1, hops)
    other, cpus = ("other", 2), {"CPU": 1.0}
    leasing.node.nodes = [
        m.NodeInfo("other", other, cpus, {"CPU": 0.0}, 1, True)
    ]
    leasing.schedule()
    assert owners[1].told == []
    leasing.node.nodes[0].available["CPU"] = 1.0
    leasing.schedule()
    assert owners[1].told == [m.Refused(0, other, "")]


def test_no_more_workers_start_at_once_than_there_are_cpus() -> None:
    node: Any = Node(cpus=2)
    leasing = Leasing(node)
    for number in range(7):  # actors that hold nothing
        owner: Any = Owner(leasing)
        demand = m.Demand(number, SHAPE, (), "", 1, 0)
        leasing._on_demand(owner, demand)
    started = []
    while new := node.starts():
        started.append(new)
        leasing.schedule()
    assert started == [2, 2, 2]  # and one that was there


class Nest:
    """Owners in the workers of one node, which wait for one another."""

    def __init__(self, cpus: int = 1) -> None:
        self.node: Any = Node(cpus)
        self.leasing = Leasing(self.node)
        self.driver: Any = Owner(self.leasing)

    def started(self, owner: Owner) -> Owner:
        """Give the next worker that is granted to an owner, as an owner."""
        self.node.starts()
        self.leasing.schedule()
        owners = [lease.want.peer for lease in self.leasing.leases.values()]
        assert owner in owners, "it got none"
        lease = [
            lease
            for lease in self.leasing.leases.values()
            if lease.want.peer is owner
        ][-1]
        worker: Any = Owner(self.leasing)
        assert lease.worker is not None
        lease.worker.peer = worker
        return worker  # type: ignore[no-any-return]

    def waits(self, worker: Any, waits: bool = True) -> None:
        self.leasing._on_blocked(worker, m.Blocked(waits))

    def has(self, owner: Owner) -> int:
        """How many workers an owner has."""
        leases = self.leasing.leases.values()
        return sum(lease.want.peer is owner for lease in leases)


def test_the_cpu_of_a_task_that_waits_goes_to_what_it_waits_for() -> None:
    nest = Nest()
    nest.driver.wants(500)
    task = nest.started(nest.driver)
    task.wants(1)
    assert nest.has(task) == 0
    nest.waits(task)
    assert (nest.has(task), nest.has(nest.driver)) == (1, 1)
    child = nest.started(task)
    child.wants(1)
    nest.waits(child)
    assert (nest.has(child), nest.has(nest.driver)) == (1, 1)


def test_a_task_that_waits_goes_before_others_for_one_worker_only() -> None:
    nest = Nest(cpus=2)
    nest.driver.wants(1)
    task, other = nest.started(nest.driver), Owner(nest.leasing)
    other.wants(2)
    task.wants(10)
    nest.waits(task)
    assert (nest.has(task), nest.has(other)) == (1, 1)
    other_peer: Any = other
    nest.leasing._on_release(other_peer, m.Release(2, ""))
    assert (nest.has(task), nest.has(other)) == (1, 1)


def test_what_an_actor_or_a_driver_wants_waits_its_turn() -> None:
    nest = Nest()
    other, last = Owner(nest.leasing), Owner(nest.leasing)
    nest.driver.wants(1)
    nest.started(nest.driver)
    other.wants(1)
    last.wants(1)
    nest.driver.gives_back()
    assert (nest.has(other), nest.has(last)) == (1, 0)
