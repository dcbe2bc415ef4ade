"""The owner's side of workers: queues of tasks, and leases to run them.

    enqueue ─> queue of its shape ─> a leased worker ─> Done
                  │      ▲                │
    Demand ─> node┘      └── Returned, Died: again
    Leased <─ node

Rules:

1. One hop per task: the owner keeps the workers that it has leased, and
   sends the next tasks of that shape straight to them.
2. How many tasks are under way to one worker (its window) doubles while
   answers come quickly, and falls to one when a task takes long: what has
   not begun comes back (`Returned`) and goes to another worker.
3. While tasks wait behind others at one worker, and another one is idle,
   half of them are asked back (`Steal`); if none is idle, nodes are asked
   for one.
4. A lease is given back when it has been idle for a moment, or at once if
   others wait. That of an actor (`actors.py`) is not ours to give back, and
   has no window: its worker keeps the order.
5. The node tells how a worker died, and how many tasks it had begun; that
   counts when its link has closed, and so all its answers are read.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

from minimr.core import messages as m
from minimr.core.process.records import Lease, Queue, Task
from minimr.core.process.tasks import Tasks, cancelled
from minimr.core.process.window import ALL
from minimr.core.serialization import as_failed
from minimr.exceptions import TaskPlacementGroupRemoved, TaskUnschedulableError
from minimr.net.channel import Address
from minimr.net.endpoint import AskFunction, Link
from minimr.net.messages import Gone, Handler
from minimr.net.peer import Peer
from minimr.system import machine

MAX_DEMAND = 32  # workers asked for at once
IDLE_S = 0.2  # an idle lease is kept so long
BALANCE_S = 0.002  # tasks wait behind others before one looks who is idle
LEAVES_S = 0.001  # calls are collected so long that may run at once
MOVES_S = 0.05  # before it is asked again where a bundle is
LOCALITY_BYTES = 1 << 20  # arguments that a task is sent to
BATCH = 32  # posted messages that are worth a flush


log = logging.getLogger(__name__)


class Leases:
    """All tasks that wait for workers. Methods: the process's lock held.

    Args:
        head: gives the link to the control store.
        home: gives the address of our node.
        job: gives the job that tasks are of.
        hurry: has sent at once what was posted.

    Attributes:
        waits: a task of this worker waits, and has given its CPU back.
    """

    def __init__(
        self,
        tasks: Tasks,
        *,
        link: Link,
        ask: AskFunction,
        later: Callable[[float, Callable[[], None]], None],
        head: Callable[[], Peer],
        home: Callable[[], Address],
        job: Callable[[], m.Job],
        hurry: Callable[[], None],
    ) -> None:
        self._tasks = tasks
        tasks.enqueue = self.enqueue
        self._inputs = tasks.objects.inputs
        self._link = link
        self._ask = ask
        self._later = later
        self._head = head
        self._home = home
        self._job = job
        self._hurry = hurry
        self._narrates = log.isEnabledFor(logging.DEBUG)
        self.waits = False
        self.queues: list[Queue] = []  # by their numbers
        self.by_peer: dict[Peer, Lease] = {}
        self._by_shape: dict[tuple[m.Shape, Address], Queue] = {}
        self._latest: tuple[Any, Any, Any] = (None, None, None)  # of those
        # {worker: keys of the functions that it has}
        self.defined: defaultdict[Peer, set[Any]] = defaultdict(set)
        self._sweeping = False
        self.resting: list[Lease] = []  # to be given back at the next step
        self._leaving = False  # a step comes soon, and flushes
        self._balancing = False  # one looks soon who is idle

    def handlers(self) -> list[Handler]:
        """List what it is told."""
        return [
            m.Leased.to(self._on_leased),
            m.Refused.to(self._on_refused),
            m.Reclaim.to(self._on_reclaim),
            m.Done.to(self._on_done),
            m.Returned.to(self._on_returned),
            m.Unready.to(self._on_unready),
            m.Died.to(self._on_died),
        ]

    def enqueue(self, task: Task) -> None:
        """A task has all its inputs: put it into the queue of its shape."""
        task.ready = True
        if task.shape is not None and task.waits:
            task.queue = self._queue_of(task.shape, self._nearest(task))
            task.queue.tasks.append(task)
        elif task.waits and task.queue is not None and not task.queue.ordered:
            task.queue.tasks.append(task)
        if task.queue is not None:
            gap = task.queue.gap
            if gap is not None and task.waits and task.is_impatient():
                self._tasks.finish(task, gap)
            self.dispatch(task.queue)

    def _queue_of(self, shape: m.Shape, home: Address) -> Queue:
        """Return the queue of a shape, for workers near to a node.

        Mostly it is the latest one again, and to hash a shape takes long.
        """
        latest_shape, latest_home, queue = self._latest
        if shape is latest_shape and home is latest_home:
            return queue  # type: ignore[no-any-return]
        queue = self._by_shape.get((shape, home))
        if queue is None:
            queue = Queue(len(self.queues), shape, home)
            self._by_shape[shape, home] = queue
            self.queues.append(queue)
            self._await_group(queue)
        self._latest = shape, home, queue
        return queue

    def _await_group(self, queue: Queue) -> None:
        """Hold a queue until its placement group is there, if it has one."""
        assert queue.shape is not None
        kind, *where = queue.shape.strategy or ("DEFAULT",)
        if kind != "group":
            return

        def answered(answer: list[Address] | m.Refusal | Gone) -> None:
            queue.held = False
            match answer:
                case m.Refusal(why) | Gone(why):
                    error = TaskPlacementGroupRemoved(why)
                    self.fail_all(queue, as_failed(error))
                case _:
                    queue.home = answer[max(where[1], 0)]
                    self.dispatch(queue)

        queue.held = True
        self._ask(self._head(), answered, m.AwaitGroup(where[0]))

    def _nearest(self, task: Task) -> Address:
        """Return the node that has most of a task's large inputs."""
        here: Address = self._home()
        if not task.refs:
            return here
        weights = Counter({here: LOCALITY_BYTES})
        for ref in task.refs:
            if isinstance(ref.entry.value, m.Stored):
                for place in ref.entry.value.places:
                    weights[place] += ref.entry.value.size
        return max(weights, key=weights.__getitem__)

    def dispatch(self, queue: Queue) -> None:
        """Send tasks to workers with room."""
        tasks, behind = queue.tasks, False
        while tasks:
            task = tasks[0]
            if not task.waits or queue.error is not None:
                tasks.popleft()  # first: what waits for it may come next
                if task.waits:
                    self._tasks.finish(task, queue.error)
                continue
            best, least = None, ALL
            for lease in queue.leases:
                under_way = len(lease.inflight)
                if under_way < lease.window.room and under_way < least:
                    best, least = lease, under_way
            if best is None or not task.ready:
                break
            tasks.popleft()
            self._push(best, task)
            behind = least > 0  # another: what was asked for is still wanted
        if queue.shape is not None and (tasks or (queue.asked and not behind)):
            self.demand(queue)

    def _push(self, lease: Lease, task: Task) -> None:
        peer = lease.peer
        if not lease.inflight:
            lease.last = machine.monotonic()
            self._hurry()
        elif not (self._balancing or lease.window.is_fixed):
            self._balance_soon()
        lease.inflight[task.id] = task
        if self._tasks.history is not None:
            task.sent, task.worker = machine.time(), peer
        blob, shape = None, task.shape
        if self._narrates:
            about = (task.name, task.id.hex(), peer.name)
            log.debug("task %s() %s is sent to %s", *about)
        if shape is not None and shape.strategy == ("SPREAD",):
            lease.window.use_up()  # the next one goes to another node
        if task.blob and task.function not in self.defined[peer]:
            self.defined[peer].add(task.function)
            blob = task.blob
        deps = self._inputs(task) if task.refs else ()
        what = (task.id, task.function, blob, task.args, deps)
        peer.post(m.Push(*what, task.returns, task.name, task.attempt))
        if task.returns < 0:
            self.tell_taken(task)
        if peer.posted() >= BATCH:
            self._hurry()
        elif not (lease.queue.ordered or self._leaving):
            # It may run beside those under way: a step sends it, even if
            # the caller does nothing more with us.
            self._leaving = True
            self._later(LEAVES_S, self._leave)

    def _leave(self) -> None:
        self._leaving = False  # and the step that calls this flushes

    def _balance_soon(self) -> None:
        if not self._balancing:
            self._balancing = True
            self._later(BALANCE_S, self._balance)

    def _balance(self) -> None:
        """Have idle workers run what waits behind the tasks of others."""
        self._balancing = False
        for queue in self.queues:
            full = queue.fullest()
            if full is None or queue.tasks:
                continue  # who is idle gets these, and more were asked for
            if not queue.idle():
                self.demand(queue)
            elif not full.stolen_from:
                full.stolen_from = True
                full.peer.post(m.Steal())

    def tell_taken(self, task: Task) -> None:
        """Let a generator go on that must not be too far ahead.

        Its worker hears how many items were taken; all, if nobody is left.
        """
        lease = task.lease() if task.returns < -1 else None
        if lease is not None:
            stream = task.stream()
            items = ALL if stream is None else stream.taken
            lease.peer.post(m.Taken(task.id, items))
            self._hurry()

    # ---- nodes ----

    def demand(self, queue: Queue) -> None:
        """Ask nodes for as many workers as there are tasks for."""
        if queue.held:
            return
        need, asked = min(queue.waiting(), MAX_DEMAND), queue.asked.total()
        if not need:
            for node in [*queue.asked]:
                self._tell_demand(queue, node, 0)
        elif need >= 2 * asked:
            assert queue.home is not None
            assert queue.shape is not None
            if queue.shape.strategy:
                self._sweep(at_once=True)  # or a node seems full that is idle
            elsewhere = asked - queue.asked[queue.home]
            far = queue.home != self._home()
            chosen = far and queue.shape.strategy is None
            self._tell_demand(queue, queue.home, need - elsewhere, int(chosen))

    def _tell_demand(
        self, queue: Queue, node: Address, count: int, hops: int = 0
    ) -> None:
        queue.asked[node] = count
        queue.asked += Counter()  # without those at zero
        self._hurry()
        assert queue.shape is not None
        job = self._job()
        demand = m.Demand(
            number=queue.number,
            shape=queue.shape,
            hold=None,
            job=job.id,
            workers=count,
            hops=hops,
            answers=queue.answers[node],
            driver=job.driver,
        )
        self._link(node).post(demand)

    def _on_leased(self, peer: Peer, leased: m.Leased) -> None:
        queue, grant = self._answered(peer, leased.number), leased.grant
        assert queue.shape is not None
        link = self._link(grant.worker)
        link.post(m.Granted(grant, queue.shape.resources, self._job()))
        self.add(
            Lease(
                queue=queue,
                peer=link,
                number=grant.lease,
                node=peer.data.address,
                wanted=grant.wanted,
            )
        )

    def _on_refused(self, peer: Peer, refused: m.Refused) -> None:
        queue, node = self._answered(peer, refused.number), refused.node
        if node is not None and queue.tasks:
            self._tell_demand(queue, node, queue.asked[node] + 1, 1)
        elif node is None:
            queue.asked.clear()
            if queue.shape and (queue.shape.strategy or "")[0:1] == ("group",):
                queue.held = True  # its bundle is gone, or moves
                self._later(MOVES_S, partial(self._await_group, queue))
            else:
                error = TaskUnschedulableError(refused.why)
                self.fail_all(queue, as_failed(error))

    def fail_all(self, queue: Queue, error: m.Failed) -> None:
        """Let the tasks fail that wait now; later ones may not."""
        while queue.tasks:
            task = queue.tasks.popleft()  # first: what waits for it is next
            if task.waits:
                self._tasks.finish(task, error)

    def _answered(self, peer: Peer, number: int) -> Queue:
        queue = self.queues[number]
        queue.answers[peer.data.address] += 1
        queue.asked -= Counter([peer.data.address])  # without those at zero
        return queue

    def _on_reclaim(self, peer: Peer, reclaim: m.Reclaim) -> None:
        for lease in [*self.by_peer.values()]:
            if lease.node == peer.data.address:
                lease.wanted = True
                if reclaim.busy:
                    lease.window.close()
                self._return_if_idle(lease)

    # ---- workers ----

    def _on_done(self, peer: Peer, done: m.Done) -> None:
        id, results = done
        lease = self.by_peer.get(peer)
        task = lease.inflight.pop(id, None) if lease is not None else None
        if task is not None and lease is not None:
            lease.done += 1
            slow = not lease.window.is_fixed and self._adapt(lease)
            if type(results) is m.Failed and task.wants_retry(results):
                task.count_retry()
                log.debug("task %s() is retried: it raised", task.name)
                lease.queue.tasks.append(task)
            else:
                self._tasks.finish(task, results)
            if lease.queue.tasks:
                if slow and lease.queue.asked:
                    lease.window.reopen()  # who was asked has no room
                self.dispatch(lease.queue)
            elif lease.queue.asked and len(lease.inflight) < 2:
                self.demand(lease.queue)
            if not lease.inflight:
                self._return_if_idle(lease)

    def _adapt(self, lease: Lease) -> bool:
        """Adapt the window to an answer; return whether it was slow."""
        now = machine.monotonic()
        took_s, lease.last = now - lease.last, now
        return lease.window.answered(took_s)

    def _on_returned(self, peer: Peer, returned: m.Returned) -> None:
        lease = self.by_peer.get(peer)
        if lease is None:
            return
        under_way, ids = lease.inflight, returned.ids
        back = [under_way.pop(id) for id in ids if id in under_way]
        if back:
            lease.window.shrink(len(under_way))
        idle = lease.queue.idle() if lease.stolen_from else []
        for each in idle:
            each.window.widen(-(-len(back) // len(idle)))
        lease.stolen_from = False
        lease.queue.tasks.extendleft(reversed(back))
        self.dispatch(lease.queue)

    def _on_unready(self, peer: Peer, unready: m.Unready) -> None:
        id, number, place = unready
        lease = self.by_peer.get(peer)
        task = lease.inflight.pop(id, None) if lease is not None else None
        if lease is None or task is None:
            return
        lease.done += 1  # that it began is counted, too
        if task.cancelled:
            self._tasks.finish(task, cancelled(task))
        else:
            self._tasks.wait_again(task, number, place)
        self.dispatch(lease.queue)
        self._return_if_idle(lease)

    # ---- the end of a lease ----

    def _return_if_idle(self, lease: Lease) -> None:
        """Return an idle lease, unless it is likely to be used again soon."""
        is_mine = self.by_peer.get(lease.peer) is lease
        if lease.inflight or lease.node is None or not is_mine:
            return
        over = lease.wanted or not lease.window.room
        if over or lease.last <= machine.monotonic() - IDLE_S:
            self._forget(lease)
            self.resting.append(lease)
            if not self.waits:  # or else: who goes on goes first
                self.give_back()
            return
        if lease.queue.fullest() is not None:
            self._balance_soon()
        if not self._sweeping:
            self._sweeping = True
            self._later(IDLE_S, self._sweep)

    def give_back(self) -> None:
        """Release what rests. Lock held, or nobody else's turn.

        A task that waits takes its own CPU back before: a worker that comes
        too early would begin one task more than there are CPUs for.
        """
        resting, self.resting = self.resting, []
        for lease in resting:
            self._release(lease)

    def _sweep(self, at_once: bool = False) -> None:
        self._sweeping = self._sweeping and at_once
        for lease in [*self.by_peer.values()]:
            idle = not lease.inflight and not lease.queue.tasks
            if at_once and idle and lease.node is not None:
                lease.window.close()
            self._return_if_idle(lease)

    def add(self, lease: Lease) -> None:
        """A worker is ours, for the tasks of a queue."""
        lease.last = machine.monotonic()
        lease.queue.leases.append(lease)
        self.by_peer[lease.peer] = lease
        self.dispatch(lease.queue)
        self._return_if_idle(lease)

    def _release(self, lease: Lease) -> None:
        if lease.node is not None:
            node = self._link(lease.node)
            why = m.LOST if lease.lost else ""
            node.post(m.Release(lease.number, why, at_once=lease.lost))

    def _forget(self, lease: Lease) -> None:
        if self.by_peer.get(lease.peer) is lease:
            del self.by_peer[lease.peer]
        lease.queue.leases.remove(lease)
        # It is in a circle with these, and has tasks that have references.
        lease.on_link_closed.clear()

    def left(self, peer: Peer, why: str) -> None:
        """A worker or a node is gone, and all that it said is read."""
        self.defined.pop(peer, None)
        lease = self.by_peer.get(peer)
        if lease is not None:
            lease.window.close()
            lease.lost = True
            told, lease.on_link_closed = lease.on_link_closed, []
            for each in told:
                each()
            if not told:
                self._release(lease)  # the node tells how it died
        self.node_lost(peer.data.address)

    def node_lost(self, address: Address) -> None:
        """No worker of that node answers any more."""
        here = self._home()
        for queue in self.queues:
            if queue.home == address:
                queue.home = here
            if queue.asked.pop(address, None) and address != here:
                self.demand(queue)
        for lease in [*self.by_peer.values()]:
            if lease.node == address:
                self.end(lease, "its node {}:{} has died".format(*address))

    def _on_died(self, peer: Peer, died: m.Died) -> None:
        number, why, begun = died
        for ours in [*self.by_peer.values()]:
            if (ours.node, ours.number) == (peer.data.address, number):
                ours.window.close()
                if ours.lost:
                    self.end(ours, why, begun)
                else:
                    end = partial(self.end, ours, why, begun)
                    ours.on_link_closed.append(end)

    def end(self, lease: Lease, why: str, begun: int = ALL) -> None:
        """A worker is gone that had begun so many tasks."""
        how = why.partition("; its last output")[0]
        log.debug("the worker at %s is gone: %s", lease.peer.name, how)
        self._forget(lease)
        self._tasks.interrupted(lease, why, begun)
        self.dispatch(lease.queue)
