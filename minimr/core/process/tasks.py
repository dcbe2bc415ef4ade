"""Tasks as their owner has them: inputs, results, and the way back.

    submit ─> inputs there? ─> leases, or the actor's queue ─> finish

Rules:

1. A task is sent when its inputs are there; an input that is an error is
   the result of the task, which does not run. If an input is lost before
   the task has begun, it waits here until that is made again.
2. Only a result that may be lost, one in an object store, keeps its task.
3. A call of an actor's method is a task whose queue is that actor.
"""

from __future__ import annotations

import logging
import pickle
import sys
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.process.refs import Entry, ObjectRef
from minimr.core.serialization import fail
from minimr.exceptions import (
    ActorUnavailableError,
    ObjectLostError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)
from minimr.net.channel import Address
from minimr.net.messages import Handler
from minimr.net.peer import Peer
from minimr.system import machine

if TYPE_CHECKING:
    from minimr.core.process.runtime import Runtime

# Windows of a lease.
ALL = sys.maxsize  # an actor's
USED_UP = 0  # the next SPREAD task had better go to another node
CLOSED = -1  # others wait for the worker, or it is gone
BATCH = 32  # posted messages that are worth a flush
FORCE_S = 1.0  # a worker has to obey a forced cancel that comes to it
FIRST = (0).to_bytes(4, "big")  # of the object that a task returns


log = logging.getLogger(__name__)


def object_id(task: bytes, index: int) -> bytes:
    """Give the id of a task's result with that index."""
    return task + index.to_bytes(4, "big")


@dataclass(slots=True, eq=False)
class Task:
    """A task or a method call, until nobody needs its results any more."""

    id: bytes
    name: str
    function: bytes | str | m.Call  # key of a function; name of a method
    blob: bytes  # the pickled function
    args: bytes | m.Inline
    refs: list[ObjectRef]  # top-level arguments, to be resolved
    held: list[ObjectRef]  # references inside other arguments
    returns: int  # -1: a generator; -1 - n: it may be n items ahead
    shape: m.Shape | None = None  # None: a method
    queue: Queue | None = None  # of a method: from the start
    retries: int = 0  # -1: without end
    retry_exceptions: bool | tuple[type, ...] = False
    parent: bytes | None = None  # the task that submitted it
    inputs: Sequence[Entry] = ()  # of the refs, once they were let go
    attempt: int = 0
    died_at: tuple[Address, ...] = ()  # nodes of attempts whose worker died
    cancelled: bool = False
    ready: bool = False  # its inputs are there
    waits: bool = True  # it has no result yet
    # Of a generator: gives who takes the items, if anybody is left.
    stream: Callable[[], Any] = lambda: None
    yielded: int = 0  # items that it has made, in any attempt

    def count_retry(self) -> None:
        """Note that the task begins once more."""
        self.attempt += 1
        if self.retries > 0:
            self.retries -= 1

    def let_go(self) -> None:
        """Let the inputs go, but for those that nothing makes again.

        A task that is not run again needs none.
        """
        again = self.refs if self.retries else []
        self.inputs = [ref.entry for ref in again]
        self.refs = [ref for ref in again if ref.entry.is_unique()]

    def is_impatient(self) -> bool:
        """Tell whether a call does not wait for the restart of its actor."""
        return self.ready and self.retries == 0 and self.attempt == 0

    def wants_retry(self, failed: m.Failed) -> bool:
        """Tell whether this error of the user's code is worth a retry."""
        if not self.retry_exceptions or self.retries == 0 or self.cancelled:
            return False
        if isinstance(self.retry_exceptions, bool):
            return True
        raised = pickle.loads(failed.error)
        cause = raised.cause if isinstance(raised, RayTaskError) else raised
        return isinstance(cause, self.retry_exceptions)


@dataclass(slots=True, eq=False)
class Queue:
    """Tasks of one shape or actor, and the leases for them."""

    number: int
    shape: m.Shape | None  # None: an actor's
    home: Address | None = None  # the node that is asked first
    tasks: deque[Task] = field(default_factory=deque)
    leases: list[Lease] = field(default_factory=list)
    asked: Counter[Address] = field(default_factory=Counter)
    answers: Counter[Address] = field(default_factory=Counter)
    error: m.Failed | None = None  # of a dead actor
    gap: m.Failed | None = None  # while an actor restarts
    held: bool = False  # until its placement group is there
    ordered: bool = True  # calls keep their places while inputs are late


