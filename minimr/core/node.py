"""A node: its resources, its workers, and who may use them.

    owner ── Demand ──> node ── decide ──┬─ Leased ──> owner
                                         ├─ Spilled: ask that node
                                         └─ Unschedulable
    control store ── StartActor ──> a worker of its own ── Become

Rules:

1. One thread, no user code, nothing that waits: the node only decides.
2. Who waits longest is served first; who cannot be served does not hold up
   those behind it that can.
3. A worker belongs to one driver's job for life.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from minimr.core import messages as m
from minimr.core.endpoint import Endpoint, Reply
from minimr.core.leasing import Leasing, Want
from minimr.core.pool import Worker, WorkerPool
from minimr.core.scheduler import Pool
from minimr.core.store import Store
from minimr.core.transfer import Transfers
from minimr.net.channel import Address
from minimr.net.peer import Peer

REPORT_S = 1.0  # a node that lives says so at least this often
SLICE_S = 0.05  # busy leases older than this go when others wait
SPARE_S = 2.0  # workers beyond the CPUs may idle so long


class Node(Endpoint):
    """The process that leases workers of one machine."""

    def __init__(
        self,
        token: bytes,
        host: str,
        resources: m.Resources,
        store_bytes: int,
        worker_main: Callable[..., None],
        port: int = 0,
    ) -> None:
        super().__init__("node", token, host, port)
        self.id = self.process.hex() + self.process.hex()[:12]
        self.pool = Pool(resources)
        self.store = Store(store_bytes)
        self.transfers = Transfers(self, self.store)
        self.workers = WorkerPool(
            self.hub, worker_main, self._on_output, self._on_end
        )
        self.nodes: list[m.NodeInfo] = [self.info()]
        self.control: Peer
        self.leasing = Leasing(self)
        self._deaths: dict[Address, m.Death] = {}
        self._asked_death: dict[Address, list[Reply]] = {}
        self._reported: Any = None
        self.driver: Peer | None = None  # we end when it does
        self.left = self._left
        self._register()

    def _register(self) -> None:
        self.handlers |= {
            m.Hello: self._on_process,
            m.Demand: self.leasing.on_demand,
            m.Release: lambda peer, release: self.leasing.release(
                release.lease
            ),
            m.Blocked: self.leasing.on_blocked,
            m.View: self._on_view,
            m.NodeLost: self._on_node_lost,
            m.Stop: lambda peer, stop: self.stop(stop.why),
            m.Events: lambda peer, events: self.control.post(events),
            m.ActorLost: self._on_actor_left,
            m.KillActor: self._on_kill,
        }
        self.answerers |= {
            m.Attach: self._on_attach,
            m.Obituary: self._on_obituary,
            m.StartActor: self._on_start_actor,
            m.Query: self._on_query,
        }

    def join(self, head: Address) -> None:
        """Report to the control store, at once and from then on."""
        self.head = head
        self.control = self.link(head)
        for _ in range(int(self.pool.total.get("CPU", 0))):
            self.workers.fork(())
        self._tick()

    def info(self) -> m.NodeInfo:
        """Say what this node is and has."""
        arena = self.store.arena
        available = dict(self.pool.available)
        available["object_store_memory"] = float(arena.size - arena.used)
        return m.NodeInfo(
            self.id,
            self.address,
            self.pool.total,
            available,
            os.getpid(),
            True,
            self.store.arena.size,
        )

    def _tick(self) -> None:
        self.report(True)
        self._trim()
        self.later(REPORT_S, self._tick)

    def report(self, always: bool = False) -> None:
        """Tell the control store what we have."""
        info = self.info()
        if always or self._reported != info:
            self._reported = info
            self.control.post(m.Report(info))

    def stop(self, why: str) -> None:
        """End, and all workers with us: the system sees to that."""
        raise SystemExit(why)

    # ---- who is there ----

    def _on_process(self, peer: Peer, hello: m.Hello) -> None:
        self._on_hello(peer, hello)
        worker = self.workers.workers.get(hello.pid)
        if hello.kind == "worker" and worker is not None:
            worker.peer, worker.address = peer, hello.address
            self._deaths.pop(hello.address, None)  # of one before it
            worker.idle_since = time.monotonic()
            self.leasing.schedule()

    def _on_attach(self, peer: Peer, _: m.Attach, reply: Reply) -> None:
        size = self.store.arena.size
        arena = (os.getpid(), self.store.descriptor, size)
        reply(m.Welcome(self.id, self.head, arena))

    def _left(self, peer: Peer, why: str) -> None:
        if peer is self.driver:
            self.stop("the driver is gone")
        if peer is self.control:
            self.stop("the head is gone")
        for key in [key for key in self.leasing.wants if key[0] is peer]:
            del self.leasing.wants[key]
        for lease in list(self.leasing.leases.values()):
            theirs = lease.want.peer is peer and lease.want.start is None
            if theirs and lease.worker is not None:
                self.workers.kill(lease.worker, "its owner is gone")
        self.store.reader_left(peer)
        self.store.owner_left(peer.data.address)
        self.transfers.made_room()
        self.leasing.schedule()

    def _on_view(self, peer: Peer, view: m.View) -> None:
        self.nodes = [node for node in view.nodes if node.alive]
        self.leasing.schedule()

    def _on_node_lost(self, peer: Peer, lost: m.NodeLost) -> None:
        for process in list(self._links.values()):
            if process.data.kind in ("worker", "driver"):
                process.post(lost)
        if lost.address != self.address:
            self.drop_node(lost.address, lost.why)

    # ---- leases ----

    def _trim(self) -> None:
        """End workers that are more than the CPUs and idle for long."""
        horizon = time.monotonic() - SPARE_S
        idle = [
            worker
            for worker in self.workers.workers.values()
            if worker.peer and not worker.lease and not worker.actor
        ]
        spare = len(idle) - int(self.pool.total.get("CPU", 0))
        for worker in idle[: max(0, spare)]:
            if worker.idle_since < horizon:
                self.workers.kill(worker, "it was idle")

    # ---- workers: what they print, how they end ----

    def _on_output(
        self, worker: Worker, lines: list[str], error: bool
    ) -> None:
        if worker.job is None:
            return
        for peer in self._links.values():
            if peer.data.kind == "driver" and peer.data.job == worker.job:
                printed = m.Printed(
                    worker.pid, self.id[:8], lines, error, worker.running()
                )
                peer.post(printed)

    def _on_end(self, worker: Worker, death: m.Death) -> None:
        if worker.address is not None:
            self._deaths[worker.address] = death
            while len(self._deaths) > 1000:
                del self._deaths[next(iter(self._deaths))]
            for reply in self._asked_death.pop(worker.address, []):
                reply(death)
        plain = [w for w in self.workers.workers.values() if not w.actor]
        if len(plain) < int(self.pool.total.get("CPU", 0)):
            self.workers.fork(())  # for the next one
        if worker.actor is not None:
            lost = m.ActorLost(worker.actor, death.why, False)
            self.control.post(lost)
        if worker.lease is not None:
            worker.lease.worker = None
            self.leasing.release(worker.lease.number)
        self.leasing.schedule()

    def _on_obituary(
        self, peer: Peer, question: m.Obituary, reply: Reply
    ) -> None:
        death = self._deaths.get(question.worker)
        if death is not None:
            reply(death)
            return
        waiting = self._asked_death.setdefault(question.worker, [])
        waiting.append(reply)
        for worker in self.workers.workers.values():
            if worker.address == question.worker:
                self.workers.kill(worker, "")
                return
        for answer in self._asked_death.pop(question.worker):
            answer(m.Death("it is unknown how", None, 1))

    # ---- actors ----

    def _on_start_actor(
        self, peer: Peer, start: m.StartActor, reply: Reply
    ) -> None:
        self.leasing.number += 1
        want = Want(
            peer, -self.leasing.number, start.spec.place, 1, (start, reply)
        )
        self.leasing.wants[peer, want.queue] = want
        self.leasing.schedule()

    def _on_actor_left(self, peer: Peer, lost: m.ActorLost) -> None:
        for worker in self.workers.workers.values():
            if worker.peer is peer:
                worker.actor = None
        self.control.post(lost)

    def _on_kill(self, peer: Peer, kill: m.KillActor) -> None:
        for worker in list(self.workers.workers.values()):
            if worker.actor == kill.actor:
                self.workers.kill(worker, kill.why)
        for key, want in list(self.leasing.wants.items()):
            if want.start and want.start[0].spec.id == kill.actor:
                del self.leasing.wants[key]

    def _on_query(self, peer: Peer, query: m.Query, reply: Reply) -> None:
        reply(
            [
                {
                    "worker_id": f"{self.id[:8]}-{worker.pid}",
                    "pid": worker.pid,
                    "node_id": self.id,
                    "state": "ACTOR"
                    if worker.actor
                    else ("LEASED" if worker.lease else "IDLE"),
                }
                for worker in self.workers.workers.values()
            ]
            if query.what == "workers"
            else [
                {
                    "object_id": id.hex(),
                    "node_id": self.id,
                    "size": stored.size,
                    "state": "SPILLED" if stored.offset is None else "MEMORY",
                    "pins": sum(stored.pins.values()),
                }
                for id, stored in self.store.objects.items()
            ]
        )
