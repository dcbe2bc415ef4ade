"""When a task has to run again: its worker died, or what it made is lost.

    a worker is gone: left, died ─> bury: charge the begun, queue the rest
    an object is lost: recover ─> its task again, its inputs' tasks before

Rule: a worker that dies is charged to the tasks that it had begun, not to
those that waited behind them. Its node tells how many; that counts when its
link has closed, and so all its answers are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minimr.core import messages as m
from minimr.core.refs import Entry, ObjectRef
from minimr.core.serialize import fail
from minimr.core.tasks import ALL, LOST, Lease, Task
from minimr.exceptions import (
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
        self.runtime.leases.defined.pop(peer, None)
        lease = self.runtime.leases.by_peer.get(peer)
        if lease is not None:
            lease.expiring = lease.lost = True
            if lease.death is not None:
                self._bury(lease, *lease.death)
            elif lease.node is not None:  # which tells us how it died
                node = self.runtime.link(lease.node)
                node.post(("release", lease.number, LOST))
            for news in lease.news:
                self.runtime.actors._on_actor(peer, *news)
        self.node_lost(peer.data.address)

    def node_lost(self, address: Address) -> None:
        """No worker of that node answers any more."""
        for lease in list(self.runtime.leases.by_peer.values()):
            if lease.node == address:
                where = "{}:{}".format(*address)
                why = f"the node {where} that it ran on has died"
                self._bury(lease, why, ALL)
        here = self.runtime.node.data.address
        for queue in self.runtime.leases.queues:
            if queue.home == address:
                queue.home = here
            if queue.asked.pop(address, None) and address != here:
                self.runtime.leases.demand(queue)

    def _on_died(self, peer: Peer, lease: int, why: str, begun: int) -> None:
        for ours in list(self.runtime.leases.by_peer.values()):
            if (ours.node, ours.number) == (peer.data.address, lease):
                ours.expiring, ours.death = True, (why, begun)
                if ours.lost:
                    self._bury(ours, why, begun)

    def _bury(self, lease: Lease, why: str, begun: int) -> None:
        """Run again what a dead worker had."""
        self.runtime.leases.forget(lease)
        tasks, lease.inflight = list(lease.inflight.values()), {}
        for index, task in enumerate(tasks):
            task.lease = None
            if task.cancelled:
                error = self.runtime.tasks.cancelled(task)
                self.runtime.tasks.finish(task, error)
            elif index + lease.done >= begun:
                self.runtime.leases.enqueue(task)
            elif task.retries != 0:
                self.runtime.leases.again(task)
            else:
                text = f"the worker died while it ran {task.name}(): {why}"
                self.runtime.tasks.finish(task, fail(WorkerCrashedError(text)))
        self.runtime.leases.dispatch(lease.queue)

    def recover(self, entry: Entry) -> None:
        """Run the task again that made a lost object."""
        task, id = entry.task, entry.id.hex()
        error: Exception
        if task is None:
            text = "its node died, and only results of tasks can be made again"
            error = ObjectLostError(f"object {id} is lost: {text}")
        elif task.retries == 0:
            text = f"object {id} is lost, and {task.name}() has no retry left"
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
            if _is_lost(entry):
                self.runtime.objects.missing(entry, None)
        self.runtime.tasks.submit(task)


def _is_lost(entry: Entry) -> bool:
    return isinstance(entry.value, m.Stored) and not entry.value.places
