"""Who gets a worker, and who is told that others wait for it."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.node.leasing import Leasing
from minimr.node.pool import Worker
from minimr.node.scheduler import Pool

SHAPE = m.Shape((("CPU", 1.0),), None, ())


class Node:
    """A node with one CPU, one idle worker and no clock."""

    id, address = "node", ("node", 0)

    def __init__(self) -> None:
        self.pool = Pool({"CPU": 1.0})
        worker = Worker(())
        worker.peer, worker.address = Any, ("worker", 1)
        self.workers = SimpleNamespace(workers={1: worker})
        self.nodes: list[m.NodeInfo] = []

    def info(self) -> m.NodeInfo:
        about = (self.id, self.address, self.pool.total, self.pool.available)
        return m.NodeInfo(*about, os.getpid(), True, {})

    def report(self) -> None: ...

    def later(self, seconds: float, function: Any) -> None: ...


class Owner:
    """Somebody who wants workers: keeps what he is told."""

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
        self._leasing._on_release(peer, lease, "")

    @property
    def wanted(self) -> list[bool]:
        """For each worker he got: was he told that others wait?"""
        return [each[2].wanted for each in self.told if each[0] == "leased"]


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
    assert ("reclaim", False) in owners[0].told
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
    assert owners[1].told == [("refused", 0, other, "")]
