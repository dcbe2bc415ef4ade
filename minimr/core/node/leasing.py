"""Which owner gets which worker of a node, and for how long.

    Demand ── decide ──┬─ here: an idle worker, or a new one ─> Leased
    (an owner, or the  ├─ there, or never ─> Refused
     control store for └─ wait: idle leases of others are asked back, busy
     an actor)                  ones when they are older than a slice of time

Rules:

1. The owner that waits longest is served first; one that cannot be served
   does not hold up those behind it that can. But a task that waits has given
   its CPU for what it waits for: one worker for that goes before all others,
   so that nested tasks end before more of them begin.
2. A worker belongs to one driver's job and its GPUs for life, for CUDA looks
   once at what it may use. An actor is a lease that is given back only with
   the life of its worker.
3. No more workers start at once than there are CPUs.
4. A demand says how many workers its owner can use in all, and how many of
   our answers it has read. Those that it has not read are on their way, and
   count towards that number: so no worker is granted twice.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from minimr.core import messages as m
from minimr.core.node.cluster_view import ClusterView
from minimr.core.node.resources import Pool
from minimr.core.node.worker_pool import Worker, WorkerPool, WorkerState
from minimr.core.scheduler import NeverError, Placement, decide
from minimr.net.endpoint import Later
from minimr.net.messages import Handler
from minimr.net.peer import Peer
from minimr.system import machine

log = logging.getLogger(__name__)

SLICE_S = 0.05  # busy leases older than this go when others wait


@dataclass(eq=False)
class Want:
    """An owner that waits for workers of a shape."""

    peer: Peer
    demand: m.Demand
    count: int = 0
    reclaimed: bool = False  # idle leases were asked back for it

    def key(self) -> tuple[Peer, int]:
        """Return what names it: an owner, and a number of that owner's."""
        return self.peer, self.demand.number

    def is_for_tasks(self) -> bool:
        """Return whether it is for tasks, and not for an actor."""
        return self.demand.hold is None


@dataclass(eq=False)
class Lease:
    """A worker in use, and what it uses."""

    number: int
    want: Want
    hold: m.Amounts
    gpus: tuple[int, ...]
    since: float
    worker: Worker | None = None  # None: one is starting
    blocked: bool = False  # its task waits, and has given its CPU back

    def cpus(self) -> m.Amounts:
        """Return what it holds of CPUs, also of a placement group's."""
        return tuple(h for h in self.hold if m.base(h[0]) == "CPU")

    def suits(self, worker: Worker) -> bool:
        """Return whether a worker can be leased: rule 2."""
        demand = self.want.demand
        return (
            worker.job in ("", demand.job)
            and worker.gpus in (None, self.gpus)
            and worker.env == demand.shape.env
        )


