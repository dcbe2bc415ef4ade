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
from collections import deque
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.exceptions import (
    ObjectLostError,
    ObjectReconstructionFailedError,
    TaskUnschedulableError,
    WorkerCrashedError,
)
from minimr.core.serialize import fail
from minimr.core.task import Task, object_id
from minimr.net.channel import Address
from minimr.net.peer import Peer

if TYPE_CHECKING:
    from minimr.core.objects import Entry
    from minimr.core.runtime import Runtime

MAX_WINDOW = 256  # tasks under way to one worker
MAX_DEMAND = 32  # workers asked for at once
QUICK_S = 0.001  # answers closer than this double the window
SLOW_S = 0.005  # an answer later than this sets it to one
IDLE_S = 0.2  # an idle lease is kept so long
BATCH = 32  # posted messages that are worth a flush


class Lease:
    """A worker that is ours for tasks of one shape."""

    __slots__ = (
        "defined",
        "done",
        "expiring",
        "inflight",
        "last",
        "node",
        "number",
        "peer",
        "queue",
        "window",
    )

    def __init__(
        self,
        queue: Queue,
        number: int,
        node: Address,
        peer: Peer,
        defined: set[bytes],
    ) -> None:
        self.queue = queue
        self.number = number
        self.node = node
        self.peer = peer
        self.defined = defined  # functions that this worker has
        self.inflight: dict[bytes, Task] = {}  # in the order they were sent
        self.done = 0
        self.window = 1
        self.last = time.monotonic()  # of an answer, or of leaving idleness
        self.expiring = False  # others wait: no new tasks


class Queue:
    """Tasks of one shape, the leases for them, and what nodes were asked."""

    def __init__(self, number: int, shape: m.Shape, home: Address) -> None:
        self.number = number
        self.shape = shape
        self.home = home  # the node that is asked first
        self.tasks: deque[Task] = deque()
        self.leases: list[Lease] = []
        self.asked: dict[Address, int] = {}  # {node: workers not yet given}


