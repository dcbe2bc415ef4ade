"""The control store (Ray: GCS): what the whole cluster has to agree on.

    nodes: Report ──> table ──> View to all nodes; silence: dead
    actors: CreateActor ──> Demand, Leased, Become ──> ActorState, to followers

Rules:

1. It runs in the head's process and talks to nodes by messages only, to
   its own one as well. It leases the workers of actors as owners lease
   those of tasks: from the node of who made the actor or, if the actor
   holds nothing while it lives, from the one with the fewest actors.
2. A node that has been silent for `SILENCE_S` is dead, and stays dead.
3. An actor moves PENDING -> ALIVE -> RESTARTING -> ALIVE ... -> DEAD; who
   follows it hears of each change.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from minimr.core import messages as m
from minimr.core.control.placement_groups import Groups
from minimr.core.scheduler import fits
from minimr.core.serialization import fail
from minimr.exceptions import (
    ActorDiedError,
    ActorPlacementGroupRemoved,
    ActorUnschedulableError,
)
from minimr.net.channel import Address
from minimr.net.endpoint import Endpoint
from minimr.net.messages import GONE, Handler, Reply
from minimr.net.peer import Peer
from minimr.system import machine

SILENCE_S = 5.0
CHECK_S = 1.0
MAX_EVENT_BLOBS = 1000  # each holds at most some thousand events
MAX_DEAD_ACTORS = 1000  # still listed


log = logging.getLogger(__name__)


@dataclass(eq=False)
class Actor:
    """One actor, from its creation until it is forgotten."""

    spec: m.ActorSpec
    maker: Peer  # has its arguments
    state: str = "PENDING"
    demand: int = 0  # our number for the lease that it waits for
    node: Address | None = None  # that was asked for it
    lease: int | None = None
    worker: Address | None = None
    restarts: int = 0
    why: str = ""
    error: bytes | None = None
    followers: set[Peer] = field(default_factory=set)

    def __str__(self) -> str:
        return f"{self.spec.class_name} {self.spec.id.hex()}"

    def told(self) -> m.ActorState:
        """Give the message to its followers."""
        about = (self.worker, self.why, self.error)
        return m.ActorState(self.spec.id, self.state, *about)

    def row(self, nodes: dict[Address, str]) -> dict[str, Any]:
        """Describe it; `nodes` has their ids."""
        spec, pending = self.spec, self.state == "PENDING"
        return {
            "actor_id": spec.id.hex(),
            "class_name": spec.class_name,
            "state": "PENDING_CREATION" if pending else self.state,
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


class Control:
    """The tables of the cluster. Runs in: the head, in its node's thread."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.nodes: dict[str, m.NodeInfo] = {}
        self.actors: dict[bytes, Actor] = {}
        self.names: dict[tuple[str, str], bytes] = {}
        self.events: deque[bytes] = deque(maxlen=MAX_EVENT_BLOBS)
        self._demands: dict[int, Actor] = {}  # {our number: who waits}
        self._numbers = itertools.count(1)
        self._dead: deque[bytes] = deque()  # actors, the oldest first
        self._homeless: list[Actor] = []  # restarting, and no node fits
        self._seen: dict[str, float] = {}  # {node: when}
        self._checked = machine.monotonic()
        self._peers: dict[str, Peer] = {}
        self.groups = Groups(endpoint, self.nodes)
        endpoint.left.append(self._left)
        self._check_silence()

    def handlers(self) -> list[Handler]:
        """List what it is told and asked."""
        return [
            m.Report.to(self._on_report),
            m.CreateActor.to(self._on_create_actor),
            m.StartActor.to(self._on_start_actor),
            m.FindActor.to(self._on_find_actor),
            m.Follow.to(self._on_follow),
            m.EndActor.to(self._on_end_actor),
            m.Leased.to(self._on_leased),
            m.Refused.to(self._on_refused),
            m.Died.to(self._on_died),
            m.Events.to(self._on_events),
            m.Query.to(self._on_query),
            *self.groups.handlers(),
        ]

    # ---- nodes ----

    def _on_report(self, peer: Peer, report: m.Report) -> None:
        info = report.info
        known = self.nodes.get(info.id)
        if known is not None and not known.alive:
            peer.post(m.Stop("the cluster has declared this node dead"))
            return
        self.nodes[info.id] = info
        if info.id not in self._seen:
            log.debug("node %s has joined: %s", info.id[:8], info.total)
        self._seen[info.id] = machine.monotonic()
        self._peers[info.id] = peer
        if known is None or known.available != info.available:
            self._tell_nodes()
            self.groups.nodes_changed()
        if known is None:
            homeless, self._homeless = self._homeless, []
            for actor in homeless:
                self._start(actor)

    def _tell_nodes(self) -> None:
        view = m.View(list(self.nodes.values()))
        for node in self.nodes.values():
            if node.alive and len(self.nodes) > 1:
                # On the link that carries demands: these come behind it.
                self.endpoint.link(node.address).post(view)

    def _check_silence(self) -> None:
        # Stopped ourselves: what the others said waits to be read.
        now, before = machine.monotonic(), self._checked
        stalled, self._checked = now - before > 2 * CHECK_S, now
        horizon = 0.0 if stalled else now - SILENCE_S
        for id, seen in self._seen.items():
            if seen < horizon and self.nodes[id].alive:
                self._bury(id, f"it was silent for {SILENCE_S:.0f} s")
        self.endpoint.later(CHECK_S, self._check_silence)

    def _left(self, peer: Peer, why: str) -> None:
        for id, other in self._peers.items():
            if other is peer and self.nodes[id].alive:
                self._bury(id, why)
        for actor in list(self.actors.values()):
            actor.followers.discard(peer)
            if actor.spec.owner == peer.data.address:
                self._kill(actor, "its owner is gone", True, False)
        self._leave(peer.data.address, why)

    def _bury(self, id: str, why: str) -> None:
        log.debug("node %s is dead: %s", id[:8], why)
        info = self.nodes[id] = self.nodes[id]._replace(alive=False)
        self._tell_nodes()
        self.groups.node_lost(id)
        self._leave(info.address, f"its node {id[:8]} has died: {why}")

    def _leave(self, node: Address, why: str) -> None:
        """Find another place for the actors of a node that is gone."""
        for actor in list(self.actors.values()):
            if actor.node == node and actor.lease is not None:
                self._lost(actor, why)
            elif actor.node == node:  # it has only been asked for one
                self._demands.pop(actor.demand, None)
                self._start(actor)

    # ---- actors ----

    def _on_create_actor(
        self, peer: Peer, create: m.CreateActor, reply: Reply[str | None]
    ) -> None:
        spec = create.spec
        key = (spec.namespace, spec.name or "")
        if key in self.names:
            reply(f"the name {spec.name!r} is taken in namespace {key[0]!r}")
            return
        if spec.name is not None:
            self.names[key] = spec.id
        actor = self.actors[spec.id] = Actor(spec, peer)
        log.debug("actor %s: %s asks for it", actor, peer.name)
        reply(None)

    def _on_start_actor(self, peer: Peer, start: m.StartActor) -> None:
        actor = self.actors.get(start.id)
        if actor is not None:  # its name was not taken
            actor.spec = actor.spec._replace(deps=start.deps)
            self._start(actor)

    def _start(self, actor: Actor) -> None:
        kind, *where = actor.spec.place.strategy or ("DEFAULT",)
        if kind == "group":
            id, index, _ = where
            placed = partial(self._start_in_group, actor, index)
            self.groups.when_created(id, placed)
        else:
            self._start_at(actor, *self._first_node(actor))

    def _start_in_group(self, actor: Actor, index: int, answer: Any) -> None:
        if isinstance(answer, str) and actor.state != "DEAD":
            actor.error = fail(ActorPlacementGroupRemoved(answer)).error
            self._die(actor, answer)
        elif actor.state != "DEAD":
            self._start_at(actor, answer[max(index, 0)])

    def _start_at(self, actor: Actor, node: Address, hops: int = 0) -> None:
        if actor.state != "DEAD":
            actor.demand = next(self._numbers)
            self._demands[actor.demand] = actor
            self._demand(actor, node, hops)

    def _first_node(self, actor: Actor) -> tuple[Address, int]:
        """Say which node is asked, and whether it was chosen for that.

        An actor that holds nothing fits everywhere at any time, so nothing
        else would keep a thousand of them from one node. Ray: by chance.
        """
        spec, here = actor.spec, self.endpoint.address
        alive = [node for node in self.nodes.values() if node.alive]
        if spec.hold or spec.place.strategy:
            homes = {node.address for node in alive}
            home = actor.maker.data.home
            return (home if home in homes else here), 0
        others = self.actors.values()
        count = Counter(o.node for o in others if o.state != "DEAD")
        able = [node for node in alive if fits(node.total, spec.place)]
        places = [node.address for node in able]
        return min(places, key=count.__getitem__, default=here), 1

    def _prepare(
        self, actor: Actor, number: int = -1, place: Address | None = None
    ) -> None:
        """Start an actor when its maker has its arguments, again.

        Meanwhile it holds nothing: to make one anew may take the same.
        """
        actor.lease = actor.node = None
        if not actor.maker.closed:
            actor.maker.post(m.PrepareActor(actor.spec.id, number, place))
        elif number < 0:  # detached: they may still be there
            self._start(actor)
        else:
            self._die(actor, "an argument is lost, and so is who made it")

    def _demand(
        self, actor: Actor, node: Address, hops: int, workers: int = 1
    ) -> None:
        actor.node, spec = node, actor.spec
        if workers:
            where = "{}:{}".format(*node)
            log.debug("actor %s: the node at %s is asked", actor, where)
        wanted = (actor.demand, spec.place, spec.hold, spec.job.id)
        demand = m.Demand(*wanted, workers, hops, driver=spec.job.driver)
        self.endpoint.link(node).post(demand)

    def _on_refused(self, peer: Peer, refused: m.Refused) -> None:
        number, node, why = refused.number, refused.node, refused.why
        actor = self._demands.get(number)
        if actor is None:
            return
        if node is not None:
            self._demand(actor, node, 1)
            return
        del self._demands[number]
        if actor.restarts:
            self._homeless.append(actor)  # a node may join
        else:
            text = f"{actor.spec.class_name}: {why}"
            actor.error = fail(ActorUnschedulableError(text)).error
            self._die(actor, why)

    def _on_leased(self, peer: Peer, leased: m.Leased) -> None:
        actor = self._demands.pop(leased.number, None)
        grant = leased.grant
        if actor is None:
            peer.post(m.Release(grant.lease, ""))  # it was killed meanwhile
            return
        spec, restarts = actor.spec, actor.restarts
        actor.lease = grant.lease

        def ready(error: Any) -> None:
            over = actor.state == "DEAD" or actor.restarts != restarts
            if over or error == GONE:
                return  # it was killed, or lost: we are told
            if isinstance(error, tuple):
                self._end_process(actor, "an argument of its actor is lost")
                self._prepare(actor, *error)
            elif error is not None:
                actor.error = error
                self._die(actor, "its constructor raised")
            else:
                actor.worker = grant.worker
                self._change(actor, "ALIVE")

        link = self.endpoint.link(grant.worker)
        link.post(m.Granted(grant, spec.hold, spec.job))
        self.endpoint.ask(link, ready, m.Become(spec, restarts))

    def _on_died(self, peer: Peer, died: m.Died) -> None:
        for actor in list(self.actors.values()):
            if (actor.node, actor.lease) == (peer.data.address, died.lease):
                self._lost(actor, died.why)

    def _change(self, actor: Actor, state: str) -> None:
        actor.state = state
        why = "" if state == "ALIVE" else f": {actor.why}"
        told = why.partition("; its last output")[0]
        log.debug("actor %s is %s%s", actor, state, told)
        for follower in actor.followers:
            follower.post(actor.told())

    def _die(self, actor: Actor, why: str, at_once: bool = False) -> None:
        actor.why, actor.worker = why, None
        if actor.error is None:
            text = f"the actor {actor.spec.class_name} has died: {why}"
            actor.error = fail(ActorDiedError(text)).error
        self._end_process(actor, why, at_once)
        self._change(actor, "DEAD")
        key = (actor.spec.namespace, actor.spec.name or "")
        if self.names.get(key) == actor.spec.id:
            del self.names[key]
        self._dead.append(actor.spec.id)
        if len(self._dead) > MAX_DEAD_ACTORS:
            self.actors.pop(self._dead.popleft(), None)

    def _end_process(
        self, actor: Actor, why: str, at_once: bool = False
    ) -> None:
        if self._demands.pop(actor.demand, None) and actor.node:
            self._demand(actor, actor.node, 0, workers=0)
        elif actor.node is not None and actor.lease is not None:
            node = self.endpoint.link(actor.node)
            node.post(m.Release(actor.lease, why, at_once))

    def _lost(self, actor: Actor, why: str) -> None:
        actor.lease = actor.worker = actor.node = None
        if actor.state == "DEAD":
            return
        if actor.restarts == actor.spec.max_restarts:
            self._die(actor, why)
            return
        actor.restarts += 1
        actor.why = why
        self._change(actor, "RESTARTING")
        if any(isinstance(value, m.Stored) for _, value in actor.spec.deps):
            self._prepare(actor)
        else:
            self._start(actor)

    def _on_end_actor(
        self, peer: Peer, end: m.EndActor, reply: Reply[None]
    ) -> None:
        actor = self.actors.get(end.id)
        if actor is not None:
            if peer.data.address == actor.worker:
                actor.lease = None  # its process ends by itself
            self._kill(actor, end.why, end.no_restart, end.at_once)
        reply(None)

    def _kill(
        self, actor: Actor, why: str, no_restart: bool, at_once: bool
    ) -> None:
        if actor.state == "DEAD":
            return
        if no_restart:
            self._die(actor, why, at_once)
        elif actor.lease is not None:
            self._end_process(actor, why, at_once)

    def _on_find_actor(
        self, peer: Peer, find: m.FindActor, reply: Reply[m.ActorSpec | None]
    ) -> None:
        id = self.names.get((find.namespace, find.name))
        reply(None if id is None else self.actors[id].spec)

    def _on_follow(
        self, peer: Peer, follow: m.Follow, again: bool = True
    ) -> None:
        id = follow.id
        if id in self.actors:
            self.actors[id].followers.add(peer)
            peer.post(self.actors[id].told())
        elif again:  # its creation may wait to be read from another link
            later = partial(self._on_follow, peer, follow, False)
            self.endpoint.later(CHECK_S, later)
        else:
            error = fail(ActorDiedError("the actor has died, long ago")).error
            peer.post(m.ActorState(id, "DEAD", None, "", error))

    def _on_events(
        self, peer: Peer, events: m.Events, reply: Reply[None]
    ) -> None:
        self.events.append(events.blob)
        reply(None)

    def _on_query(
        self, peer: Peer, query: m.Query, reply: Reply[list[Any]]
    ) -> None:
        what = query.what
        tables: dict[str, Any] = {
            "nodes": self.nodes.values(),
            "events": self.events,
            "groups": self.groups.rows(),
        }
        ids = {node.address: node.id for node in self.nodes.values()}
        actors = [actor.row(ids) for actor in self.actors.values()]
        reply(actors if what == "actors" else list(tables[what]))