class Leasing:
    """The part of a node that leases its workers.

    Args:
        pool: the resources of this node.
        workers: its worker processes.
        cluster: what all nodes have left.
        changed: called when this node has more or less left than before.
        later: calls a function after that many seconds.
    """

    def __init__(
        self,
        pool: Pool,
        workers: WorkerPool,
        cluster: ClusterView,
        *,
        changed: Callable[[], None],
        later: Later,
    ) -> None:
        self.leases: dict[int, Lease] = {}
        self._pool = pool
        self._workers = workers
        self._cluster = cluster
        self._changed = changed
        self._later = later
        self._wants: dict[tuple[Peer, int], Want] = {}  # the oldest first
        self._answers: Counter[tuple[Peer, int]] = Counter()  # rule 4
        self._numbers = itertools.count(1)
        self._turn = 0  # of SPREAD, round the nodes
        self._slicing = False

    def handlers(self) -> list[Handler]:
        """Return what it is told."""
        return [
            m.Demand.to(self._on_demand),
            m.Release.to(self._on_release),
            m.Blocked.to(self._on_blocked),
        ]

    def _on_demand(self, peer: Peer, demand: m.Demand) -> None:
        key = (peer, demand.number)
        want = self._wants.setdefault(key, Want(peer, demand))
        on_the_way = self._answers[key] - demand.answers
        want.count = max(0, demand.workers - on_the_way)
        self.schedule()

    def schedule(self) -> None:
        """Serve all that can be served now."""
        for want in self._owed():
            self._serve(want)
        for key, want in list(self._wants.items()):
            while self._serve(want):
                pass
            if not want.count:
                self._wants.pop(key, None)
        self._hand_out()
        self._changed()
        if self._wants and not self._slicing:
            self._slicing = True
            self._later(SLICE_S, self._reclaim_busy)

    def _owed(self) -> list[Want]:
        """Return what blocked workers want that have no other worker yet."""
        if not self._wants:
            return []
        leases = self.leases.values()
        blocked = {b.worker.peer for b in leases if b.blocked and b.worker}
        blocked -= {lease.want.peer for lease in leases}
        return [want for want in self._wants.values() if want.peer in blocked]

    def _serve(self, want: Want) -> bool:
        """Answer for one worker; return whether that could be done."""
        if not want.count:
            return False
        demand, nodes = want.demand, self._cluster.nodes()
        here = nodes[0]
        task = Placement(
            shape=demand.shape,
            here=here.id,
            turn=self._turn,
            hops=demand.hops,
            left=want.count,
        )
        try:
            place = decide(task, nodes)
        except NeverError as never:
            self._answered(want, want.count)
            want.peer.post(m.Refused(demand.number, None, str(never)))
            return False
        if place is None:
            if not want.reclaimed:
                want.reclaimed = True
                self._reclaim(want, busy=False)
            return False
        self._answered(want, 1)
        if demand.shape.strategy == ("SPREAD",) and not demand.hops:
            self._turn += 1
        if place == here.address:
            self._grant(want)
        else:
            self._cluster.expect(place, demand.shape.resources)
            want.peer.post(m.Refused(demand.number, place, ""))
        return True

    def _answered(self, want: Want, count: int) -> None:
        """Count one answer, which settles so many of the wanted workers."""
        want.count -= count
        if want.is_for_tasks():  # the number of an actor is used once
            self._answers[want.key()] += 1

    def _grant(self, want: Want) -> None:
        hold = want.demand.hold
        if hold is None:
            hold = want.demand.shape.resources
        self._pool.take(hold)
        lease = Lease(
            number=next(self._numbers),
            want=want,
            hold=hold,
            gpus=self._pool.take_gpus(hold),
            since=machine.monotonic(),
        )
        self.leases[lease.number] = lease

    # ---- workers ----

    def _hand_out(self) -> None:
        """Hand idle workers to leases that have none; start others."""
        idle = self._workers.those(WorkerState.IDLE)
        short = []
        for lease in self.leases.values():
            if lease.worker is None:
                worker = next(filter(lease.suits, idle), None)
                if worker is None:
                    short.append(lease)
                else:
                    idle.remove(worker)
                    self._hand_over(lease, worker)
        starting = len(self._workers.those(WorkerState.STARTING))
        for lease in short[starting : max(1, self._pool.cpus())]:
            self._retire(lease.gpus)
            self._workers.fork(lease.want.demand.shape.env)

    def _hand_over(self, lease: Lease, worker: Worker) -> None:
        want, demand = lease.want, lease.want.demand
        worker.move(WorkerState.LEASED)
        worker.job, worker.gpus = demand.job, lease.gpus
        worker.driver = demand.driver
        lease.worker = worker
        assert worker.address is not None
        others = any(peer is not want.peer for peer, _ in self._wants)
        kind, *where = demand.shape.strategy or ("DEFAULT",)
        grant = m.Grant(
            lease=lease.number,
            worker=worker.address,
            gpus=lease.gpus,
            wanted=others,
            group=(where[0], where[2]) if kind == "group" else None,
        )
        want.peer.post(m.Leased(demand.number, grant))
        who = (lease.number, worker.pid, want.peer.name)
        log.debug("lease %d: worker %d is granted to %s", *who)

    def _retire(self, gpus: tuple[int, ...]) -> None:
        """End unused workers that may still have memory of these GPUs."""
        for worker in self._workers.workers.values():
            shared = set(worker.gpus or ()) & set(gpus)
            if shared and worker.state is not WorkerState.LEASED:
                self._workers.kill(worker, "its GPUs are given to another")

    def lease_of(self, worker: Worker) -> Lease | None:
        """Return the lease that a worker is used for."""
        leases = self.leases.values()
        return next((each for each in leases if each.worker is worker), None)

    # ---- the end of a lease ----

    def _on_release(self, peer: Peer, release: m.Release) -> None:
        lease = self.leases.get(release.lease)
        if lease is not None:
            self._take_back(lease, release.why, at_once=release.at_once)

    def _take_back(
        self, lease: Lease, why: str, *, at_once: bool = False
    ) -> None:
        """End a lease; with a reason, its worker has to end first."""
        if why and lease.worker is not None:
            log.debug("lease %d is taken back: %s", lease.number, why)
            end = self._workers.kill if at_once else self._workers.end
            end(lease.worker, why)
            return
        del self.leases[lease.number]
        log.debug("lease %d is given back", lease.number)
        if lease.blocked:
            self._pool.take(lease.cpus())
        self._pool.give(lease.hold)
        self._pool.give_gpus(lease.gpus, lease.hold)
        if lease.worker and lease.worker.state is WorkerState.LEASED:
            self._workers.rests(lease.worker)
        self.schedule()

    def worker_ended(self, worker: Worker, how: str) -> None:
        """A worker process has ended: tell the owner of its lease."""
        if len(self._workers.workers) < self._pool.cpus():
            self._workers.fork(())  # for the next one
        lease = self.lease_of(worker)
        if lease is None:
            self.schedule()
            return
        begun = worker.begun(lease.number)
        lease.want.peer.post(m.Died(lease.number, how, begun))
        lease.worker = None
        self._take_back(lease, "")

    def end_users(self, resource: str, why: str) -> None:
        """End all that holds some of a resource."""
        for lease in list(self.leases.values()):
            if any(name == resource for name, _ in lease.hold):
                self._take_back(lease, why)

    def job_ended(self, job: str) -> None:
        """A driver is gone: end its idle workers."""
        for worker in self._workers.those(WorkerState.IDLE):
            if worker.job == job:
                self._workers.end(worker, "its job has ended")

    def owner_left(self, peer: Peer) -> None:
        """An owner is gone, and its leases are over."""
        for table in (self._wants, self._answers):
            for key in [key for key in table if key[0] is peer]:
                del table[key]
        for lease in list(self.leases.values()):
            if lease.want.peer is peer:
                self._take_back(lease, "its owner is gone")
        self.schedule()

    # ---- tasks that wait, and owners that do ----

    def _on_blocked(self, peer: Peer, blocked: m.Blocked) -> None:
        waits = blocked.waits
        for lease in self.leases.values():
            is_its = lease.worker is not None and lease.worker.peer is peer
            if is_its and lease.blocked != waits:
                lease.blocked = waits
                change = self._pool.give if waits else self._pool.take
                change(lease.cpus())
        self.schedule()

    def _reclaim(self, want: Want, *, busy: bool) -> None:
        """Ask other owners for workers; busy ones when they had a slice."""
        horizon = machine.monotonic() - (SLICE_S if busy else 0.0)
        owners = {
            lease.want.peer: None
            for lease in self.leases.values()
            if lease.want.is_for_tasks()
            and lease.want.key() != want.key()
            and lease.since <= horizon
        }
        for owner in owners:
            owner.post(m.Reclaim(busy))

    def _reclaim_busy(self) -> None:
        self._slicing = bool(self._wants)
        for want in self._wants.values():
            self._reclaim(want, busy=True)
        if self._slicing:
            self._later(SLICE_S, self._reclaim_busy)
