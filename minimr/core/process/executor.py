"""The worker: runs what is pushed to it.

    Push ──> queue ──> main thread: arguments, call, reply ──> Done
              (an actor: or a pool of threads, or an event loop)

Rules:

1. The main thread reads the sockets while it has no task, and runs user
   code otherwise; the background thread reads while a task takes long.
2. A task that waits gives its CPU back and returns the tasks that are
   queued behind it: one of them may be what it waits for. One whose
   arguments are on their way keeps its CPU; if they are lost, it goes back
   to its owner, which has them made anew, maybe with what it held here.
3. Answers leave in batches: when the queue is empty, or after 1 ms.
"""

from __future__ import annotations

import inspect
import logging
import mmap
import pickle
import signal
from collections import deque
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import cloudpickle

from minimr.core import messages as m
from minimr.core import prints
from minimr.core.process.generator_items import Yields
from minimr.core.process.leases import BATCH
from minimr.core.process.runtime import Running, Runtime, running
from minimr.core.process.task_io import (
    ActorExit,
    ArgumentLost,
    Results,
    own_repr,
)
from minimr.core.process.unhandled_errors import CONSTRUCTOR
from minimr.core.process.worker_environment import IDLE, Share, Title
from minimr.core.serialization import as_failed
from minimr.exceptions import ActorDiedError, TaskCancelledError
from minimr.net.messages import Reply
from minimr.net.peer import Peer
from minimr.net.pump import GRACE_S
from minimr.system import machine
from minimr.system.interrupt import in_main_thread, knock, may_interrupt

if TYPE_CHECKING:
    import asyncio

FLUSH_S = 0.001

log = logging.getLogger(__name__)


class Attempt:
    """One run of a task: what it raises is sent to the owner.

    Attributes:
        now: what the thread, or the coroutine, is running.
        began: when; `loaded`: when its arguments were here; `executed`:
            when its call had returned.
    """

    __slots__ = (
        "_token", "began", "executed", "executor", "loaded", "now", "peer",
        "push",
    )  # fmt: skip

    def __init__(self, executor: Executor, peer: Peer, push: m.Push) -> None:
        self.executor, self.peer, self.push = executor, peer, push
        self.now = Running(push.id, push.name, push.attempt)
        self.began = machine.time()
        self.loaded: float | None = None
        self.executed: float | None = None

    def failure(self, error: BaseException) -> m.Failed:
        """Return the answer when it has raised."""
        spec, actor = self.executor.duty.spec, self.executor.actor
        return self.executor.results.failure(
            spec, self.push.name, error, actor
        )

    def __enter__(self) -> Attempt:
        self._token = running.set(self.now)
        return self

    def __exit__(
        self, kind: Any, error: BaseException | None, traceback: Any
    ) -> bool:
        executor, id, ran = self.executor, self.push.id, True
        if error is not None and executor.runtime.forked:
            return False  # the end of a child that the task has forked
        if executor.now is self.now:
            executor.now = None
        if error is not None:
            ran = not isinstance(error, ArgumentLost)
            self.peer.post(self._told(error))
        executor.duty.cancelled.discard(id)
        running.reset(self._token)
        if ran:
            executor.results.record(
                "task",
                id,
                self.push.name,
                error is None,
                self.began,
                self.loaded,
                self.executed,
            )
        return True

    def _told(self, error: BaseException) -> m.Unready | m.Done:
        if isinstance(error, ArgumentLost):
            return m.Unready(self.push.id, error.number, error.place)
        return m.Done(self.push.id, self.failure(error))


