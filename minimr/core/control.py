"""The control store: what the whole cluster has to agree on.

    nodes: Report ──> table ──> View to all nodes; silence: NodeLost
    actors: CreateActor ──> a node ──> ActorState to all who follow

Rules:

1. It runs in the head's process and talks to nodes by messages only, to
   its own one as well.
2. A node that has been silent for `SILENCE_S` is dead, and stays dead.
3. An actor moves PENDING -> ALIVE -> RESTARTING -> ALIVE ... -> DEAD; who
   follows it hears of each change.

Ray: the GCS.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from minimr.core import messages as m
from minimr.core.endpoint import GONE, Endpoint, Reply
from minimr.core.events import chrome_trace
from minimr.core.scheduler import Never, There, decide
from minimr.core.serialize import fail
from minimr.exceptions import ActorDiedError, ActorUnschedulableError
from minimr.net.channel import Address
from minimr.net.peer import Peer

SILENCE_S = 5.0
CHECK_S = 1.0
MAX_EVENT_BLOBS = 1000  # each holds at most some thousand events
MAX_DEAD_ACTORS = 1000  # still listed


class Actor:
    """One actor, from its creation until it is forgotten."""

    def __init__(self, spec: m.ActorSpec) -> None:
        self.spec = spec
        self.state = "PENDING"
        self.worker: Address | None = None
        self.node: Address | None = None
        self.restarts = 0
        self.why = ""
        self.error: bytes | None = None
        self.killed = False  # not to be restarted
        self.followers: set[Peer] = set()

    def told(self) -> m.ActorState:
        """Say what its followers are told."""
        where = (self.state, self.worker, self.restarts)
        return m.ActorState(self.spec.id, *where, self.why, self.error)


class Control:
    """The tables of the cluster. Runs in: the head, in its node's thread."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.nodes: dict[str, m.NodeInfo] = {}
        self.actors: dict[bytes, Actor] = {}
        self.names: dict[tuple[str, str], bytes] = {}
        self.events: deque[bytes] = deque(maxlen=MAX_EVENT_BLOBS)
        self._homeless: list[Actor] = []  # restarting, and no node fits
        self._seen: dict[str, float] = {}
        self._checked = time.monotonic()
        self._peers: dict[str, Peer] = {}
        self._node_query = endpoint.answerers.get(m.Query)
        self._node_kill = endpoint.handlers.get(m.KillActor)
        self._node_lost = endpoint.handlers[m.ActorLost]
        self._node_left = endpoint.left
        endpoint.left = self._left
        endpoint.handlers |= {
            m.Report: self._on_report,
            m.Follow: self._on_follow,
            m.Forget: self._on_forget,
            m.ActorLost: self._on_actor_lost,
            m.KillActor: self._on_kill,
            m.Events: lambda peer, events: self.events.append(events.blob),
        }
        endpoint.answerers |= {
            m.CreateActor: self._on_create,
            m.FindActor: self._on_find,
            m.Query: self._on_query,
        }
        self._check_silence()

    # ---- nodes ----

    def _on_report(self, peer: Peer, report: m.Report) -> None:
        info = report.info
        known = self.nodes.get(info.id)
        if known is not None and not known.alive:
            peer.post(m.Stop("the cluster has declared this node dead"))
            return
        self.nodes[info.id] = info
        self._seen[info.id] = time.monotonic()
        self._peers[info.id] = peer
        if known is None:
            homeless, self._homeless = self._homeless, []
            for actor in homeless:
                if actor.state == "RESTARTING":
                    self._start(actor)
        changed = known is None or known.available != info.available
        if changed and (known is None or len(self.nodes) > 1):
            self._tell_nodes(m.View(list(self.nodes.values())))

    def _tell_nodes(self, message: Any) -> None:
        for id, peer in self._peers.items():
            if self.nodes[id].alive:
                peer.post(message)

    def _check_silence(self) -> None:
        # Stopped ourselves: what the others said waits to be read.
        now, before = time.monotonic(), self._checked
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
                self._kill(actor, "its owner is gone", True)
        self._node_left(peer, why)

    def _bury(self, id: str, why: str) -> None:
        info = self.nodes[id] = self.nodes[id]._replace(alive=False)
        self._tell_nodes(m.NodeLost(info.address, why))
        self._tell_nodes(m.View(list(self.nodes.values())))
        for actor in list(self.actors.values()):
            if actor.node == info.address and actor.state != "DEAD":
                self._lost(actor, f"its node {id[:8]} has died: {why}")

    # ---- actors ----

    def _on_create(
        self, peer: Peer, create: m.CreateActor, reply: Reply
    ) -> None:
        spec = create.spec
        key = (spec.namespace, spec.name or "")
        if spec.name is not None and key in self.names:
            reply(
                f"The name {spec.name} (namespace={spec.namespace}) is "
                "already taken. Please use a different name or get the "
                "existing actor using get_actor"
            )
            return
        if spec.name is not None:
            self.names[key] = spec.id
        actor = self.actors[spec.id] = Actor(spec)
        reply(None)
        self._start(actor)

    def _start(self, actor: Actor) -> None:
        alive = [node for node in self.nodes.values() if node.alive]
        verdict = decide(actor.spec.place, "", alive, actor.restarts, 0)
        if isinstance(verdict, Never) and actor.restarts:
            self._homeless.append(actor)  # a node may join
            return
        if isinstance(verdict, Never):
            text = f"{actor.spec.class_name}: {verdict.why}"
            actor.error = fail(ActorUnschedulableError(text)).error
            self._die(actor, verdict.why)
            return
        assert isinstance(verdict, There)
        actor.node = verdict.address
        restarts = actor.restarts

        def started(ready: Any) -> None:
            if actor.restarts != restarts or actor.state == "DEAD":
                return  # it was lost, or killed, meanwhile
            if not isinstance(ready, m.ActorReady):
                if ready != GONE:
                    self._lost(actor, str(ready))
            elif ready.error is not None:
                actor.error = ready.error
                self._die(actor, "its constructor raised")
                self._end_process(actor)
            else:
                actor.worker = ready.worker
                self._change(actor, "ALIVE")

        node = self.endpoint.link(verdict.address)
        start = m.StartActor(actor.spec, restarts)
        self.endpoint.ask(node, start, started)

    def _change(self, actor: Actor, state: str) -> None:
        actor.state = state
        for follower in actor.followers:
            follower.post(actor.told())

    def _die(self, actor: Actor, why: str) -> None:
        actor.why, actor.worker = why, None
        if actor.error is None:
            text = f"the actor {actor.spec.class_name} has died: {why}"
            actor.error = fail(ActorDiedError(text)).error
        self._change(actor, "DEAD")
        if actor.spec.name is not None:
            key = (actor.spec.namespace, actor.spec.name)
            if self.names.get(key) == actor.spec.id:
                del self.names[key]
        dead = [id for id, a in self.actors.items() if a.state == "DEAD"]
        for id in dead[:-MAX_DEAD_ACTORS]:
            del self.actors[id]

    def _lost(self, actor: Actor, why: str) -> None:
        if actor.state == "DEAD":
            return
        spec = actor.spec
        if actor.killed or actor.restarts == spec.max_restarts:
            self._die(actor, why)
            return
        actor.restarts += 1
        actor.why, actor.worker = why, None
        self._change(actor, "RESTARTING")
        self._start(actor)

    def _on_actor_lost(self, peer: Peer, lost: m.ActorLost) -> None:
        if peer.data.kind == "worker":  # it tells its node, which tells us
            self._node_lost(peer, lost)
            return
        actor = self.actors.get(lost.actor)
        if actor is not None:
            actor.killed = actor.killed or lost.intended
            self._lost(actor, lost.why)

    def _on_kill(self, peer: Peer, kill: m.KillActor) -> None:
        if peer.data.kind == "node" and self._node_kill is not None:
            self._node_kill(peer, kill)
            return
        actor = self.actors.get(kill.actor)
        if actor is not None and actor.state != "DEAD":
            self._kill(actor, kill.why, kill.no_restart)

    def _kill(self, actor: Actor, why: str, no_restart: bool) -> None:
        if actor.state == "DEAD":
            return
        actor.killed = actor.killed or no_restart
        if no_restart:
            self._die(actor, why)
        self._end_process(actor, why)

    def _end_process(self, actor: Actor, why: str = "") -> None:
        if actor.node is not None:
            node = self.endpoint.link(actor.node)
            node.post(m.KillActor(actor.spec.id, True, why))

    def _on_forget(self, peer: Peer, forget: m.Forget) -> None:
        actor = self.actors.get(forget.actor)
        if actor is not None:
            self._kill(actor, "no handle to it is left", True)

    def _on_find(self, peer: Peer, find: m.FindActor, reply: Reply) -> None:
        id = self.names.get((find.namespace, find.name))
        reply(None if id is None else self.actors[id].spec)

    def _on_follow(self, peer: Peer, follow: m.Follow) -> None:
        actor = self.actors.get(follow.actor)
        if actor is None:
            text = "the actor has died, long ago"
            blob = fail(ActorDiedError(text)).error
            peer.post(m.ActorState(follow.actor, "DEAD", None, 0, text, blob))
            return
        actor.followers.add(peer)
        peer.post(actor.told())

    # ---- questions of tools ----

    def _on_query(self, peer: Peer, query: m.Query, reply: Reply) -> None:
        if query.what == "nodes":
            reply(list(self.nodes.values()))
        elif query.what == "actors":
            reply([row(actor) for actor in self.actors.values()])
        elif query.what == "timeline":
            reply(chrome_trace(list(self.events)))
        elif self._node_query is not None:
            self._node_query(peer, query, reply)


def row(actor: Actor) -> dict[str, Any]:
    """Describe an actor, for `list`."""
    return {
        "actor_id": actor.spec.id.hex(),
        "class_name": actor.spec.class_name,
        "state": actor.state,
        "name": actor.spec.name or "",
        "namespace": actor.spec.namespace,
        "restarts": actor.restarts,
        "why": actor.why,
    }
