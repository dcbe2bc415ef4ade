"""Bugs to be planted in rung 2, as `planted.py` says."""

from __future__ import annotations

from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.control.actors import Actor, Phase
from minimr.core.control.actors import Actors as ControlActors
from minimr.core.control.placement_groups import Groups
from minimr.core.node.leasing import Lease as NodeLease
from minimr.core.node.leasing import Leasing
from minimr.core.node.object_store import Object, Store
from minimr.core.node.object_transfer import Transfers
from minimr.core.process.actor_calls import Actors
from minimr.core.process.leases import Leases
from minimr.core.process.ownership import Objects
from minimr.core.process.records import Lease, Queue
from minimr.core.process.tasks import Tasks
from tests.simulation.planted import PLANTED as PLANTED
from tests.simulation.planted import bug


@bug("borrowers are not counted", "borrowed", 0)
def borrowers(patch: pytest.MonkeyPatch) -> None:
    def on_borrow(self: Objects, peer: Any, borrow: Any, reply: Any) -> None:
        reply(None)

    patch.setattr(Objects, "_on_borrow", on_borrow)


@bug("stores are not told what is freed", "objects", 0)
def not_freed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Objects, "free", lambda self, id, places: None)


@bug("the copies of a dead node are still counted on", "objects", 0, 0)
def dead_copies(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Objects, "node_lost", lambda self, place: None)
    patch.setattr(Objects, "missing", lambda self, entry, place: None)


@bug("nobody hears how a worker died", "tasks", 0, 1)
def no_death(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leases, "_on_died", lambda self, peer, died: None)


@bug("with a dead node its workers are still waited for", "tasks", 0, 0)
def dead_workers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leases, "node_lost", lambda self, address: None)


@bug("what a dead worker had not begun is forgotten", "tasks", 20, 0)
def not_begun(patch: pytest.MonkeyPatch) -> None:
    interrupted = Tasks.interrupted

    def some(self: Tasks, lease: Lease, why: str, begun: int) -> None:
        first = list(lease.inflight.items())[: max(0, begun - lease.done)]
        lease.inflight = dict(first)
        interrupted(self, lease, why, begun)

    patch.setattr(Tasks, "interrupted", some)


@bug("a task that runs again has all the tries that it had", "tasks", 0, 0)
def endless(patch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Tasks, lease: Lease, why: str, begun: int) -> None:
        """Forget that the worker had tasks."""

    patch.setattr(Tasks, "interrupted", interrupted)


@bug("a lease that is over keeps its CPU", "tasks", 1, 2)
def keeps_cpu(patch: pytest.MonkeyPatch) -> None:
    def take_back(
        self: Leasing, lease: NodeLease, why: str, *, at_once: bool = False
    ) -> None:
        if why and lease.worker is not None:
            end = self._workers.kill if at_once else self._workers.end
            end(lease.worker, why)
            return
        del self.leases[lease.number]
        if not lease.worker:  # it has died
            return
        self._pool.give(lease.hold)
        self._workers.rests(lease.worker)
        self.schedule()

    patch.setattr(Leasing, "_take_back", take_back)


@bug("the leases of an owner that is gone stay", "nested", 1, 2)
def owner_gone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leasing, "owner_left", lambda self, peer: None)


@bug("a dead reader still holds what it has read", "objects", 35, 2)
def dead_reader(patch: pytest.MonkeyPatch) -> None:
    def process_left(self: Store, reader: Any, address: Any) -> None:
        for stored in self.objects.values():
            stored.pins[("dead", id(reader))] = stored.pins.pop(reader, 0)
            stored.pins = +stored.pins

    patch.setattr(Store, "process_left", process_left)


@bug("an object is free while somebody reads it", "objects", 0)
def read_freed(patch: pytest.MonkeyPatch) -> None:
    forget = Store._forget_if_over

    def forget_at_once(self: Store, stored: Object) -> None:
        if stored.freed and stored.sealed:
            stored.pins.clear()
        forget(self, stored)

    patch.setattr(Store, "_forget_if_over", forget_at_once)


@bug("a transfer that has failed is not told to who waits", "objects", 3, 1)
def silent_transfer(patch: pytest.MonkeyPatch) -> None:
    end = Transfers._end

    def end_well(self: Transfers, coming: Any, failed: bool) -> None:
        if not failed:
            end(self, coming, failed)

    patch.setattr(Transfers, "_end", end_well)


@bug("an actor whose node died is not started again", "actors", 2, 0)
def node_died(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ControlActors, "node_died", lambda self, node, why: None)


@bug("an actor whose worker died is not started again", "actors", 34, 0)
def actor_lost(patch: pytest.MonkeyPatch) -> None:
    def lost(self: ControlActors, actor: Actor, why: str) -> None:
        actor.lease = actor.worker = actor.node = None

    patch.setattr(ControlActors, "_lost", lost)


@bug(
    "a node that dies before it has granted is waited for",
    "placed-actors",
    0,
    0,
)
def still_asked(patch: pytest.MonkeyPatch) -> None:
    def node_died(self: ControlActors, node: Any, why: str) -> None:
        for actor in list(self.table.values()):
            if actor.node == node and actor.lease is not None:
                self._lost(actor, why)

    patch.setattr(ControlActors, "node_died", node_died)


@bug("the process of an actor outlives it", "actors", 0)
def outlives(patch: pytest.MonkeyPatch) -> None:
    def end_process(
        self: ControlActors, actor: Actor, why: str, *, at_once: bool = False
    ) -> None:
        """End nothing."""

    patch.setattr(ControlActors, "_end_process", end_process)


@bug("a dead actor keeps its name", "named-actors", 0)
def name_stays(patch: pytest.MonkeyPatch) -> None:
    die = ControlActors._die

    def name_again(
        self: ControlActors, actor: Actor, *why: Any, **how: Any
    ) -> None:
        die(self, actor, *why, **how)
        if actor.spec.name is not None:
            name = actor.spec.namespace, actor.spec.name
            self._names[name] = actor.spec.id

    patch.setattr(ControlActors, "_die", name_again)


@bug("an actor has a life more than it may", "placed-actors", 1, 1)
def life_more(patch: pytest.MonkeyPatch) -> None:
    lost = ControlActors._lost

    def lost_once_less(self: ControlActors, actor: Actor, why: str) -> None:
        spec = actor.spec
        most = spec.max_restarts + (spec.max_restarts >= 0)
        actor.spec = spec._replace(max_restarts=most)
        lost(self, actor, why)
        actor.spec = spec

    patch.setattr(ControlActors, "_lost", lost_once_less)


@bug("a group keeps its place on a dead node", "placed-actors", 3, 1)
def group_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Groups, "node_lost", lambda self, id: None)


@bug("a removed group keeps its CPUs", "placed-actors", 0)
def not_given_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Groups, "_give_back", lambda self, group: None)


@bug("nobody hears that an actor lives again", "named-actors", 3, 2, 4)
def no_news(patch: pytest.MonkeyPatch) -> None:
    tell = ControlActors._tell_followers

    def tell_once(self: ControlActors, actor: Actor) -> None:
        if not actor.restarts or actor.phase is not Phase.ALIVE:
            tell(self, actor)

    patch.setattr(ControlActors, "_tell_followers", tell_once)


@bug("calls go on to the actor that was there before", "actors", 0)
def old_actor(patch: pytest.MonkeyPatch) -> None:
    def restarts(self: Actors, queue: Queue, told: m.ActorState) -> None:
        """Keep the lease."""

    patch.setattr(Actors, "_restarts", restarts)
    patch.setattr(Actors, "_end_leases", lambda self, queue, why: None)
