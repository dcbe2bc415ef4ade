"""Tasks as their owner has them: inputs, results, and the way back.

    submit ─> inputs there? ─> leases, or the actor's queue ─> finish
    an object is lost ─> recover ─> its task again, its inputs' tasks before

Rules:

1. A task is sent when its inputs are there; an input that is an error is
   the result of the task, which does not run.
2. Only a result that may be lost, one in an object store, keeps its task.
3. A call of an actor's method is a task whose queue is that actor.
"""

from __future__ import annotations

import pickle
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.objects import Entry, ObjectRef
from minimr.core.serialize import fail
from minimr.exceptions import (
    ObjectLostError,
    ObjectReconstructionFailedError,
    RayTaskError,
    TaskCancelledError,
)
from minimr.net.endpoint import Reply
from minimr.net.peer import Peer

if TYPE_CHECKING:
    from minimr.core.leases import Lease, Queue
    from minimr.core.runtime import Runtime

FIRST = (0).to_bytes(4, "big")  # of the object that a task returns


def object_id(task: bytes, index: int) -> bytes:
    """Give the id of a task's result with that index."""
    return task + index.to_bytes(4, "big")


@dataclass(slots=True, eq=False)
class Task:
    """A task or a method call, until nobody needs its results any more."""

    id: bytes
    name: str
    function: bytes | str  # key of a function; name of a method
    blob: bytes  # the pickled function
    args: bytes
    refs: list[ObjectRef]  # top-level arguments, to be resolved
    held: list[ObjectRef]  # references inside other arguments
    returns: int  # -1: a generator
    shape: m.Shape | None  # None: a method
    queue: Queue | None  # of a method: from the start
    retries: int  # -1: without end
    retry_exceptions: bool | tuple[type, ...]
    parent: bytes | None = None  # the task that submitted it
    lease: Lease | None = None  # while it is under way
    inputs: Sequence[Entry] = ()  # of the refs, once they were let go
    cancelled: bool = False
    ready: bool = False  # its inputs are there
    waits: bool = True  # it has no result yet

    def count_retry(self) -> None:
        """Note that the task begins once more."""
        if self.retries > 0:
            self.retries -= 1

    def wants_retry(self, failed: m.Failed) -> bool:
        """Tell whether this error of the user's code is worth a retry."""
        if not self.retry_exceptions or self.retries == 0 or self.cancelled:
            return False
        if isinstance(self.retry_exceptions, bool):
            return True
        raised = pickle.loads(failed.error)
        cause = raised.cause if isinstance(raised, RayTaskError) else raised
        return isinstance(cause, self.retry_exceptions)


class Tasks:
    """All tasks of this process. Methods: with the runtime's lock held."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        # {task: the generator of references to what it yields}
        self.streams: weakref.WeakValueDictionary[bytes, Any]
        self.streams = weakref.WeakValueDictionary()

    def submit(self, task: Task) -> None:
        """Run a task as soon as its inputs are there."""
        if task.queue is not None:  # in its place, even if it has to wait
            task.queue.tasks.append(task)
        self.when_ready(task, self.runtime.leases.enqueue)

    def when_ready(self, task: Task, run: Callable[[Task], None]) -> None:
        """Call `run` when the task's inputs are there.

        An input that is an error is the task's result, and it is done.
        """
        entries = [ref.entry for ref in task.refs]
        left = len(entries)
        if not left:
            run(task)

        def ready(entry: Entry) -> None:
            nonlocal left
            left -= 1
            failed = type(entry.value) is m.Failed
            if task.waits and (failed or left == 0):
                if failed:
                    self.finish(task, entry.value)
                run(task)

        for entry in entries:
            self.runtime.objects.watch(entry, ready)

    def deps(self, task: Task) -> tuple[tuple[m.Name, Any], ...]:
        """Give the inputs of a task as they are sent along."""
        name = self.runtime.objects.name
        return tuple((name(ref), ref.entry.value) for ref in task.refs)

    def finish(self, task: Task, results: Any) -> None:
        """Hand a task's results to its objects."""
        task.waits = False
        objects = self.runtime.objects
        if task.returns < 0 and task.id in self.streams:
            self.streams[task.id].ended(results)
        if type(results) is list:
            stored = any(type(value) is m.Stored for value in results)
        else:  # one small value, or an error
            results, stored = [results] * abs(task.returns), False
        if not stored:
            task.held = []
        elif not task.inputs:
            task.inputs = [ref.entry for ref in task.refs]
            for _, entry in self._outcome(task):
                if entry is not None:
                    for needed in task.inputs:
                        needed.uses += 1
        task.refs = []
        for (id, entry), value in zip(
            self._outcome(task), results, strict=True
        ):
            if entry is not None:
                objects.fulfil(entry, value)
            elif isinstance(value, m.Stored):  # nobody waits for it any more
                objects.free(id, value)

    def _outcome(self, task: Task) -> Iterable[tuple[bytes, Entry | None]]:
        for index in range(abs(task.returns)):
            id = object_id(task.id, index)
            yield id, self.runtime.objects.table.get(id)

    def on_yielded(
        self,
        peer: Peer,
        task: bytes,
        number: int,
        value: m.Value,
        reply: Reply | None = None,
    ) -> None:
        """A generator has one more item."""
        stream = self.streams.get(task)
        if stream is not None:
            stream.arrived(number, value)
        if reply is not None:  # it has references: until we count ours
            self.runtime.objects.when_registered(partial(reply, None))

    # ---- cancelling ----

    def cancel(self, task: Task, force: bool, recursive: bool) -> None:
        """Stop a task, wherever it is."""
        if not task.waits:
            return
        if force and task.shape is None:
            raise ValueError("force=True is not supported for actor tasks.")
        task.cancelled = True
        if task.lease is not None:
            message = ("cancel", task.id, force, recursive)
            task.lease.peer.post(message)
            return
        self.finish(task, self.cancelled(task))
        if task.queue is not None:  # those behind it move up
            self.runtime.leases.dispatch(task.queue)

    def cancelled(self, task: Task) -> m.Failed:
        """Give what `get` raises after `cancel`."""
        return fail(TaskCancelledError(f"{task.name}() was cancelled"))

    def on_cancel(
        self, peer: Peer, task: bytes, force: bool, recursive: bool
    ) -> None:
        """A borrower wants a task of ours stopped."""
        entry = self.runtime.objects.table.get(task + FIRST)
        if entry is not None and entry.task is not None:
            self.cancel(entry.task, force, recursive)

    # ---- what was lost ----

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
        task.waits = True
        task.refs = [ObjectRef(entry) for entry in task.inputs]
        for _, other in self._outcome(task):
            if other is not None and _is_lost(other):
                other.value = None
        for entry in task.inputs:
            if _is_lost(entry):
                self.runtime.objects.missing(entry, None)
        self.submit(task)


def _is_lost(entry: Entry) -> bool:
    return isinstance(entry.value, m.Stored) and not entry.value.places
