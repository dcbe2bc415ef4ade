"""When a task has to run again: its worker died, or what it made is lost.

    a worker is gone: left, died ─> end: what it had begun is charged
    an object is lost: recover ─> its task again, its inputs' tasks before

Rule: a worker that dies is charged to the tasks that it had begun, not to
those that waited behind them. Its node tells how many; that counts when its
link has closed, and so all its answers are read.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from minimr.core import messages as m
from minimr.core.refs import Entry, ObjectRef
from minimr.core.serialize import fail
from minimr.core.tasks import ALL, LOST, Lease, Task
from minimr.exceptions import (
    ActorUnavailableError,
    ObjectLostError,
    ObjectReconstructionFailedError,
    WorkerCrashedError,
)
from minimr.net.channel import Address
from minimr.net.peer import Peer

if TYPE_CHECKING:
    from minimr.core.runtime import Runtime


class Recovery:
    """What a process does about failures. Methods: with the lock held."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def left(self, peer: Peer, why: str) -> None:
        """A worker or a node is gone."""
        leases = self.runtime.leases
        leases.defined.pop(peer, None)
        lease = leases.by_peer.get(peer)
        if lease is not None:
            lease.window, lease.lost = 0, True
            for told in lease.then:
                told()
            if not lease.then and lease.node is not None:
                node = self.runtime.link(lease.node)  # knows how it died
                node.post(("release", lease.number, LOST))
        self.node_lost(peer.data.address)

    def node_lost(self, address: Address) -> None:
        """No worker of that node answers any more."""
        leases = self.runtime.leases
        here = self.runtime.node.data.address
        for queue in leases.queues:
            if queue.home == address:
                queue.home = here
            if queue.asked.pop(address, None) and address != here:
                leases.demand(queue)
        why = "its node {}:{} has died".format(*address)
        for lease in [*leases.by_peer.values()]:
            if lease.node == address:
                self.end(lease, why, ALL)

    def _on_died(self, peer: Peer, lease: int, why: str, begun: int) -> None:
        for ours in [*self.runtime.leases.by_peer.values()]:
            if (ours.node, ours.number) == (peer.data.address, lease):
                ours.window = 0
                ours.then.append(partial(self.end, ours, why, begun))
                if ours.lost:
                    self.end(ours, why, begun)

    def end(self, lease: Lease, why: str, begun: int) -> None:
        """Run again what a worker had that is gone, or let it fail."""
        queue, tasks = lease.queue, self.runtime.tasks
        self.runtime.leases.forget(lease)
        sent = [*enumerate(lease.inflight.values(), lease.done)]
        for number, task in reversed(sent):
            if task.cancelled:
                tasks.finish(task, tasks.cancelled(task))
            elif number < begun and task.retries == 0:
                tasks.finish(task, queue.error or _crash(task, why))
            else:
                if number < begun:
                    task.count_retry()
                queue.tasks.appendleft(task)
        self.runtime.leases.dispatch(queue)

    def recover(self, entry: Entry) -> None:
        """Run the task again that made a lost object."""
        task, lost = entry.task, f"object {entry.id.hex()} is lost"
        error: Exception
        if task is None:
            why = "its node died, and only results of tasks can be made again"
            error = ObjectLostError(f"{lost}: {why}")
        elif task.retries == 0:
            text = f"{lost}, and {task.name}() has no retry left"
            error = ObjectReconstructionFailedError(text)
        else:
            if not task.waits:
                self._rerun(task)
            return
        self.runtime.objects.fulfil(entry, fail(error))

    def _rerun(self, task: Task) -> None:
        task.count_retry()
        task.waits, task.ready = True, False
        task.refs = [ObjectRef(entry) for entry in task.inputs]
        for _, other in self.runtime.tasks.outcome(task):
            if other is not None and _is_lost(other):
                other.value = None
        for entry in task.inputs:
            if entry.owner is None:  # it may have been out of reach
                self.runtime.objects.table[entry.id] = entry
            if _is_lost(entry):
                self.runtime.objects.missing(entry, None)
        self.runtime.tasks.submit(task)


def _crash(task: Task, why: str) -> m.Failed:
    if task.shape is not None:
        text = f"the worker died while it ran {task.name}(): {why}"
        return fail(WorkerCrashedError(text))
    return fail(
        ActorUnavailableError(
            f"{task.name}() did not come back: the actor's process is "
            f"gone and it is being restarted ({why})"
        )
    )


def _is_lost(entry: Entry) -> bool:
    return isinstance(entry.value, m.Stored) and not entry.value.places
