"""Who gets which worker of a node, and for how long.

    Demand ── decide ──┬─ here: an idle worker, or a new one ─> Leased
    (an owner, or the  ├─ there, or never ─> Refused
     control store for └─ wait: idle leases of others are asked back, busy
     an actor)                  ones when they are older than a slice of time

Rules:

1. Who waits longest is served first; who cannot be served does not hold up
   those behind it that can. But a task that waits has given its CPU for
   what it waits for: one worker for that goes before all others, so that
   nested tasks end before more of them begin.
2. A worker belongs to one driver's job and its GPUs for life, for CUDA looks
   once at what it may use. An actor is a lease that
   is given back only with the life of its worker.
3. No more workers start at once than there are CPUs.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from minimr.core import messages as m
from minimr.core.node.worker_pool import Worker
from minimr.core.scheduler import NeverError, decide
from minimr.net.channel import Address
from minimr.net.messages import Handler
from minimr.net.peer import Peer
from minimr.system import machine

if TYPE_CHECKING:
    from minimr.core.node.node import Node

log = logging.getLogger(__name__)

SLICE_S = 0.05  # busy leases older than this go when others wait


@dataclass(eq=False)
class Want:
    """Somebody waits for workers of a shape."""

    peer: Peer
    demand: m.Demand
    count: int
    reclaimed: bool = False  # idle leases were asked back for it


@dataclass(eq=False)
class Lease:
    """A worker in use, and what it uses."""

    number: int
    want: Want
    hold: m.Amounts
    gpus: tuple[int, ...]
    worker: Worker | None = None  # None: one is starting
    blocked: bool = False  # its task waits, and has given its CPU back
    since: float = field(default_factory=lambda: machine.monotonic())

    def cpus(self) -> m.Amounts:
        """Return what it holds of CPUs, also of a placement group's."""
        return tuple(h for h in self.hold if m.base(h[0]) == "CPU")


