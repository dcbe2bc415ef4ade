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
from collections.abc import Callable, Mapping
from typing import Any

from minimr.core import messages as m
from minimr.core.process.history import History
from minimr.core.process.ownership import Objects
from minimr.core.process.records import Entry, Lease, Task, object_id
from minimr.core.serialization import as_failed
from minimr.exceptions import (
    ActorUnavailableError,
    ObjectLostError,
    TaskCancelledError,
    WorkerCrashedError,
)
from minimr.net.channel import Address
from minimr.net.messages import Handler
from minimr.net.peer import Peer
from minimr.system import machine

log = logging.getLogger(__name__)


class Tasks:
    """All tasks of this process. Methods: with the process's lock held.

    Args:
        links: {address: the link to it}, of who is there.
        say: tells the user.
        history: is told what has become of each; None: nobody is.

    Attributes:
        enqueue: gets a task that has all its inputs; set by `Leases`.
    """

    enqueue: Callable[[Task], None]

    def __init__(
        self,
        objects: Objects,
        *,
        links: Mapping[Address, Peer],
        say: Callable[[str], None],
        history: History | None = None,
    ) -> None:
        self.objects = objects
        self.history = history
        self._links = links
        self._say = say
        self._narrates = log.isEnabledFor(logging.DEBUG)
        self.live: dict[bytes, Task] = {}  # submitted, and without results

    def submit(self, task: Task) -> None:
        """Run a task as soon as its inputs are there."""
        self.live[task.id] = task
        if self.history is not None:
            task.submitted = machine.time()
        queue = task.queue if task.shape is None else None
        if queue is not None and queue.ordered:  # a call: it has its place
            queue.tasks.append(task)
        self.when_ready(task, self.enqueue)

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
            self.objects.find_again(ref.entry)
            self.objects.watch(ref.entry, ready)

    def wait_again(
        self, task: Task, number: int, place: Address | None
    ) -> None:
        """An input was not at a place: the task waits for it without a worker.

        To make it anew may take what the worker holds.
        """
        task.ready = False
        self.objects.missing(task.refs[number].entry, place)
        self.when_ready(task, self.enqueue)

    def finish(self, task: Task, results: Any) -> None:
        """Hand a task's results to its objects: one each, or one for all."""
        task.waits = False
        self.live.pop(task.id, None)
        failed = results if type(results) is m.Failed else None
        if self._narrates:
            how = "ended" if failed is None else "failed"
            log.debug("task %s() %s has %s", task.name, task.id.hex(), how)
        if failed is not None:
            self.objects.unhandled.hold(failed)
        if self.history is not None:
            self.history.ended(task, "FAILED" if failed else "FINISHED")
        if task.returns < 0:
            results = self._end_stream(task, results)
        ids = task.result_ids()
        if type(results) is not list:
            results = [results] * len(ids)
        if task.refs:
            task.let_go()
        for id, value in zip(ids, results, strict=True):
            self.objects.made(id, value)
        if task.strays:
            self._free_strays(task, ids)
        if failed is not None:  # perhaps no object is left to have it
            self.objects.unhandled.let_go(failed)

    def _free_strays(self, task: Task, ids: list[bytes]) -> None:
        """Free what was sealed by attempts that died, or was out of reach."""
        for id in ids:
            entry = self.objects.table.get(id)
            value = None if entry is None else entry.value
            for place in task.strays:
                counted = isinstance(value, m.Stored) and place in value.places
                if place in self._links and not counted:
                    self.objects.free(id, [place])
        task.strays = ()

    # ---- generators ----

    def handlers(self) -> list[Handler]:
        """List what owners are told."""
        return [m.Yielded.to(self._on_yielded)]

    def _on_yielded(self, peer: Peer, yielded: m.Yielded) -> None:
        id, number, value = yielded
        task = self.live.get(id)
        if task is not None:
            task.yielded = max(task.yielded, number)
            stream = task.stream()
            if stream is not None:
                stream.arrived(number)
        self.objects.made(object_id(id, number), value)

    def _end_stream(self, task: Task, end: Any) -> Any:
        """End a generator that has returned or raised; return its result."""
        self._end_lost_items(task, end)
        stream = task.stream()
        return end if stream is None else stream.ended(end)

    def _end_lost_items(self, task: Task, end: Any) -> None:
        """Let items fail that were lost, and not made again."""
        failed = end
        if not isinstance(end, m.Failed):
            lost = f"{task.name}() has not made this item again"
            failed = as_failed(ObjectLostError(lost))
        for number in range(1, task.yielded + 1):
            entry = self.objects.table.get(object_id(task.id, number))
            if entry is not None and entry.value is None:
                self.objects.fulfil(entry, failed)

    def interrupted(self, lease: Lease, why: str, begun: int) -> None:
        """A worker is gone: run its tasks again, or let them fail.

        Those that it had begun are charged, not those behind them.
        """
        queue = lease.queue
        sent = [*enumerate(lease.inflight.values(), lease.done)]
        for number, task in reversed(sent):
            if number < begun:
                task.strays += (lease.peer.data.home,)
                if self.history is not None:
                    self.history.ended(task, "DIED")
            if task.cancelled:
                self.finish(task, cancelled(task))
            elif number < begun and task.retries == 0:
                self.finish(task, queue.error or _crash(task, why))
            else:
                if number < begun:
                    task.count_retry()
                    how = why.partition("; its last output")[0]
                    text = f"{task.name}() runs again: {how}"
                    log.debug("task %s", text)
                    self._say(text + _left(task))
                queue.tasks.appendleft(task)


def cancelled(task: Task) -> m.Failed:
    """Return what `get` raises after `cancel`."""
    return as_failed(TaskCancelledError(f"{task.name}() was cancelled"))


def _left(task: Task) -> str:
    if task.retries < 0:
        return ""
    once = task.retries == 1
    return f" ({task.retries} {'retry is' if once else 'retries are'} left)"


def restarting(why: str) -> m.Failed:
    """Return the error of calls that are made while their actor restarts."""
    return as_failed(
        ActorUnavailableError(
            f"the actor is being restarted ({why}), so the call was not "
            "sent: call again later, or give it max_task_retries to wait"
        )
    )


def _crash(task: Task, why: str) -> m.Failed:
    if task.shape is not None:
        text = f"the worker died while it ran {task.name}(): {why}"
        return as_failed(WorkerCrashedError(text))
    return as_failed(
        ActorUnavailableError(
            f"{task.name}() did not come back, and may have run: {why}. The "
            "actor takes calls again when it has started, or is reached"
        )
    )