@dataclass(slots=True, eq=False)
class Lease:
    """A worker that is ours, for tasks of one queue."""

    queue: Queue
    peer: Peer
    number: int
    node: Address | None
    window: int = 1  # so many at once
    # In the order they were sent.
    inflight: dict[bytes, Task] = field(default_factory=dict)
    wanted: bool = False  # others wait: it goes as soon as it is idle
    done: int = 0
    last: float = field(
        default_factory=lambda: machine.monotonic()
    )  # when it did a thing
    lost: bool = False  # the worker hung up, and all it said is read
    # What we were told of its end, to be believed when it is lost.
    then: list[Callable[[], None]] = field(default_factory=list)


class Tasks:
    """All tasks of this process. Methods: with the runtime's lock held."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._narrates = log.isEnabledFor(logging.DEBUG)
        self.live: dict[bytes, Task] = {}  # submitted, and without results

    def submit(self, task: Task) -> None:
        """Run a task as soon as its inputs are there."""
        self.live[task.id] = task
        queue = task.queue if task.shape is None else None
        if queue is not None and queue.ordered:  # a call: it has its place
            queue.tasks.append(task)
        self.when_ready(task, self.runtime.leases.enqueue)

    def when_ready(self, task: Task, run: Callable[[Task], None]) -> None:
        """Call `run` when the task's inputs are there.

        An input that is an error is the task's result, and it is done.
        """
        left = len(task.refs)
        if not left:
            run(task)
            return

        def ready(entry: Entry) -> None:
            nonlocal left
            left -= 1
            failed = type(entry.value) is m.Failed
            if task.waits and (failed or left == 0):
                if failed:
                    self.finish(task, entry.value)
                run(task)

        for ref in [*task.refs]:
            self.runtime.objects.find_again(ref.entry)
            self.runtime.objects.watch(ref.entry, ready)

    def wait_again(
        self, task: Task, number: int, place: Address | None
    ) -> None:
        """An input was not at a place: the task waits for it without a worker.

        To make it anew may take what the worker holds.
        """
        task.ready = False
        self.runtime.objects.missing(task.refs[number].entry, place)
        self.when_ready(task, self.runtime.leases.enqueue)

    def deps(self, task: Task) -> tuple[tuple[m.Name, Any], ...]:
        """Give the inputs of a task as they are sent along."""
        name = self.runtime.objects.name
        return tuple((name(ref), ref.entry.value) for ref in task.refs)

    def finish(self, task: Task, results: Any) -> None:
        """Hand a task's results to its objects."""
        task.waits = False
        self.live.pop(task.id, None)
        objects, failed = self.runtime.objects, results
        if self._narrates:
            how = "failed" if type(failed) is m.Failed else "ended"
            log.debug("task %s() %s has %s", task.name, task.id.hex(), how)
        if type(failed) is m.Failed:
            objects.unhandled.hold(failed)
        if task.returns < 0:
            results = self._ended(task, results)
        ids = self.outcome(task)
        if type(results) is not list:  # one small value, or an error
            results = [results] * len(ids)
        if task.refs:
            task.let_go()
        for id, value in zip(ids, results, strict=True):
            objects.made(id, value)
            for place in task.died_at:  # sealed, and nobody heard of it
                counted = isinstance(value, m.Stored) and place in value.places
                if place in self.runtime.links and not counted:
                    objects.free(id, [place])
        task.died_at = ()
        if type(failed) is m.Failed:  # perhaps no object is left to have it
            objects.unhandled.let_go(failed)

    def outcome(self, task: Task) -> list[bytes]:
        """Give the ids of a task's results."""
        if task.returns == 1 or task.returns < 0:
            return [task.id + FIRST]
        return [object_id(task.id, index) for index in range(task.returns)]

    # ---- generators ----

    def handlers(self) -> list[Handler]:
        """List what owners are told."""
        return [
            m.Yielded.to(self._on_yielded),
            m.Abort.to(self._on_abort),
        ]

    def _on_yielded(self, peer: Peer, yielded: m.Yielded) -> None:
        id, number, value = yielded
        task = self.live.get(id)
        if task is not None:
            task.yielded = max(task.yielded, number)
            stream = task.stream()
            if stream is not None:
                stream.arrived(number)
        self.runtime.objects.made(object_id(id, number), value)

    def _ended(self, task: Task, end: Any) -> Any:
        """A generator has returned or raised; give its result."""
        stream, failed = task.stream(), end
        if not isinstance(end, m.Failed):
            lost = f"{task.name}() has not made this item again"
            failed = fail(ObjectLostError(lost))
        # Items that were lost, and that this attempt did not come to.
        for number in range(1, task.yielded + 1) if task.attempt else ():
            id = object_id(task.id, number)
            entry = self.runtime.objects.table.get(id)
            if entry is not None and entry.value is None:
                self.runtime.objects.fulfil(entry, failed)
        return end if stream is None else stream.ended(end)

    def taken(self, task: Task) -> None:
        """Let a generator go on that must not be too far ahead.

        Its worker hears how many items were taken; all, if nobody is left.
        """
        stream = task.stream()
        count = ALL if stream is None else stream.taken
        for lease in task.queue.leases if task.queue is not None else ():
            if task.id in lease.inflight:
                lease.peer.post(m.Taken(task.id, count))
                self.runtime.urgent = True

    def interrupted(self, lease: Lease, why: str, begun: int) -> None:
        """A worker is gone: run its tasks again, or let them fail.

        Those that it had begun are charged, not those behind them.
        """
        queue = lease.queue
        sent = [*enumerate(lease.inflight.values(), lease.done)]
        for number, task in reversed(sent):
            if number < begun:
                task.died_at += (lease.peer.data.home,)
            if task.cancelled:
                self.finish(task, self.cancelled(task))
            elif number < begun and task.retries == 0:
                self.finish(task, queue.error or _crash(task, why))
            else:
                if number < begun:
                    task.count_retry()
                    how = why.partition("; its last output")[0]
                    text = f"{task.name}() runs again: {how}"
                    log.debug("task %s", text)
                    self.runtime.say(text + _left(task))
                queue.tasks.appendleft(task)

    # ---- cancelling ----

    def cancel(self, task: Task, force: bool, recursive: bool) -> None:
        """Stop a task, wherever it is."""
        if not task.waits:
            return
        if force and task.shape is None:
            raise ValueError("force=True is not supported for actor tasks.")
        task.cancelled = True
        for lease in task.queue.leases if task.queue is not None else ():
            if task.id in lease.inflight:
                lease.peer.post(m.Cancel(task.id, force, recursive))
                if force:
                    insist = partial(self._insist, lease, task)
                    self.runtime.later(FORCE_S, insist)
                return
        self.finish(task, self.cancelled(task))
        if task.queue is not None:  # those behind it move up
            self.runtime.leases.dispatch(task.queue)

    def _insist(self, lease: Lease, task: Task) -> None:
        """End a worker that does not listen: a stopped one, or one in C."""
        runs = next(iter(lease.inflight), None) == task.id
        if runs and lease.node is not None:
            node = self.runtime.link(lease.node)
            why = "cancel(force=True)"
            node.post(m.Release(lease.number, why, at_once=True))

    def cancelled(self, task: Task) -> m.Failed:
        """Give what `get` raises after `cancel`."""
        return fail(TaskCancelledError(f"{task.name}() was cancelled"))

    def _on_abort(self, peer: Peer, abort: m.Abort) -> None:
        if abort.id in self.live:
            self.cancel(self.live[abort.id], abort.force, abort.recursive)

    def cancel_children(self, parent: bytes, force: bool) -> None:
        """Stop what a task of this process has submitted."""
        for task in [*self.live.values()]:
            if task.parent == parent:
                self.cancel(task, force and task.shape is not None, True)


def _left(task: Task) -> str:
    if task.retries < 0:
        return ""
    once = task.retries == 1
    return f" ({task.retries} {'retry is' if once else 'retries are'} left)"


def restarting(why: str) -> m.Failed:
    """Return the error of calls that are made while their actor restarts."""
    return fail(
        ActorUnavailableError(
            f"the actor is being restarted ({why}), so the call was not "
            "sent: call again later, or give it max_task_retries to wait"
        )
    )


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