class Leasing:
    """The part of a node that leases its workers."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.pool = node.pool
        self.workers = node.workers
        self.leases: dict[int, Lease] = {}
        self._wants: dict[tuple[Peer, int], Want] = {}  # the oldest first
        self._answers: Counter[tuple[Peer, int]] = Counter()
        self._number = 0  # of the last lease
        self._turn = 0  # of SPREAD, round the nodes
        self._slicing = False

    def handlers(self) -> list[Handler]:
        """List what it is told."""
        return [
            m.Demand.to(self._on_demand),
            m.Release.to(self._on_release),
            m.Blocked.to(self._on_blocked),
        ]

    def _on_demand(self, peer: Peer, demand: m.Demand) -> None:
        key = (peer, demand.number)
        want = self._wants.setdefault(key, Want(peer, demand, 0))
        under_way = self._answers[key] - demand.answers
        want.count = max(0, demand.workers - under_way)
        self.schedule()

    def schedule(self) -> None:
        """Serve who can be served now."""
        for want in self._owed():
            self._serve_one(want)
        for key, want in list(self._wants.items()):
            while want.count > 0 and self._serve_one(want):
                pass
            if want.count <= 0:
                self._wants.pop(key, None)
        self._hand_out()
        self.node.report()
        if self._wants and not self._slicing:
            self._slicing = True
            self.node.later(SLICE_S, self._reclaim_busy)

    def _owed(self) -> list[Want]:
        """Give what blocked workers want that have no other worker yet."""
        leases = self.leases.values()
        wants = list(self._wants.values())
        if not wants:
            return []
        blocked = {b.worker.peer for b in leases if b.blocked and b.worker}
        blocked -= {lease.want.peer for lease in leases}
        return [want for want in wants if want.peer in blocked]

    def _serve_one(self, want: Want) -> bool:
        if want.count <= 0 or not self._serve(want):
            return False
        want.count -= 1
        self._count(want)
        return True

    def _serve(self, want: Want) -> bool:
        node = self.node
        others = [other for other in node.nodes if other.id != node.id]
        nodes = [node.info(), *others]
        try:
            shape, hops = want.demand.shape, want.demand.hops
            about = (self._turn, hops, want.count)
            place = decide(shape, node.id, nodes, *about)
        except NeverError as never:
            number = want.demand.number
            want.peer.post(m.Refused(number, None, str(never)))
            want.count = 0
            self._count(want)
            return False
        if place is None:
            if not want.reclaimed:
                want.reclaimed = True
                self._reclaim(want, busy=False)
            return False
        self._turn += shape.strategy == ("SPREAD",) and not hops
        if place == node.address:
            self._grant(want)
        else:
            self._expect(place, want.demand.shape)
            want.peer.post(m.Refused(want.demand.number, place, ""))
        return True

    def _count(self, want: Want) -> None:
        if want.demand.hold is None:  # the number of an actor is used once
            self._answers[want.peer, want.demand.number] += 1

    def _expect(self, address: Address, shape: m.Shape) -> None:
        """Count what we send to a node, until it reports the next time."""
        for node in self.node.nodes:
            if node.address == address:
                for name, need in shape.resources:
                    node.available[name] = node.available.get(name, 0.0) - need

    def _grant(self, want: Want) -> None:
        self._number += 1
        hold = want.demand.hold
        if hold is None:
            hold = want.demand.shape.resources
        lease = self.leases[self._number] = Lease(self._number, want, hold, ())
        self.pool.take(hold)
        lease.gpus = self.pool.take_gpus(hold)

    def _hand_out(self) -> None:
        """Give idle workers to those who were granted one; start others."""
        everyone = self.workers.workers.values()
        idle = [w for w in everyone if w.peer and not w.lease and not w.why]
        granted = [
            lease
            for lease in self.leases.values()
            if lease.worker is None and not self._assign(lease, idle)
        ]
        starting = sum(worker.peer is None for worker in everyone)
        for lease in granted[starting : max(1, self.node.cpus())]:
            self._retire(lease.gpus)
            self.workers.fork(lease.want.demand.shape.env)

    def _retire(self, gpus: tuple[int, ...]) -> None:
        """End idle workers that may still have memory of these GPUs."""
        for worker in self.workers.workers.values():
            shared = set(worker.gpus or ()) & set(gpus)
            if shared and worker.gpus != gpus and not worker.lease:
                self.workers.kill(worker, "its GPUs are given to another")

    def _assign(self, lease: Lease, idle: list[Worker]) -> bool:
        want = lease.want
        for worker in idle:
            ours = worker.job in ("", want.demand.job)
            ours &= worker.gpus in (None, lease.gpus)
            if ours and worker.env == want.demand.shape.env:
                idle.remove(worker)
                worker.job, worker.gpus = want.demand.job, lease.gpus
                worker.driver = want.demand.driver
                worker.lease, lease.worker = lease, worker
                assert worker.address is not None
                about = (lease.number, worker.address, lease.gpus)
                others = any(peer is not want.peer for peer, _ in self._wants)
                kind, *where = want.demand.shape.strategy or ("DEFAULT",)
                group = (where[0], where[2]) if kind == "group" else None
                grant = m.Grant(*about, others, group)
                want.peer.post(m.Leased(want.demand.number, grant))
                who = (lease.number, worker.pid, want.peer.name)
                log.debug("lease %d: worker %d is granted to %s", *who)
                return True
        return False

    def _on_release(self, peer: Peer, release: m.Release) -> None:
        if release.lease in self.leases:
            lease = self.leases[release.lease]
            self._end(lease, release.why, release.at_once)

    def _end(self, lease: Lease, why: str, at_once: bool = False) -> None:
        if why and lease.worker is not None:
            end = self.workers.kill if at_once else self.node.end_worker
            log.debug("lease %d is taken back: %s", lease.number, why)
            end(lease.worker, why)
            return  # and it is over when the worker has ended
        del self.leases[lease.number]
        log.debug("lease %d is given back", lease.number)
        if lease.blocked:
            self.pool.take(lease.cpus())
        self.pool.give(lease.hold)
        self.pool.give_gpus(lease.gpus, lease.hold)
        if lease.worker is not None:
            lease.worker.lease = None
            lease.worker.idle_since = machine.monotonic()
        self.schedule()

    def worker_ended(self, worker: Worker, how: str) -> None:
        """A worker process has ended: its owner has to know."""
        lease: Lease | None = worker.lease
        if len(self.workers.workers) < self.node.cpus():
            self.workers.fork(())  # for the next one
        if lease is not None:
            number, begun, _ = m.PROGRESS.unpack_from(worker.progress)
            if number != lease.number:
                begun = 0  # it died before it heard of this lease
            lease.want.peer.post(m.Died(lease.number, how, begun))
            lease.worker = None
            self._end(lease, "")
        self.schedule()

    def end_users(self, resource: str, why: str) -> None:
        """End all that holds some of a resource."""
        for lease in list(self.leases.values()):
            if any(name == resource for name, _ in lease.hold):
                self._end(lease, why)

    def job_ended(self, job: str) -> None:
        """A driver is gone: nobody has work for its idle workers."""
        for worker in list(self.workers.workers.values()):
            if worker.job == job and worker.lease is None:
                self.node.end_worker(worker, "its job has ended")

    def owner_left(self, peer: Peer) -> None:
        """An owner is gone, and its leases are over."""
        for table in (self._wants, self._answers):
            for key in [key for key in table if key[0] is peer]:
                del table[key]
        for lease in list(self.leases.values()):
            if lease.want.peer is peer:
                self._end(lease, "its owner is gone")
        self.schedule()

    def _on_blocked(self, peer: Peer, blocked: m.Blocked) -> None:
        waits = blocked.waits
        for lease in self.leases.values():
            mine = lease.worker is not None and lease.worker.peer is peer
            if mine and lease.blocked != waits:
                lease.blocked = waits
                change = self.pool.give if waits else self.pool.take
                change(lease.cpus())
        self.schedule()

    def _reclaim(self, want: Want, busy: bool) -> None:
        horizon = machine.monotonic() - (SLICE_S if busy else 0.0)
        me = (want.peer, want.demand.number)
        owners = {
            lease.want.peer
            for lease in self.leases.values()
            if lease.want.demand.hold is None
            and (lease.want.peer, lease.want.demand.number) != me
            and lease.since <= horizon
        }
        for owner in owners:
            owner.post(m.Reclaim(busy))

    def _reclaim_busy(self) -> None:
        self._slicing = bool(self._wants)
        for want in self._wants.values():
            self._reclaim(want, busy=True)
        if self._slicing:
            self.node.later(SLICE_S, self._reclaim_busy)
