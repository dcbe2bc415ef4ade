"""Where actors are started: scenarios, and the messages that follow."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.control.store import Control
from minimr.net.channel import Address

HEAD, FAR, DRIVER = ("head", 1), ("far", 2), ("driver", 3)
CPU = (("CPU", 1.0),)


class Peer:
    """The other end of a link: keeps what it is sent."""

    name = "127.0.0.1:1"
    closed = False

    def __init__(self, address: Address, home: Address) -> None:
        self.data = SimpleNamespace(address=address, home=home)
        self.sent: list[Any] = []

    def post(self, message: Any) -> None:
        self.sent.append(message)

    def demands(self) -> list[m.Demand]:
        """Tell what it was asked for, and give it no second time."""
        asked = [each for each in self.sent if type(each) is m.Demand]
        self.sent.clear()
        return asked


class Head:
    """The head's process without sockets and clock."""

    address = HEAD

    def __init__(self) -> None:
        self.left: list[Any] = []
        self.peers: dict[Address, Peer] = {}
        self.control = Control(self)  # type: ignore[arg-type]
        self.driver = self.maker = Peer(DRIVER, HEAD)
        self.ask: Any = None
        self._ids = 0

    def later(self, seconds: float, function: Any) -> None: ...

    def link(self, address: Address) -> Peer:
        return self.peers.setdefault(address, Peer(address, address))

    def joins(self, address: Address, cpus: float = 2.0) -> Any:
        info = m.NodeInfo(
            address[0], address, {"CPU": cpus}, {"CPU": cpus}, 1, True
        )
        self.control._on_report(self.link(address), m.Report(info))  # type: ignore[arg-type]

    def create(
        self,
        hold: m.Amounts,
        home: Address = HEAD,
        strategy: Any = None,
        deps: Any = (),
    ) -> bytes:
        """Have somebody on a node make an actor; give its id."""
        self._ids += 1
        id, self.maker = bytes([self._ids]), Peer(DRIVER, home)
        fields = dict.fromkeys(m.ActorSpec._fields)
        fields |= {"id": id, "hold": hold, "namespace": "", "owner": DRIVER}
        fields |= {"place": m.Shape(CPU, strategy, ()), "class_name": "A"}
        job = SimpleNamespace(id="job", driver=None)
        fields |= {"job": job, "max_restarts": 1, "deps": ()}
        spec = m.ActorSpec(**fields)  # type: ignore[arg-type]
        create, start = m.CreateActor(spec), m.StartActor(id, deps)
        self.control._on_create_actor(self.maker, create, lambda _: None)  # type: ignore[arg-type]
        self.control._on_start_actor(self.maker, start)  # type: ignore[arg-type]
        return id

    def leased(self, id: bytes) -> Any:
        """Give it a worker; return what it is told when that has begun."""
        actor: Any = self.control.actors[id]
        node, answered = self.link(actor.node), []
        self.ask = lambda link, ready, *_: answered.append(ready)
        grant = m.Grant(5, ("worker", 9), (), False)
        self.control._on_leased(node, m.Leased(actor.demand, grant))  # type: ignore[arg-type]
        return answered[0]

    def asked(self) -> dict[Address, int]:
        """How many workers each node was asked for since the last time."""
        counts = {a: len(peer.demands()) for a, peer in self.peers.items()}
        return {address: n for address, n in counts.items() if n}


@pytest.fixture
def head() -> Head:
    head = Head()
    head.joins(HEAD)
    head.joins(FAR)
    return head


def test_actors_that_hold_nothing_are_dealt_evenly(head: Head) -> None:
    for _ in range(10):
        head.create(())
    assert all(d.hops for d in head.peers[FAR].demands())
    assert head.asked() == {HEAD: 5}


def test_an_actor_that_has_ended_does_not_count(head: Head) -> None:
    ids = [head.create(()) for _ in range(2)]
    head.asked()
    end = m.EndActor(ids[0], no_restart=True, why="", at_once=True)
    head.control._on_end_actor(head.driver, end, print)  # type: ignore[arg-type]
    head.asked()
    head.create(())
    assert head.asked() == {HEAD: 1}


def test_an_actor_goes_to_no_node_that_can_never_run_it(head: Head) -> None:
    head.joins(("small", 4), cpus=0.0)
    for _ in range(4):
        head.create(())
    assert head.asked() == {HEAD: 2, FAR: 2}


def test_what_holds_a_cpu_is_asked_from_the_node_of_who_made_it(
    head: Head,
) -> None:
    head.create(CPU, home=FAR)
    (demand,) = head.peers[FAR].demands()
    assert not demand.hops  # the node may know a better one


def test_the_node_of_who_made_it_may_be_gone(head: Head) -> None:
    head.control._left(head.link(FAR), "it is gone")  # type: ignore[arg-type]
    head.asked()
    head.create(CPU, home=FAR)
    assert head.asked() == {HEAD: 1}


def test_the_strategy_of_an_actor_is_decided_at_the_makers_node(
    head: Head,
) -> None:
    for _ in range(2):
        head.create((), home=FAR, strategy=("SPREAD",))
    assert head.asked() == {FAR: 2}


LARGE = (((b"x", DRIVER), m.Stored(10**6, [FAR], ())),)


def test_an_actor_whose_argument_is_lost_waits_for_it_with_its_maker(
    head: Head,
) -> None:
    id = head.create(CPU, deps=LARGE)
    began = head.leased(id)
    head.asked()
    began((0, FAR))
    assert head.maker.sent == [m.PrepareActor(id, 0, FAR)]
    assert [type(each) for each in head.link(HEAD).sent] == [m.Release]
    head.control._on_start_actor(head.maker, m.StartActor(id, LARGE))  # type: ignore[arg-type]
    assert head.asked() == {HEAD: 1}


def test_the_arguments_of_a_restarted_actor_are_seen_to_first(
    head: Head,
) -> None:
    id = head.create(CPU, deps=LARGE)
    head.leased(id)(None)
    head.asked()
    head.control._on_died(head.link(HEAD), m.Died(5, "killed", 0))  # type: ignore[arg-type]
    assert head.maker.sent == [m.PrepareActor(id, -1, None)]
    assert head.asked() == {}


def test_an_actor_without_large_arguments_is_restarted_at_once(
    head: Head,
) -> None:
    id = head.create(CPU)
    head.leased(id)(None)
    head.asked()
    head.control._on_died(head.link(HEAD), m.Died(5, "killed", 0))  # type: ignore[arg-type]
    assert head.asked() == {HEAD: 1}


def test_an_actor_whose_lost_argument_nobody_can_make_dies(
    head: Head,
) -> None:
    id = head.create(CPU, deps=LARGE)
    began = head.leased(id)
    head.maker.closed = True
    began((0, FAR))
    assert head.control.actors[id].state == "DEAD"
