"""The owner's side of tasks: from `submit` to the results.

    submit ─> inputs there? ─> queue of its shape ─> a leased worker ─> Done
                                  │      ▲                │
                  Demand ─> node ─┘      └── Returned, died: again
                  Leased <─ node

Rules:

1. One hop per task: the owner keeps the workers that it has leased, and
   sends the next tasks of that shape straight to them.
2. How many tasks are under way to one worker (its window) doubles while
   answers come quickly, and falls to one when a task takes long: what has
   not begun comes back (`Returned`) and goes to another worker.
3. A worker that dies is charged to the tasks that it had begun, not to
   those that waited behind them.
4. A lease is given back when it has been idle for a moment, or when the
   node says that others wait.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.exceptions import (
    TaskUnschedulableError,
)
from minimr.core.lease import Lease, Queue
from minimr.core.recovery import Recovery
from minimr.core.serialize import fail
from minimr.core.task import Task
from minimr.net.channel import Address
from minimr.net.peer import Peer

if TYPE_CHECKING:
    from minimr.core.runtime import Runtime

MAX_WINDOW = 256  # tasks under way to one worker
MAX_DEMAND = 32  # workers asked for at once
QUICK_S = 0.001  # answers closer than this double the window
SLOW_S = 0.005  # an answer later than this sets it to one
IDLE_S = 0.2  # an idle lease is kept so long
BATCH = 32  # posted messages that are worth a flush


class Leases:
    """All tasks that this process has submitted and that are not done."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.recovery = Recovery(runtime, self)
        self._queues: dict[tuple[m.Shape, Address], Queue] = {}
        self.numbered: list[Queue] = []
        self._by_worker: dict[Peer, Lease] = {}
        self.running: dict[bytes, Task] = {}
        self._defined: dict[Peer, set[bytes]] = {}  # functions sent
        self._sweeping = False

    # ---- submitting ----

    def submit(self, task: Task) -> None:
        """Run a task as soon as its inputs are there. Lock held."""
        if task.refs:
            self.runtime.outcomes.when_ready(task, self.enqueue)
        else:
            self.enqueue(task)

    def enqueue(self, task: Task) -> None:
        """Put a task into the queue of its shape. Lock held."""
        if not task.waits:  # one of its inputs is an error
            return
        home = self.runtime.outcomes.nearest(task)
        queue = self._queues.get((task.shape, home))
        if queue is None:
            queue = Queue(len(self.numbered), task.shape, home)
            self._queues[task.shape, home] = queue
            self.numbered.append(queue)
        task.lease = queue
        queue.tasks.append(task)
        self.dispatch(queue)

    def dispatch(self, queue: Queue) -> None:
        """Send tasks to workers with room. Lock held."""
        tasks = queue.tasks
        while tasks:
            best, least = None, MAX_WINDOW
            for lease in queue.leases:
                under_way = len(lease.inflight)
                over = lease.expiring or lease.spent
                room = under_way < lease.window and not over
                if room and under_way < least:
                    best, least = lease, under_way
            if best is None:
                break
            self._push(best, tasks.popleft())
        if tasks or queue.asked:
            self._demand(queue)

    def _push(self, lease: Lease, task: Task) -> None:
        peer = lease.peer
        if not lease.inflight:
            lease.last = time.monotonic()
            self.runtime.urgent = True
        lease.inflight[task.id] = task
        if lease.queue.shape.strategy == ("SPREAD",):
            lease.spent = True  # the next one goes to another node
        task.lease = lease
        self.running[task.id] = task
        if task.function.key not in lease.defined:
            lease.defined.add(task.function.key)
            peer.post(m.Define(*task.function))
        peer.post(
            m.Push(
                task.id,
                task.function.key,
                task.args,
                self.runtime.outcomes.deps(task),
                task.returns,
                task.attempt,
                task.name,
            )
        )
        if peer.posted() >= BATCH:
            self.runtime.urgent = True

    def _demand(self, queue: Queue) -> None:
        need = min(len(queue.tasks), MAX_DEMAND)
        asked = sum(queue.asked.values())
        if need and asked and need < 2 * asked:
            return
        if need:
            elsewhere = asked - queue.asked.get(queue.home, 0)
            queue.asked[queue.home] = need - elsewhere
            self._ask(queue, queue.home, 0)
        else:
            places = list(queue.asked)
            queue.asked.clear()
            for node in places:
                self._ask(queue, node, 0)

    def _ask(self, queue: Queue, node: Address, hops: int) -> None:
        count = queue.asked.get(node, 0)
        self.runtime.urgent = True
        self.runtime.link(node).post(
            m.Demand(queue.number, queue.shape, count, hops)
        )

    # ---- answers of nodes ----

    def on_leased(self, peer: Peer, leased: m.Leased) -> None:
        """A worker is ours."""
        queue = self.numbered[leased.queue]
        node = peer.data.address
        self._less(queue, node)
        worker = self.runtime.link(leased.worker)
        defined = self._defined.setdefault(worker, set())
        lease = Lease(queue, leased.lease, node, worker, defined)
        queue.leases.append(lease)
        self._by_worker[worker] = lease
        if self.runtime.job is not None:
            worker.post(self.runtime.job)
        worker.post(
            m.Granted(leased.lease, leased.gpus, queue.shape.resources)
        )
        self.dispatch(queue)
        self._rest(lease)

    def on_spilled(self, peer: Peer, spilled: m.Spilled) -> None:
        """Another node has room."""
        queue = self.numbered[spilled.queue]
        self._less(queue, peer.data.address)
        if queue.tasks:
            node = spilled.node
            queue.asked[node] = queue.asked.get(node, 0) + 1
            self._ask(queue, node, 1)

    def on_unschedulable(self, peer: Peer, verdict: m.Unschedulable) -> None:
        """No node can ever run these."""
        queue = self.numbered[verdict.queue]
        queue.asked.clear()
        value = fail(TaskUnschedulableError(verdict.why))
        while queue.tasks:
            self.runtime.outcomes.finish(queue.tasks.popleft(), value)

    def on_reclaim(self, peer: Peer, message: m.Reclaim) -> None:
        """Others wait for workers of that node."""
        for lease in list(self._by_worker.values()):
            if lease.node == peer.data.address:
                lease.expiring = lease.expiring or message.busy
                if not lease.inflight:
                    self._release(lease)

    def _less(self, queue: Queue, node: Address) -> None:
        left = queue.asked.get(node, 0) - 1
        if left > 0:
            queue.asked[node] = left
        else:
            queue.asked.pop(node, None)

    # ---- answers of workers ----

    def on_done(self, peer: Peer, done: m.Done) -> None:
        """A task has run."""
        task = self.running.pop(done.task, None)
        if task is None:
            return
        lease = task.lease
        assert isinstance(lease, Lease)
        del lease.inflight[task.id]
        lease.done += 1
        now = time.monotonic()
        took, lease.last = now - lease.last, now
        if took < QUICK_S:
            lease.window = min(2 * lease.window, MAX_WINDOW)
        elif took > SLOW_S:
            lease.window = 1
        if not self._again(task, done.results):
            self.runtime.outcomes.finish(task, done.results)
        if lease.queue.tasks:
            # Who was asked has had the time to answer, and has no room.
            if took > SLOW_S and lease.queue.asked:
                lease.spent = False
            self.dispatch(lease.queue)
        if not lease.inflight:
            self._rest(lease)

    def _again(self, task: Task, results: Any) -> bool:
        if not isinstance(results, m.Failed) or not task.wants_retry(results):
            return False
        task.count_retry()
        self.enqueue(task)
        return True

    def on_returned(self, peer: Peer, message: m.Returned) -> None:
        """A worker is busy for long: what has not begun goes elsewhere."""
        lease = self._by_worker.get(peer)
        if lease is None:
            return
        lease.window = 1
        back = [lease.inflight.pop(id, None) for id in message.tasks]
        for task in reversed([task for task in back if task is not None]):
            self.running.pop(task.id, None)
            task.lease = lease.queue
            lease.queue.tasks.appendleft(task)
        self.dispatch(lease.queue)

    # ---- the end of a lease ----

    def _rest(self, lease: Lease) -> None:
        if lease.inflight:
            return
        if lease.expiring or lease.spent:
            self._release(lease)
        elif not self._sweeping:
            self._sweeping = True
            self.runtime.later(IDLE_S, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        horizon = time.monotonic() - IDLE_S
        for lease in list(self._by_worker.values()):
            if not lease.inflight:
                if lease.last <= horizon:
                    self._release(lease)
                else:
                    self._rest(lease)

    def _release(self, lease: Lease) -> None:
        self._by_worker.pop(lease.peer, None)
        lease.queue.leases.remove(lease)
        self.runtime.link(lease.node).post(m.Release(lease.number))

    def peer_left(self, peer: Peer, why: str) -> None:
        """A worker or a node is gone."""
        self._defined.pop(peer, None)
        lease = self._by_worker.pop(peer, None)
        if lease is not None:
            lease.queue.leases.remove(lease)
            self.runtime.ask(
                self.runtime.link(lease.node),
                m.Obituary(lease.peer.data.address),
                lambda death: self.recovery.bury(lease, death),
            )
        for queue in self.numbered:
            if queue.asked.pop(peer.data.address, None):
                self._demand(queue)

    # ---- cancelling and making again ----
