"""When a task has to run again, or not at all.

a worker died ─> bury ─> charge those that it had begun, queue the rest
an object is lost ─> recover ─> its task again, its inputs' tasks before
cancel ─> out of the queue, or a word to the worker
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.lease import Lease, Queue
from minimr.core.serialize import fail
from minimr.core.task import Task, object_id
from minimr.exceptions import (
    ObjectLostError,
    ObjectReconstructionFailedError,
    WorkerCrashedError,
)

if TYPE_CHECKING:
    from minimr.core.leases import Leases
    from minimr.core.objects import Entry
    from minimr.core.runtime import Runtime


class Recovery:
    """Runs tasks again: the part of `Leases` that is about failure."""

    def __init__(self, runtime: Runtime, leases: Leases) -> None:
        self.runtime = runtime
        self.leases = leases

    def bury(self, lease: Lease, death: Any) -> None:
        """Run again what a dead worker had. Lock held."""
        if not isinstance(death, m.Death):
            where = "{}:{}".format(*lease.node)
            why = f"the node {where} that it ran on has died"
            death = m.Death(why, None, lease.done + len(lease.inflight))
        # Of another lease: it died before it heard of this one.
        ours = death.lease in (None, lease.number)
        begun = death.begun - lease.done if ours else 0
        for index, task in enumerate(list(lease.inflight.values())):
            self.leases.running.pop(task.id, None)
            if index >= begun and not task.cancelled:
                self.leases.enqueue(task)
            else:
                self._charge(task, death)
        self.leases.dispatch(lease.queue)

    def _charge(self, task: Task, death: m.Death) -> None:
        if task.cancelled:
            self.runtime.outcomes.finish(task, task.cancelled_value())
        elif task.retries != 0:
            task.count_retry()
            self.leases.enqueue(task)
        else:
            text = (
                f"the worker died while it ran {task.name}(), attempt "
                f"{task.attempt + 1}: {death.why}"
            )
            self.runtime.outcomes.finish(task, fail(WorkerCrashedError(text)))

    def cancel(self, task: Task, force: bool, recursive: bool) -> None:
        """Stop a task, wherever it is. Lock held."""
        task.cancelled = True
        if isinstance(task.lease, Lease):
            peer = task.lease.peer
            peer.post(m.Cancel(task.id, force, recursive))
            return
        if isinstance(task.lease, Queue) and task in task.lease.tasks:
            task.lease.tasks.remove(task)
        self.runtime.outcomes.finish(task, task.cancelled_value())

    def children(self, parent: bytes) -> list[Task]:
        """Give the tasks that a task of this process has submitted."""
        queued = [
            task for queue in self.leases.numbered for task in queue.tasks
        ]
        under_way = [*self.leases.running.values(), *queued]
        return [task for task in under_way if task.parent == parent]

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
        task.count_retry()
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
            value = other.value if other is not None else None
            lost = isinstance(value, m.Stored) and not value.places
            if other is not None and lost:
                other.value = None
        self.leases.submit(task)