def finished(coroutine: Coroutine[Any, Any, int]) -> int:
    """Return the result of a coroutine that has nothing to await."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return int(end.value)
    raise RuntimeError("it awaits something without a loop")


class Executor:
    """Runs tasks and methods in this process.

    Args:
        progress: shared with the node: how many tasks were begun, so that
            it can tell when this process has died.
    """

    def __init__(self, runtime: Runtime, progress: mmap.mmap) -> None:
        self.runtime = runtime
        self.progress = progress
        self._narrates = log.isEnabledFor(logging.DEBUG)
        self.queue: deque[tuple[Peer, Any]] = deque()
        self.lease = 0
        self.begun = 0  # tasks of this lease
        self.share = Share()
        self.title = Title()
        self.duty = runtime.duty
        self.duty.leave = self.leave
        self.duty.retire = partial(self._ends_with, 0)
        self.actor: Any = None
        self.leaving = False  # exit_actor() was called
        # Of an actor that runs several calls at once: for each concurrency
        # group (`""`: the default one) its threads, or how many may go on.
        self.threads: dict[str, ThreadPoolExecutor] = {}
        self.room: dict[str, asyncio.Semaphore] = {}
        self.loop: Any = None  # asyncio's, of an actor with async methods
        self.coroutines: dict[bytes, asyncio.Task[Any]] = {}
        self._arrived: deque[tuple[Peer, m.Push]] = deque()  # for the loop
        self._flush_comes = False  # in the loop
        self.code: int | None = None  # this process ends, with this code
        self.results = Results(runtime, self.end)
        self.yields = Yields(runtime, self.results)
        self.now: Running | None = None  # in the main thread
        self._looked_at: Running | None = None  # by the background thread
        self._stuck: Running | None = None  # nothing waits behind this one
        self.label: str | None = None  # of the actor, before what it prints
        self._flushed = 0.0
        runtime.serve(
            m.Granted.to(self._on_granted),
            m.Push.to(self._on_push),
            m.Become.to(self._on_become),
            m.Cancel.to(self._on_cancel),
            m.Steal.to(self._on_steal),
            m.TellEvents.to(self._on_tell_events),
            m.Stop.to(self._on_stop),
        )
        runtime.blocked = self._blocked
        runtime.pump.taken_over = self._taking_long
        machine.on_signal(signal.SIGINT, self._interrupted)
        prints.speaker = self._speaker

    # ---- messages ----

    def _on_granted(self, peer: Peer, granted: m.Granted) -> None:
        grant, hold = granted.grant, granted.hold
        if grant.lease < self.lease:
            return  # it comes late, of who has given the lease back unused
        self.lease, self.begun = grant.lease, 0
        duty = self.duty
        duty.gpus, duty.hold = self.share.take(hold, grant.gpus), hold
        duty.group = grant.group
        m.PROGRESS.pack_into(self.progress, 0, self.lease, 0, b"")
        if not hasattr(self.runtime, "job"):
            self.runtime.join(granted.job)

    def _on_push(self, peer: Peer, push: m.Push) -> None:
        if push.blob is not None:
            self.results.functions[push.function] = push.blob
        if self.loop is not None:
            self._arrived.append((peer, push))
            if len(self._arrived) == 1:  # it wakes the loop: once for many
                self.loop.call_soon_threadsafe(self._spawn)
        elif self.threads:
            threads = self.threads[self._group(push.function)]
            threads.submit(self.run_in_pool, peer, push)
        else:
            self.queue.append((peer, push))
            if self.now is not None and self.now is self._stuck:
                self._give_back()

    def _group(self, function: Any) -> str:
        """Return the concurrency group that a call runs in."""
        if isinstance(function, m.Call):
            return function.group
        assert self.duty.spec is not None
        if not self.duty.spec.groups:
            return ""
        _, options = self.duty.spec.methods.get(function, (None, {}))
        return str(options.get("concurrency_group") or "")

    def _on_become(
        self, peer: Peer, become: m.Become, reply: Reply[m.Started]
    ) -> None:
        self.queue.appendleft((peer, (become, reply)))

    def _on_cancel(self, peer: Peer, cancel: m.Cancel) -> None:
        id = cancel.id
        for queued in list(self.queue):
            if queued[1][0] == id:
                self.queue.remove(queued)
                error = TaskCancelledError("it was cancelled in the queue")
                peer.post(m.Done(id, as_failed(error)))
                return
        if cancel.recursive:
            self.runtime.cancels.cancel_children(id, cancel.force)
        if self.loop is not None:  # when the call has made its first step
            self.loop.call_soon_threadsafe(self.loop.call_soon, self._stop, id)
        if self.now is None or self.now.task != id:
            return
        if cancel.force:
            machine.leave(1)
        else:
            self.duty.cancelled.add(id)
            if self.duty.spec is None:  # a method only learns of it
                knock(signal.SIGINT)

    def leave(self) -> None:
        """End the actor after this call, whoever catches what this raises.

        A coroutine of its own may have called it, which no call awaits.
        """
        self.leaving = True
        if self.loop is not None:
            end = partial(
                self.results.failure, self.duty.spec, "", ActorExit()
            )
            self.loop.call_soon_threadsafe(end)

    def _on_tell_events(
        self, peer: Peer, question: m.TellEvents, reply: Reply[None]
    ) -> None:
        self.results.tell(lambda _: reply(None))

    def _on_stop(self, peer: Peer, stop: m.Stop) -> None:
        if self._ends_with(0):
            knock(signal.SIGINT)

    def end(self, code: int) -> NoReturn:
        """End this process: its main thread will. Runs in: any thread."""
        if self._ends_with(code) and not in_main_thread():
            knock(signal.SIGINT)
        raise SystemExit(code)

    def _ends_with(self, code: int) -> bool:
        """Return whether that is new: who was interrupted once, is not again.

        A second time would end the `finally` that the first has led to.
        """
        new = self.code is None
        if new:
            self.code = code
        return new

    def _interrupted(self, *event: Any) -> None:
        """Runs in: main thread, between two steps of user code."""
        told = self.now is not None and self.now.task in self.duty.cancelled
        if not told and self.code is None:
            return
        what = KeyboardInterrupt if self.code is None else SystemExit
        if not self.runtime.pump.interrupt(what) and may_interrupt(*event):
            raise what

    # ---- the loop ----

    def run(self) -> int:
        """Run tasks until this process is to end; return its exit code."""
        try:
            self._run_all()
        except SystemExit:
            if self.runtime.forked:  # the end of a child of a task
                raise
        assert self.code is not None
        with self.runtime.lock:
            self.results.tell(lambda _: None)  # the last task, too
        self.runtime.hub.flush()
        return self.code

    def _run_all(self) -> None:
        runtime, queue = self.runtime, self.queue
        while self.code is None:
            if not queue and self.duty.spec is None:
                self.title.show(IDLE)
            runtime.pump.wait(queue.__len__)
            try:
                peer, push = queue.popleft()
            except IndexError:  # the background thread gave it back
                continue
            if type(push) is m.Push:
                self.run_in_main_thread(peer, push)
            else:
                become, reply = push
                self._become(become.spec, become.restarts, reply)
            if runtime.forked:
                machine.leave(0)
            late = machine.monotonic() - self._flushed > FLUSH_S
            if not queue or late or peer.posted() >= BATCH:
                self._flushed = machine.monotonic()
                runtime.hub.flush()

    def _taking_long(self) -> float | None:
        """Return what waits behind a long task. Runs in: background.

        Looks again as long as tasks are queued: the next one may take long.
        """
        if not self.queue or self.duty.spec is not None:
            return None
        if self.now is not None and self.now is self._looked_at:
            with self.runtime.lock:
                self._stuck = self._looked_at
                self._give_back()
        self._looked_at = self.now
        return GRACE_S

    def _on_steal(self, peer: Peer, steal: m.Steal) -> None:
        self._return(peer, (len(self.queue) + 1) // 2)

    def _give_back(self) -> None:
        with suppress(IndexError):  # the main thread takes from it, too
            peer, _ = self.queue[-1]  # who has the lease
            self._return(peer, len(self.queue))

    def _return(self, owner: Peer, most: int) -> None:
        """Return the last tasks of the queue that are of this owner."""
        ids: list[bytes] = []
        with suppress(IndexError):  # the main thread takes from it, too
            while len(ids) < most and self.queue[-1][0] is owner:
                ids.insert(0, self.queue.pop()[1][0])
        owner.post(m.Returned(ids))

    @contextmanager
    def _blocked(self, gives_cpu: bool) -> Iterator[None]:
        """Return to the owner what is queued behind a task, and its CPU.

        An actor keeps both; that it waits is noted, as of a task.
        """
        now, begin = running.get(), machine.time()
        leased = self.duty.spec is None and in_main_thread()
        if leased:
            with self.runtime.lock:
                self._stuck = self.now
                self._give_back()
            if gives_cpu:
                self.runtime.leases.waits = True
                self.runtime.node.post(m.Blocked(True))
            self.runtime.hub.flush()
        try:
            yield
        finally:
            if now is not None:
                self.results.record("wait", now.task, "get", True, begin)
            if leased and gives_cpu:
                self.runtime.leases.waits = False
                self.runtime.node.post(m.Blocked(False))
                with self.runtime.lock:
                    self.runtime.leases.give_back()

    # ---- one task ----

    def run_in_main_thread(self, peer: Peer, push: m.Push) -> None:
        """Run a task, or a method of an actor that runs one at a time."""
        with Attempt(self, peer, push) as attempt:
            self._begin(attempt.now)
            self.now = attempt.now
            result = self._call(attempt)
            if push.returns < 0:
                result = finished(self.yields.all(peer, push, result))
            self._answer(attempt, result)

    def run_in_pool(self, peer: Peer, push: m.Push) -> None:
        """Run a method beside others. Runs in: a thread of its group."""
        with Attempt(self, peer, push) as attempt:
            self._begin(attempt.now)
            result = self._call(attempt)
            if push.returns < 0:
                result = finished(self.yields.all(peer, push, result))
            self._answer(attempt, result)
        self.runtime.hub.flush()

    async def run_in_loop(self, peer: Peer, push: m.Push) -> None:
        """Run a method that may be asynchronous, when there is room."""
        with Attempt(self, peer, push) as attempt:
            async with self.room[self._group(push.function)]:
                attempt.began = machine.time()
                self._begin(attempt.now)
                result = self._call(attempt)
                if inspect.isawaitable(result):
                    result = await result
                if push.returns < 0:
                    result = await self.yields.all(peer, push, result)
                self._answer(attempt, result)
        self.coroutines.pop(push.id, None)
        if not self._flush_comes:  # behind the others that end now
            self._flush_comes = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_comes = False
        self.runtime.hub.flush()

    def _spawn(self) -> None:
        while self._arrived:
            peer, push = self._arrived.popleft()
            run = self.run_in_loop(peer, push)
            self.coroutines[push.id] = self.loop.create_task(run)

    def _stop(self, id: bytes) -> None:
        if id in self.coroutines:
            self.coroutines[id].cancel()

    def _call(self, attempt: Attempt) -> Any:
        """Call what a task is to call; return what that returns."""
        push = attempt.push
        call = self.results.function(push.function, self.actor)
        method = self.duty.spec is not None  # it gives nothing back
        args, named = self.results.arguments(push.args, push.deps, method)
        attempt.loaded = machine.time()
        return call(*args, **named)

    def _answer(self, attempt: Attempt, result: Any) -> None:
        peer, push, duty = attempt.peer, attempt.push, self.duty
        attempt.executed = machine.time()
        if duty.spec is not None and push.id in duty.cancelled:
            raise KeyboardInterrupt
        if prints.unflushed:
            prints.flush()
        if self.leaving:
            raise ActorExit
        returns = 1 if push.returns < 0 else push.returns
        failure = attempt.failure
        self.results.reply(peer, push.id, returns, result, failure)
        if self.now is attempt.now:
            self.now = None  # interrupted no more

    def _speaker(self) -> str | None:
        """Name who prints. Runs in: any thread."""
        if self.label is None and (now := running.get()) is not None:
            return now.name
        return self.label

    def _begin(self, now: Running) -> None:
        self.begun += 1
        if self._narrates:
            about = (now.name, now.task.hex(), now.attempt)
            log.debug("task %s() %s begins, attempt %d", *about)
        name = now.name.encode()
        self.title.show(name)
        m.PROGRESS.pack_into(self.progress, 0, self.lease, self.begun, name)

    def _become(
        self, spec: m.ActorSpec, restarts: int, reply: Reply[m.Started]
    ) -> None:
        self.duty.spec, self.duty.restarts = spec, restarts
        started: m.Started = None
        self.label, name = spec.class_name, f"{spec.class_name}.__init__"
        token = running.set(Running(b"", name, restarts))
        self.title.show(spec.class_name.encode())
        m.PROGRESS.pack_into(self.progress, 0, self.lease, 0, name.encode())
        begin = machine.time()
        try:
            cls = cloudpickle.loads(spec.blob)
            args, kwargs = self.results.arguments(spec.args, spec.deps, False)
            self.actor = cls.__new__(cls)
            self.actor.__init__(*args, **kwargs)
            self.label = own_repr(self.actor) or spec.class_name
        except ArgumentLost as lost:
            reply(m.ArgumentLost(lost.number, lost.place))
            return
        except BaseException as raised:  # noqa: BLE001  # sent to the callers
            failed = self.results.failure(spec, name, raised)
            raised = pickle.loads(failed.error)
            died = ActorDiedError(f"{CONSTRUCTOR}: {raised}")
            started = m.ConstructorRaised(as_failed(died).error)
        finally:
            running.reset(token)
            prints.flush()
        self.results.record("actor", spec.id, name, not started, begin)
        limits = {"": spec.concurrency, **dict(spec.groups)}
        if spec.is_async:
            import asyncio  # only now: most workers never need it

            self.loop = asyncio.new_event_loop()
            self.room = {g: asyncio.Semaphore(n) for g, n in limits.items()}
            machine.thread(target=self.loop.run_forever, daemon=True).start()
        elif spec.concurrency > 1 or spec.groups:
            self.threads = {
                group: machine.pool(number, f"group {group or 'default'}")
                for group, number in limits.items()
            }
        reply(started)
