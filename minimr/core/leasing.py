"""Who gets which worker, and for how long.

    Want (an owner's demand, an actor to start)
      └─ decide ─┬─ here: Lease ─ an idle worker, or a new one ─> Leased
                 ├─ there: Spilled
                 ├─ wait: idle leases of others are asked back, busy ones
                 │        when they are older than a slice of time
                 └─ never: Unschedulable

Rule: who waits longest is served first; who cannot be served does not hold
up those behind it that can.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.pool import Worker
from minimr.core.scheduler import Here, Never, There, decide
from minimr.net.channel import Address
from minimr.net.peer import Peer

if TYPE_CHECKING:
    from minimr.core.node import Node

SLICE_S = 0.05  # busy leases older than this go when others wait


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


class Leasing:
    """The part of a node that leases its workers."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.wants: dict[tuple[Peer, int], Want] = {}  # the oldest first
        self.granted: list[Lease] = []  # that wait for a worker to start
        self.leases: dict[int, Lease] = {}
        self.number = 0
        self.turn = 0
        self.slicing = False

    def on_demand(self, peer: Peer, demand: m.Demand) -> None:
        """An owner can use so many more workers."""
        key = (peer, demand.queue)
        want = self.wants.get(key)
        if demand.workers <= 0:
            self.wants.pop(key, None)
            return
        if want is None:
            want = Want(peer, demand.queue, demand.shape, demand.hops)
            self.wants[key] = want
        want.count = demand.workers
        self.schedule()

    def schedule(self) -> None:
        """Serve who can be served now."""
        self._hand_out()
        for key, want in list(self.wants.items()):
            while want.count > 0 and self._serve(want):
                want.count -= 1
            if want.count <= 0:
                self.wants.pop(key, None)
        self._hand_out()
        self.node.report()
        if self.wants and not self.slicing:
            self.slicing = True
            self.node.later(SLICE_S, self._reclaim_busy)

    def _serve(self, want: Want) -> bool:
        me = self.node.info()
        others = [node for node in self.node.nodes if node.id != self.node.id]
        self.turn += 1
        verdict = decide(
            want.shape, self.node.id, [me, *others], self.turn, want.hops
        )
        if isinstance(verdict, Here):
            self._grant(want)
            return True
        if isinstance(verdict, There):
            self._expect(verdict.address, want.shape)
            want.peer.post(m.Spilled(want.queue, verdict.address))
            return True
        if isinstance(verdict, Never):
            want.peer.post(m.Unschedulable(want.queue, verdict.why))
            want.count = 0
            return False
        self.turn -= 1
        if not want.reclaimed:
            want.reclaimed = True
            self._reclaim(want, busy=False)
        return False

    def _expect(self, address: Address, shape: m.Shape) -> None:
        """Count what we send to a node, until it reports the next time."""
        for node in self.node.nodes:
            if node.address == address:
                for name, need in shape.resources:
                    node.available[name] = node.available.get(name, 0.0) - need

    def _grant(self, want: Want) -> None:
        self.number += 1
        hold = want.start[0].spec.hold if want.start else want.shape
        lease = Lease(self.number, want, hold)
        self.node.pool.take(lease.hold)
        gpus = dict(lease.hold).get("GPU", 0.0)
        lease.gpus = self.node.pool.take_gpus(gpus) if gpus else ()
        self.leases[lease.number] = lease
        self.granted.append(lease)

    def _hand_out(self) -> None:
        """Give idle workers to those who were granted one."""
        for lease in list(self.granted):
            worker = self._idle_worker(lease.want)
            if worker is not None:
                self.granted.remove(lease)
                self._assign(lease, worker)
        starting = sum(
            w.peer is None for w in self.node.workers.workers.values()
        )
        for lease in self.granted[starting:]:
            self.node.workers.fork(lease.want.shape.env)

    def _idle_worker(self, want: Want) -> Worker | None:
        job = self._job(want)
        for worker in self.node.workers.workers.values():
            if worker.peer is None or worker.lease or worker.actor:
                continue
            fits = worker.env == want.shape.env and not worker.why
            if fits and worker.job in (None, job):
                worker.job = job
                return worker
        return None

    def _job(self, want: Want) -> m.Job | None:
        if want.start is not None:
            return want.start[0].spec.job
        for worker in self.node.workers.workers.values():
            if worker.peer is want.peer:
                return worker.job
        job: m.Job | None = want.peer.data.job
        return job

    def _assign(self, lease: Lease, worker: Worker) -> None:
        worker.lease, lease.worker = lease, worker
        assert worker.address is not None
        assert worker.peer is not None
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
        self.node.ask(worker.peer, become, reply)

    def release(self, number: int) -> None:
        """A lease is over."""
        lease = self.leases.pop(number, None)
        if lease is None:
            return
        if lease in self.granted:
            self.granted.remove(lease)
        if lease.blocked:
            self.node.pool.take(self._cpu(lease))
        self.node.pool.give(lease.hold)
        self.node.pool.give_gpus(lease.gpus, dict(lease.hold).get("GPU", 0.0))
        if lease.worker is not None:
            lease.worker.lease = None
            lease.worker.idle_since = time.monotonic()
        self.schedule()

    def on_blocked(self, peer: Peer, blocked: m.Blocked) -> None:
        """A task waits, or goes on: its CPU comes or goes."""
        for lease in self.leases.values():
            mine = lease.worker is not None and lease.worker.peer is peer
            if mine and lease.blocked != blocked.waits:
                lease.blocked = blocked.waits
                pool = self.node.pool
                change = pool.give if blocked.waits else pool.take
                change(self._cpu(lease))
        self.schedule()

    def _cpu(self, lease: Lease) -> list[tuple[str, float]]:
        return [(name, need) for name, need in lease.hold if name == "CPU"]

    def _reclaim(self, want: Want, busy: bool) -> None:
        horizon = time.monotonic() - SLICE_S
        owners = set()
        for lease in self.leases.values():
            other = lease.want
            same = other.peer is want.peer and other.queue == want.queue
            old = not busy or lease.since < horizon
            if other.start is None and not same and old:
                owners.add(other.peer)
        for owner in owners:
            owner.post(m.Reclaim(busy))

    def _reclaim_busy(self) -> None:
        self.slicing = False
        for want in self.wants.values():
            self._reclaim(want, busy=True)
            self.slicing = True
        if self.slicing:
            self.node.later(SLICE_S, self._reclaim_busy)