class Leases:
    """All tasks that this process has submitted and that are not done."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._queues: dict[tuple[m.Shape, Address], Queue] = {}
        self._numbered: list[Queue] = []
        self._by_worker: dict[Peer, Lease] = {}
        self._running: dict[bytes, Task] = {}
        self._defined: dict[Peer, set[bytes]] = {}  # functions sent
        self._sweeping = False

    # ---- submitting ----

    def submit(self, task: Task) -> None:
        """Run a task as soon as its inputs are there. Lock held."""
        if task.refs:
            self.runtime.when_ready(task, self._enqueue)
        else:
            self._enqueue(task)

    def _enqueue(self, task: Task) -> None:
        if not task.waits:  # one of its inputs is an error
            return
        home = self.runtime.nearest(task)
        queue = self._queues.get((task.shape, home))
        if queue is None:
            queue = Queue(len(self._numbered), task.shape, home)
            self._queues[task.shape, home] = queue
            self._numbered.append(queue)
        task.lease = queue
        queue.tasks.append(task)
        self._dispatch(queue)

    def _dispatch(self, queue: Queue) -> None:
        tasks = queue.tasks
        while tasks:
            best, least = None, MAX_WINDOW
            for lease in queue.leases:
                under_way = len(lease.inflight)
                if under_way < lease.window and under_way < least:
                    if not lease.expiring:
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
        task.lease = lease
        self._running[task.id] = task
        if task.function.key not in lease.defined:
            lease.defined.add(task.function.key)
            peer.post(m.Define(*task.function))
        peer.post(
            m.Push(
                task.id,
                task.function.key,
                task.args,
                self.runtime.deps(task),
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
        queue = self._numbered[leased.queue]
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
        self._dispatch(queue)
        self._rest(lease)

    def on_spilled(self, peer: Peer, spilled: m.Spilled) -> None:
        """Another node has room."""
        queue = self._numbered[spilled.queue]
        self._less(queue, peer.data.address)
        if queue.tasks:
            node = spilled.node
            queue.asked[node] = queue.asked.get(node, 0) + 1
            self._ask(queue, node, 1)

    def on_unschedulable(self, peer: Peer, verdict: m.Unschedulable) -> None:
        """No node can ever run these."""
        queue = self._numbered[verdict.queue]
        queue.asked.clear()
        value = fail(TaskUnschedulableError(verdict.why))
        while queue.tasks:
            self.runtime.finish(queue.tasks.popleft(), value)

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
        task = self._running.pop(done.task, None)
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
            self.runtime.finish(task, done.results)
        if lease.queue.tasks:
            self._dispatch(lease.queue)
        if not lease.inflight:
            self._rest(lease)

    def _again(self, task: Task, results: Any) -> bool:
        if not isinstance(results, m.Failed) or not task.wants_retry(results):
            return False
        task.attempt += 1
        task.retries -= 1
        self._enqueue(task)
        return True

    def on_returned(self, peer: Peer, message: m.Returned) -> None:
        """A worker is busy for long: what has not begun goes elsewhere."""
        lease = self._by_worker.get(peer)
        if lease is None:
            return
        lease.window = 1
        back = [lease.inflight.pop(id, None) for id in message.tasks]
        for task in reversed([task for task in back if task is not None]):
            self._running.pop(task.id, None)
            task.lease = lease.queue
            lease.queue.tasks.appendleft(task)
        self._dispatch(lease.queue)

    # ---- the end of a lease ----

    def _rest(self, lease: Lease) -> None:
        if lease.inflight:
            return
        if lease.expiring:
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
                lambda death: self._bury(lease, death),
            )
        for queue in self._numbered:
            if queue.asked.pop(peer.data.address, None):
                self._demand(queue)

    def _bury(self, lease: Lease, death: Any) -> None:
        if not isinstance(death, m.Death):
            where = "{}:{}".format(*lease.node)
            why = f"the node {where} that it ran on has died"
            death = m.Death(why, lease.done + len(lease.inflight), False)
        begun = death.begun - lease.done
        for index, task in enumerate(list(lease.inflight.values())):
            self._running.pop(task.id, None)
            if index >= begun and not task.cancelled:
                self._enqueue(task)
            else:
                self._charge(task, death)
        self._dispatch(lease.queue)

    def _charge(self, task: Task, death: m.Death) -> None:
        if task.cancelled:
            self.runtime.finish(task, task.cancelled_value())
        elif task.retries != 0:
            task.retries -= 1
            task.attempt += 1
            self._enqueue(task)
        else:
            text = (
                f"the worker died while it ran {task.name}(), attempt "
                f"{task.attempt + 1}: {death.why}"
            )
            self.runtime.finish(task, fail(WorkerCrashedError(text)))

    # ---- cancelling and making again ----

    def children(self, parent: bytes) -> list[Task]:
        """Give the tasks that a task of this process has submitted."""
        queued = [task for queue in self._numbered for task in queue.tasks]
        under_way = [*self._running.values(), *queued]
        return [task for task in under_way if task.parent == parent]

    def cancel(self, task: Task, force: bool, recursive: bool) -> None:
        """Stop a task, wherever it is. Lock held."""
        task.cancelled = True
        if isinstance(task.lease, Lease):
            peer = task.lease.peer
            peer.post(m.Cancel(task.id, force, recursive))
            return
        if isinstance(task.lease, Queue) and task in task.lease.tasks:
            task.lease.tasks.remove(task)
        self.runtime.finish(task, task.cancelled_value())

    def recover(self, entry: Entry) -> None:
        """Run the task again that made a lost object. Lock held."""
        task = entry.task
        id = entry.id.hex()
        if task is None or not task.kept:
            text = (
                f"object {id} is lost: its node died, and what `put` made "
                "cannot be made again"
            )
            value = fail(ObjectLostError(text))
        elif task.retries == 0:
            text = f"object {id} is lost, and {task.name}() has no retry left"
            value = fail(ObjectReconstructionFailedError(text))
        else:
            if not task.waits:
                self._rerun(task)
            return
        self.runtime.objects.fulfil(entry, value)

    def _rerun(self, task: Task) -> None:
        task.retries -= 1
        task.attempt += 1
        task.waits = True
        objects = self.runtime.objects
        task.refs = [self.runtime.handle(entry) for entry in task.inputs]
        for entry in task.inputs:
            value = entry.value
            if isinstance(value, m.Stored) and not value.places:
                entry.value = None
                self.recover(entry)
        for index in range(max(task.returns, 0)):
            other = objects.table.get(object_id(task.id, index))
            if other is not None and isinstance(other.value, m.Stored):
                if not other.value.places:
                    other.value = None
        self.submit(task)
