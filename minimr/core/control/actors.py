"""The lives of actors: where each one starts, ends, and starts again.

    CreateActor ──> PREPARING ── StartActor ──> PLACING ── Demand ──> ASKING
                      ▲  ▲                         ▲                   │ │
                      │  │              a new node └── HOMELESS <──────┘ │
                 Died │  │ Died, or                     Refused          │
                      │  │ an argument is lost                           │
                  ALIVE  └────────── STARTING <──── Leased ──────────────┘
                      ▲                  │
                      └───── Become ─────┘

    and from each of them to DEAD. Its followers hear when it is alive,
    restarting or dead.

Rules:

1. The workers of actors are leased as owners lease those of tasks: from the
   node of the maker or, if the actor holds nothing while it lives, from the
   node with the fewest actors.
2. A process that died counts as one restart; after `max_restarts` the actor
   is dead. So it is when no node could ever run it, unless it has lived: then
   a node may join that can.
3. Large arguments of a restarted actor are seen to first, by its maker: they
   may have to be made again. Meanwhile the actor holds nothing.
4. A name belongs to one actor in its namespace, until that one is dead.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any

from minimr.core import messages as m
from minimr.core.scheduler import fits
from minimr.core.serialization import as_failed
from minimr.exceptions import (
    ActorDiedError,
    ActorPlacementGroupRemoved,
    ActorUnschedulableError,
)
from minimr.net.channel import Address
from minimr.net.endpoint import AskFunction, Later, Link
from minimr.net.messages import Gone, Handler, Reply
from minimr.net.peer import Peer

FOLLOW_S = 1.0  # that the creation of an actor may come after a follower
MAX_DEAD_ACTORS = 1000  # still listed

log = logging.getLogger(__name__)


class Phase(Enum):
    """Where an actor is in its life."""

    PREPARING = auto()  # its maker sees to its arguments
    PLACING = auto()  # a node is chosen, when its placement group is there
    HOMELESS = auto()  # it has lived, and no node can run it: one may join
    ASKING = auto()  # a node was asked for a worker
    STARTING = auto()  # its constructor runs
    ALIVE = auto()
    DEAD = auto()


P = Phase
MOVES = {
    P.PREPARING: (P.PLACING, P.DEAD),
    P.PLACING: (P.ASKING, P.DEAD),
    P.HOMELESS: (P.PLACING, P.DEAD),
    P.ASKING: (P.PLACING, P.HOMELESS, P.STARTING, P.DEAD),
    P.STARTING: (P.PREPARING, P.ALIVE, P.DEAD),
    P.ALIVE: (P.PREPARING, P.DEAD),
    P.DEAD: (),
}


@dataclass(eq=False)
class Actor:
    """One actor, from its creation until it is forgotten."""

    spec: m.ActorSpec
    maker: Peer  # has its arguments
    phase: Phase = P.PREPARING
    demand: int = 0  # our number for the lease that it waits for
    node: Address | None = None  # that was asked for it
    lease: int | None = None
    worker: Address | None = None
    restarts: int = 0
    why: str = ""
    error: bytes | None = None
    followers: dict[Peer, None] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.spec.class_name} {self.spec.id.hex()}"

    def move(self, phase: Phase) -> None:
        """Change the phase, as the table allows."""
        assert phase in MOVES[self.phase], f"{self.phase} -> {phase}: {self}"
        self.phase = phase

    def state(self) -> str:
        """Return its state as its followers know it."""
        if self.phase in (P.ALIVE, P.DEAD):
            return self.phase.name
        return "RESTARTING" if self.restarts else "PENDING"

    def news(self) -> m.ActorState:
        """Return the message to its followers."""
        about = (self.worker, self.why, self.error)
        return m.ActorState(self.spec.id, self.state(), *about)

    def is_large(self) -> bool:
        """Return whether some of its arguments are in object stores."""
        return any(isinstance(value, m.Stored) for _, value in self.spec.deps)

    def row(self, nodes: Mapping[Address, str]) -> dict[str, Any]:
        """Return what `list` shows; `nodes` has the ids of addresses."""
        spec, state = self.spec, self.state()
        return {
            "actor_id": spec.id.hex(),
            "class_name": spec.class_name,
            "state": "PENDING_CREATION" if state == "PENDING" else state,
            "job_id": spec.job.id,
            "name": spec.name or "",
            "node_id": nodes.get(self.node, "") if self.node else "",
            "worker": self.worker,
            "ray_namespace": spec.namespace,
            "is_detached": spec.owner is None,
            "num_restarts": self.restarts,
            "death_cause": self.why,
            "required_resources": dict(spec.hold),
        }


class Actors:
    """The table of actors. Runs in: the control store.

    Args:
        nodes: the table of nodes, by their ids.
        here: the address of the head's node.
        link: returns the link to an address.
        ask: sends a question on a link, and calls with the answer.
        later: calls a function after that many seconds.
        when_created: calls with the places of a placement group's bundles,
            or why it has none.
    """

    def __init__(
        self,
        nodes: Mapping[str, m.NodeInfo],
        here: Address,
        *,
        link: Link,
        ask: AskFunction,
        later: Later,
        when_created: Callable[
            [str, Callable[[list[Address]], None], Callable[[str], None]], None
        ],
    ) -> None:
        self.table: dict[bytes, Actor] = {}
        self._names: dict[tuple[str, str], bytes] = {}  # {(namespace, name)}
        self._nodes = nodes
        self._here = here
        self._link, self._ask, self._later = link, ask, later
        self._when_created = when_created
        self._demands: dict[int, Actor] = {}  # {our number: who waits}
        self._numbers = itertools.count(1)
        self._dead: deque[bytes] = deque()  # the oldest first

    def handlers(self) -> list[Handler]:
        """Return what it is told and asked."""
        return [
            m.CreateActor.to(self._on_create_actor),
            m.StartActor.to(self._on_start_actor),
            m.Refused.to(self._on_refused),
            m.Leased.to(self._on_leased),
            m.Died.to(self._on_died),
            m.EndActor.to(self._on_end_actor),
            m.Follow.to(self._on_follow),
            m.FindActor.to(self._on_find_actor),
        ]

    # ---- a place, and a process ----

    def _on_create_actor(
        self, peer: Peer, create: m.CreateActor, reply: Reply[m.Refusal | None]
    ) -> None:
        spec = create.spec
        space, name = spec.namespace, spec.name
        if name is not None and (space, name) in self._names:
            why = f"the name {name!r} is taken in namespace {space!r}"
            reply(m.Refusal(why))
            return
        if name is not None:
            self._names[space, name] = spec.id
        actor = self.table[spec.id] = Actor(spec, peer)
        log.debug("actor %s: %s asks for it", actor, peer.name)
        reply(None)

    def _on_start_actor(self, peer: Peer, start: m.StartActor) -> None:
        actor = self.table.get(start.id)  # None: its name was taken
        if actor is not None and actor.phase is P.PREPARING:
            actor.spec = actor.spec._replace(deps=start.deps)
            self._place(actor)

    def _place(self, actor: Actor) -> None:
        """Choose a node; in a placement group, as soon as that is there."""
        actor.move(P.PLACING)
        kind, *where = actor.spec.place.strategy or ("DEFAULT",)
        if kind != "group":
            node, hops = self._first_node(actor)
            self._ask_for_worker(actor, node, hops)
            return
        group, index, _ = where

        def created(places: list[Address]) -> None:
            if actor.phase is P.PLACING:
                self._ask_for_worker(actor, places[max(index, 0)], 0)

        def removed(why: str) -> None:
            if actor.phase is P.PLACING:
                self._die(actor, why, ActorPlacementGroupRemoved(why))

        self._when_created(group, created, removed)

    def _first_node(self, actor: Actor) -> tuple[Address, int]:
        """Return which node is asked, and 1 if it was chosen for that.

        An actor that holds nothing fits everywhere at any time, so nothing
        else would keep a thousand of them from one node. Ray: by chance.
        """
        spec = actor.spec
        alive = [node for node in self._nodes.values() if node.alive]
        if spec.hold or spec.place.strategy:
            homes = [node.address for node in alive]
            home: Address = actor.maker.data.home
            return (home if home in homes else self._here), 0
        others = self.table.values()
        count = Counter(o.node for o in others if o.phase is not P.DEAD)
        able = [n.address for n in alive if fits(n.total, spec.place)]
        return min(able, key=count.__getitem__, default=self._here), 1

    def _ask_for_worker(self, actor: Actor, node: Address, hops: int) -> None:
        actor.move(P.ASKING)
        actor.demand = next(self._numbers)
        self._demands[actor.demand] = actor
        self._demand(actor, node, hops=hops)

    def _demand(
        self, actor: Actor, node: Address, *, workers: int = 1, hops: int = 0
    ) -> None:
        actor.node, spec = node, actor.spec
        if workers:
            where = "{}:{}".format(*node)
            log.debug("actor %s: the node at %s is asked", actor, where)
        demand = m.Demand(
            number=actor.demand,
            shape=spec.place,
            hold=spec.hold,
            job=spec.job.id,
            workers=workers,
            hops=hops,
            driver=spec.job.driver,
        )
        self._link(node).post(demand)

    def _on_refused(self, peer: Peer, refused: m.Refused) -> None:
        actor = self._demands.get(refused.number)
        if actor is None:
            return  # it was killed meanwhile
        if refused.node is not None:
            self._demand(actor, refused.node, hops=1)
            return
        del self._demands[refused.number]
        if actor.restarts:
            actor.move(P.HOMELESS)
            actor.node = None
        else:
            text = f"{actor.spec.class_name}: {refused.why}"
            self._die(actor, refused.why, ActorUnschedulableError(text))

    def node_joined(self) -> None:
        """There is a new node: it may be the one that can run an actor."""
        for actor in list(self.table.values()):
            if actor.phase is P.HOMELESS:
                self._place(actor)

    def _on_leased(self, peer: Peer, leased: m.Leased) -> None:
        actor, grant = self._demands.pop(leased.number, None), leased.grant
        if actor is None:
            peer.post(m.Release(grant.lease, ""))  # it was killed meanwhile
            return
        actor.move(P.STARTING)
        actor.lease = grant.lease
        spec = actor.spec
        link = self._link(grant.worker)
        link.post(m.Granted(grant, spec.hold, spec.job))
        began = partial(self._began, actor, actor.restarts, grant.worker)
        self._ask(link, began, m.Become(spec, actor.restarts))

    def _began(
        self,
        actor: Actor,
        restarts: int,
        worker: Address,
        answer: m.Started | Gone,
    ) -> None:
        """A constructor has ended."""
        if actor.phase is not P.STARTING or actor.restarts != restarts:
            return  # it was killed
        match answer:
            case None:
                actor.worker = worker
                actor.move(P.ALIVE)
                self._tell_followers(actor)
            case m.ConstructorRaised(error):
                actor.error = error
                self._die(actor, "its constructor raised")
            case m.ArgumentLost(number, place):
                self._end_process(actor, "an argument of its actor is lost")
                actor.move(P.PREPARING)
                self._prepare(actor, number, place)
            case Gone():  # it may live: its node ends it, and tells how
                self._end_process(actor, m.LOST, at_once=True)

    def _prepare(
        self, actor: Actor, number: int = -1, place: Address | None = None
    ) -> None:
        """Ask the maker to see to the arguments, the lost one above all.

        Meanwhile it holds nothing: to make one anew may take the same.
        """
        actor.lease = actor.node = None
        if not actor.maker.closed:
            actor.maker.post(m.PrepareActor(actor.spec.id, number, place))
        elif number < 0:  # detached: they may still be there
            self._place(actor)
        else:
            self._die(
                actor,
                "an argument is lost, and so is the process that made it",
            )

    # ---- the end, or a restart ----

    def _on_died(self, peer: Peer, died: m.Died) -> None:
        for actor in list(self.table.values()):
            if (actor.node, actor.lease) == (peer.data.address, died.lease):
                self._lost(actor, died.why)

    def left(self, peer: Peer, why: str) -> None:
        """A process is gone: a follower, an owner, or a node."""
        for actor in list(self.table.values()):
            actor.followers.pop(peer, None)
            if actor.spec.owner == peer.data.address:
                self._kill(actor, "its owner is gone", no_restart=True)
            elif actor.maker is peer and actor.phase is P.PREPARING:
                self._maker_left(actor)
        self.node_died(peer.data.address, why)

    def _maker_left(self, actor: Actor) -> None:
        """Go on without the maker: a detached actor outlives it."""
        if actor.restarts:  # its arguments may still be there
            self._place(actor)
        else:
            self._die(actor, "its maker died before its arguments were there")

    def node_died(self, node: Address, why: str) -> None:
        """A node is gone: find another place for its actors."""
        for actor in list(self.table.values()):
            if actor.node == node and actor.lease is not None:
                self._lost(actor, why)
            elif actor.node == node and actor.phase is P.ASKING:
                self._demands.pop(actor.demand, None)
                self._place(actor)

    def _lost(self, actor: Actor, why: str) -> None:
        """The process of an actor has ended."""
        actor.lease = actor.worker = actor.node = None
        if actor.phase is P.DEAD:
            return
        if actor.restarts == actor.spec.max_restarts:
            self._die(actor, why)
            return
        actor.restarts += 1
        actor.why = why
        actor.move(P.PREPARING)
        self._tell_followers(actor)
        if actor.is_large():
            self._prepare(actor)
        else:
            self._place(actor)

    def _kill(
        self,
        actor: Actor,
        why: str,
        *,
        no_restart: bool,
        at_once: bool = False,
    ) -> None:
        if actor.phase is P.DEAD:
            return
        if no_restart:
            self._die(actor, why, at_once=at_once)
        elif actor.lease is not None:
            self._end_process(actor, why, at_once=at_once)

    def _on_end_actor(
        self, peer: Peer, end: m.EndActor, reply: Reply[None]
    ) -> None:
        actor = self.table.get(end.id)
        if actor is not None:
            if peer.data.address == actor.worker:
                actor.lease = None  # its process ends by itself
            self._kill(
                actor,
                end.why,
                no_restart=end.no_restart,
                at_once=end.at_once,
            )
        reply(None)

    def _die(
        self,
        actor: Actor,
        why: str,
        error: Exception | None = None,
        *,
        at_once: bool = False,
    ) -> None:
        actor.why, actor.worker = why, None
        if error is None and actor.error is None:
            text = f"the actor {actor.spec.class_name} has died: {why}"
            error = ActorDiedError(text)
        if error is not None:
            actor.error = as_failed(error).error
        self._end_process(actor, why, at_once=at_once)
        actor.move(P.DEAD)
        self._tell_followers(actor)
        if actor.spec.name is not None:
            del self._names[actor.spec.namespace, actor.spec.name]
        self._dead.append(actor.spec.id)
        if len(self._dead) > MAX_DEAD_ACTORS:
            self.table.pop(self._dead.popleft(), None)

    def _end_process(
        self, actor: Actor, why: str, *, at_once: bool = False
    ) -> None:
        """Withdraw the demand for a worker, or end the leased one."""
        if actor.node is None:
            return
        if self._demands.pop(actor.demand, None) is not None:
            self._demand(actor, actor.node, workers=0)
        elif actor.lease is not None:
            release = m.Release(actor.lease, why, at_once)
            self._link(actor.node).post(release)

    # ---- who follows, and who asks ----

    def _tell_followers(self, actor: Actor) -> None:
        why = "" if actor.phase is P.ALIVE else f": {actor.why}"
        told = why.partition("; its last output")[0]
        log.debug("actor %s is %s%s", actor, actor.state(), told)
        for follower in actor.followers:
            follower.post(actor.news())

    def _on_follow(
        self, peer: Peer, follow: m.Follow, again: bool = True
    ) -> None:
        actor = self.table.get(follow.id)
        if actor is not None:
            actor.followers[peer] = None
            peer.post(actor.news())
        elif again:  # its creation may wait to be read from another link
            later = partial(self._on_follow, peer, follow, False)
            self._later(FOLLOW_S, later)
        else:
            error = as_failed(
                ActorDiedError("the actor has died, long ago")
            ).error
            peer.post(m.ActorState(follow.id, "DEAD", None, "", error))

    def _on_find_actor(
        self, peer: Peer, find: m.FindActor, reply: Reply[m.ActorSpec | None]
    ) -> None:
        id = self._names.get((find.namespace, find.name))
        reply(None if id is None else self.table[id].spec)

    def rows(self) -> list[dict[str, Any]]:
        """Return what `list actors` shows."""
        ids = {node.address: node.id for node in self._nodes.values()}
        return [actor.row(ids) for actor in self.table.values()]
