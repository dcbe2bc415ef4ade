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
from minimr.core.pool import Worker, WorkerPool
from minimr.core.scheduler import Here, Never, Pool, There, decide
from minimr.core.store import Store
from minimr.core.transfer import Transfers
from minimr.net.channel import Address
from minimr.net.peer import Peer

REPORT_S = 1.0  # a node that lives says so at least this often
SLICE_S = 0.05  # busy leases older than this go when others wait
SPARE_S = 2.0  # workers beyond the CPUs may idle so long


class Want:
    """Somebody waits for workers: an owner, or an actor to be started."""

    def __init__(
        self,
        peer: Peer,
        queue: int,
        shape: m.Shape,
        hops: int,
        start: tuple[m.StartActor, Callable[[Any], None]] | None = None,
    ) -> None:
        self.peer = peer
        self.queue = queue
        self.shape = shape
        self.count = 1
        self.hops = hops
        self.start = start
        self.reclaimed = False  # idle leases were asked back for it


class Lease:
    """A worker in use, and what it uses."""

    def __init__(self, number: int, want: Want, hold: m.Shape) -> None:
        self.number = number
        self.want = want
        self.hold = hold.resources
        self.gpus: tuple[int, ...] = ()
        self.blocked = False
        self.since = time.monotonic()
        self.worker: Worker | None = None


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
        self._wants: dict[tuple[Peer, int], Want] = {}  # the oldest first
        self._granted: list[Lease] = []  # that wait for a worker to start
        self._leases: dict[int, Lease] = {}
        self._deaths: dict[Address, m.Death] = {}
        self._asked_death: dict[Address, list[Reply]] = {}
        self._number = 0
        self._turn = 0
        self._reported: Any = None
        self._slicing = False
        self.driver: Peer | None = None  # we end when it does
        self.left = self._left
        self.handlers |= {
            m.Hello: self._on_process,
            m.Demand: self._on_demand,
            m.Release: lambda peer, release: self._release(release.lease),
            m.Blocked: self._on_blocked,
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
        self._report(True)
        self._trim()
        self.later(REPORT_S, self._tick)

    def _report(self, always: bool = False) -> None:
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
            worker.idle_since = time.monotonic()
            self._schedule()

    def _on_attach(self, peer: Peer, _: m.Attach, reply: Reply) -> None:
        size = self.store.arena.size
        arena = (os.getpid(), self.store.descriptor, size)
        reply(m.Welcome(self.id, self.head, arena))

    def _left(self, peer: Peer, why: str) -> None:
        if peer is self.driver:
            self.stop("the driver is gone")
        if peer is self.control:
            self.stop("the head is gone")
        for key in [key for key in self._wants if key[0] is peer]:
            del self._wants[key]
        for lease in list(self._leases.values()):
            if lease.want.peer is peer and lease.want.start is None:
                if lease.worker is not None:
                    self.workers.kill(lease.worker, "its owner is gone")
        self.store.reader_left(peer)
        self.store.owner_left(peer.data.address)
        self._schedule()

    def _on_view(self, peer: Peer, view: m.View) -> None:
        self.nodes = [node for node in view.nodes if node.alive]
        self._schedule()

    def _on_node_lost(self, peer: Peer, lost: m.NodeLost) -> None:
        for process in list(self._links.values()):
            if process.data.kind in ("worker", "driver"):
                process.post(lost)

    # ---- leases ----

    def _on_demand(self, peer: Peer, demand: m.Demand) -> None:
        key = (peer, demand.queue)
        want = self._wants.get(key)
        if demand.count <= 0:
            self._wants.pop(key, None)
            return
        if want is None:
            want = Want(peer, demand.queue, demand.shape, demand.hops)
            self._wants[key] = want
        want.count = demand.count
        self._schedule()

    def _schedule(self) -> None:
        self._hand_out()
        for key, want in list(self._wants.items()):
            while want.count > 0 and self._serve(want):
                want.count -= 1
            if want.count <= 0:
                self._wants.pop(key, None)
        self._hand_out()
        self._report()
        if self._wants and not self._slicing:
            self._slicing = True
            self.later(SLICE_S, self._reclaim_busy)

    def _serve(self, want: Want) -> bool:
        me = self.info()
        others = [node for node in self.nodes if node.id != self.id]
        self._turn += 1
        verdict = decide(
            want.shape, self.id, [me, *others], self._turn, want.hops
        )
        if isinstance(verdict, Here):
            self._grant(want)
            return True
        if isinstance(verdict, There):
            want.peer.post(m.Spilled(want.queue, verdict.address))
            return True
        if isinstance(verdict, Never):
            want.peer.post(m.Unschedulable(want.queue, verdict.why))
            want.count = 0
            return False
        self._turn -= 1
        if not want.reclaimed:
            want.reclaimed = True
            self._reclaim(want, busy=False)
        return False

    def _grant(self, want: Want) -> None:
        self._number += 1
        hold = want.start[0].spec.hold if want.start else want.shape
        lease = Lease(self._number, want, hold)
        self.pool.take(lease.hold)
        gpus = dict(lease.hold).get("GPU", 0.0)
        lease.gpus = self.pool.take_gpus(gpus) if gpus else ()
        self._leases[lease.number] = lease
        self._granted.append(lease)

    def _hand_out(self) -> None:
        """Give idle workers to those who were granted one."""
        for lease in list(self._granted):
            worker = self._idle_worker(lease.want)
            if worker is not None:
                self._granted.remove(lease)
                self._assign(lease, worker)
        starting = sum(w.peer is None for w in self.workers.workers.values())
        for lease in self._granted[starting:]:
            self.workers.fork(lease.want.shape.env)

    def _idle_worker(self, want: Want) -> Worker | None:
        job = self._job(want)
        for worker in self.workers.workers.values():
            if worker.peer is None or worker.lease or worker.actor:
                continue
            if worker.env == want.shape.env and not worker.why:
                if worker.job in (None, job):
                    worker.job = job
                    return worker
        return None

    def _job(self, want: Want) -> m.Job | None:
        if want.start is not None:
            return want.start[0].spec.job
        for worker in self.workers.workers.values():
            if worker.peer is want.peer:
                return worker.job
        job: m.Job | None = want.peer.data.job
        return job

    def _assign(self, lease: Lease, worker: Worker) -> None:
        worker.lease, lease.worker = lease, worker
        assert worker.address is not None and worker.peer is not None
        want = lease.want
        if want.start is None:
            want.peer.post(
                m.Leased(want.queue, lease.number, worker.address, lease.gpus)
            )
            return
        start, reply = want.start
        worker.actor = start.spec.id
        become = m.Become(start.spec, start.restarts, lease.gpus)
        worker.peer.post(start.spec.job)
        self.ask(worker.peer, become, reply)

    def _release(self, number: int) -> None:
        lease = self._leases.pop(number, None)
        if lease is None:
            return
        if lease in self._granted:
            self._granted.remove(lease)
        if lease.blocked:
            self.pool.take(self._cpu(lease))
        self.pool.give(lease.hold)
        self.pool.give_gpus(lease.gpus, dict(lease.hold).get("GPU", 0.0))
        if lease.worker is not None:
            lease.worker.lease = None
            lease.worker.idle_since = time.monotonic()
        self._schedule()

    def _on_blocked(self, peer: Peer, blocked: m.Blocked) -> None:
        for lease in self._leases.values():
            if lease.worker is not None and lease.worker.peer is peer:
                if lease.blocked != blocked.waits:
                    lease.blocked = blocked.waits
                    change = (
                        self.pool.give if blocked.waits else (self.pool.take)
                    )
                    change(self._cpu(lease))
        self._schedule()

    def _cpu(self, lease: Lease) -> list[tuple[str, float]]:
        return [(name, need) for name, need in lease.hold if name == "CPU"]

    def _reclaim(self, want: Want, busy: bool) -> None:
        horizon = time.monotonic() - SLICE_S
        owners = set()
        for lease in self._leases.values():
            other = lease.want
            same = other.peer is want.peer and other.queue == want.queue
            if other.start is None and not same:
                if not busy or lease.since < horizon:
                    owners.add(other.peer)
        for owner in owners:
            owner.post(m.Reclaim(busy))

    def _reclaim_busy(self) -> None:
        self._slicing = False
        for want in self._wants.values():
            self._reclaim(want, busy=True)
            self._slicing = True
        if self._slicing:
            self.later(SLICE_S, self._reclaim_busy)

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
        if worker.actor is not None:
            lost = m.ActorLost(worker.actor, death.why, False)
            self.control.post(lost)
        if worker.lease is not None:
            worker.lease.worker = None
            self._release(worker.lease.number)
        self._schedule()

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
            answer(m.Death("it is unknown how", 1, False))

    # ---- actors ----

    def _on_start_actor(
        self, peer: Peer, start: m.StartActor, reply: Reply
    ) -> None:
        self._number += 1
        want = Want(peer, -self._number, start.spec.place, 1, (start, reply))
        self._wants[peer, want.queue] = want
        self._schedule()

    def _on_actor_left(self, peer: Peer, lost: m.ActorLost) -> None:
        for worker in self.workers.workers.values():
            if worker.peer is peer:
                worker.actor = None
        self.control.post(lost)

    def _on_kill(self, peer: Peer, kill: m.KillActor) -> None:
        for worker in list(self.workers.workers.values()):
            if worker.actor == kill.actor:
                self.workers.kill(worker, kill.why)
        for key, want in list(self._wants.items()):
            if want.start and want.start[0].spec.id == kill.actor:
                del self._wants[key]

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
