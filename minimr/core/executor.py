"""The worker: runs what is pushed to it, one task after the other.

    Push, Call ──> queue ──> main thread: load args, call, pack ──> Done
                             (or a thread pool, or an event loop)

Rules:

1. The main thread reads the sockets while it has no task, and runs user
   code otherwise; the background thread reads while a task takes long.
2. A task that waits gives its CPU back and returns the tasks that were
   queued behind it: one of them may be what it waits for.
3. Answers leave in batches: when the queue is empty, or after a
   millisecond.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import mmap
import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import cloudpickle

from minimr.core import messages as m
from minimr.core import serialize
from minimr.core.events import EventLog
from minimr.core.exceptions import (
    ActorDiedError,
    AsyncioActorExit,
    TaskCancelledError,
    task_error,
)
from minimr.core.objects import Entry
from minimr.core.pool import PROGRESS
from minimr.core.pump import Waiter
from minimr.core.runtime import Runtime
from minimr.core.task import object_id
from minimr.net.peer import Peer

FLUSH_S = 0.001
BATCH = 32


class Slot:
    """Stands in the arguments where a reference was."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __reduce__(self) -> tuple[Any, ...]:
        return Slot, (self.index,)


class Running:
    """What this thread or coroutine is running; for the context."""

    __slots__ = ("actor", "attempt", "name", "peer", "task")

    def __init__(
        self, task: bytes, name: str, attempt: int, peer: Peer
    ) -> None:
        self.task = task
        self.name = name
        self.attempt = attempt
        self.peer = peer


running: contextvars.ContextVar[Running | None] = contextvars.ContextVar(
    "running", default=None
)


class ActorExit(BaseException):
    """Raised by `exit_actor` in a method."""


class Executor:
    """Runs tasks and methods in this process.

    Args:
        progress: shared with the node: how many tasks were begun, so that
            it can tell when this process has died.
    """

    def __init__(self, runtime: Runtime, progress: mmap.mmap) -> None:
        self.runtime = runtime
        self.progress = progress
        self.functions: dict[bytes, tuple[str, Any]] = {}
        self.queue: deque[tuple[Peer, m.Push | m.Call]] = deque()
        self.begun = 0  # tasks of this lease
        self.gpus: tuple[int, ...] = ()
        self.hold: tuple[tuple[str, float], ...] = ()
        self.actor: Any = None
        self.spec: m.ActorSpec | None = None
        self.restarts = 0
        self.events = EventLog(runtime)
        self._sent: dict[bytes, list[Any]] = {}  # references on their way
        self._now: Running | None = None  # in the main thread
        self.cancelled: set[bytes] = set()
        self._main = threading.get_ident()
        self._flushed = time.monotonic()
        self._threads: ThreadPoolExecutor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._coroutines: dict[bytes, asyncio.Task[Any]] = {}
        self._arrived = Waiter()
        runtime.blocking = self._blocking
        runtime.pump._taken_over = self._taking_long
        runtime.handlers |= {
            m.Define: self._on_define,
            m.Push: self._on_task,
            m.Call: self._on_task,
            m.Granted: self._on_granted,
            m.Cancel: self._on_cancel,
            m.Landed: lambda peer, landed: self._sent.pop(landed.task, None),
            m.Stop: lambda peer, stop: os._exit(0),
        }
        runtime.answerers[m.Become] = self._on_become
        signal.signal(signal.SIGINT, self._interrupted)

    # ---- messages ----

    def _on_define(self, peer: Peer, define: m.Define) -> None:
        # Unpickled at the first use: an import may fail, and takes long.
        self.functions[define.key] = (define.name, define.blob)

    def _on_granted(self, peer: Peer, granted: m.Granted) -> None:
        self.begun = 0
        PROGRESS.pack_into(self.progress, 0, 0, b"")
        self.gpus, self.hold = granted.gpus, granted.hold
        set_gpus(granted.gpus)

    def _on_task(self, peer: Peer, task: m.Push | m.Call) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._spawn, peer, task)
        elif self._threads is not None:
            self._threads.submit(self._run_and_flush, peer, task)
        elif (
            self.runtime.pump.in_background()
            and self._now is not None
            and self.spec is None
        ):
            peer.post(m.Returned([task.task]))  # this one takes long
        else:
            self.queue.append((peer, task))
            self._arrived.finish()

    def _on_become(self, peer: Peer, become: m.Become, reply: Any) -> None:
        self.queue.appendleft((peer, (become, reply)))  # type: ignore[arg-type]
        self._arrived.finish()

    def _on_cancel(self, peer: Peer, cancel: m.Cancel) -> None:
        for queued in list(self.queue):
            if getattr(queued[1], "task", None) == cancel.task:
                self.queue.remove(queued)
                self._fail(peer, cancel.task, TaskCancelledError("cancelled"))
                return
        if cancel.recursive:
            for child in self.runtime.leases.children(cancel.task):
                self.runtime.cancel(child, cancel.force, True)
        coroutine = self._coroutines.get(cancel.task)
        if coroutine is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(coroutine.cancel)
        elif self._now is not None and self._now.task == cancel.task:
            if cancel.force:
                os._exit(1)
            self.cancelled.add(cancel.task)
            if self.spec is None:  # a method only learns that it should end
                signal.pthread_kill(self._main, signal.SIGINT)
        else:
            self.runtime.on_cancel(peer, cancel)

    def _interrupted(self, *_: Any) -> None:
        """Runs in: main thread, between two steps of user code."""
        if self._now is not None and self._now.task in self.cancelled:
            if not self.runtime.pump.interrupt():
                raise KeyboardInterrupt

    # ---- the loop ----

    def run(self) -> None:
        """Run tasks until this process ends."""
        runtime, queue = self.runtime, self.queue
        while True:
            while not queue:
                self._arrived = Waiter()
                if not queue:
                    runtime.pump.wait(self._arrived)
            peer, task = queue.popleft()
            if isinstance(task, tuple) and isinstance(task[0], m.Become):
                self._become(task[0], task[1])
            else:
                self._run(peer, task)
            now = time.monotonic()
            if (
                not queue
                or now - self._flushed > FLUSH_S
                or peer.posted() >= BATCH
            ):
                self._flushed = now
                runtime.hub.flush()

    def _taking_long(self) -> None:
        """Return what waits behind a long task. Runs in: background."""
        self.runtime.hub.flush()
        if self._now is not None and self.spec is None:
            with self.runtime.lock:
                self._give_back()

    def _give_back(self) -> None:
        back: dict[Peer, list[bytes]] = {}
        while self.queue:
            peer, push = self.queue.pop()
            back.setdefault(peer, []).insert(0, push.task)
        for peer, tasks in back.items():
            peer.post(m.Returned(tasks))

    def _blocking(self) -> Any:
        if self.spec is None and threading.get_ident() == self._main:
            return self._blocked()
        return None

    @contextmanager
    def _blocked(self) -> Iterator[None]:
        node = self.runtime.node
        with self.runtime.lock:
            self._give_back()
        node.post(m.Blocked(True))
        self.runtime.hub.flush()
        taken, self.runtime.handlers[m.Push] = (
            self.runtime.handlers[m.Push],
            lambda peer, push: peer.post(m.Returned([push.task])),
        )
        try:
            yield
        finally:
            self.runtime.handlers[m.Push] = taken
            node.post(m.Blocked(False))

    # ---- one task ----

    def _run_and_flush(self, peer: Peer, task: m.Push | m.Call) -> None:
        self._run(peer, task)
        self.runtime.hub.flush()

    def _run(self, peer: Peer, task: m.Push | m.Call) -> None:
        self.begun += 1
        start = time.time()
        name = self._name(task)
        PROGRESS.pack_into(self.progress, 0, self.begun, name.encode())
        now = Running(task.task, name, task.attempt, peer)
        token = running.set(now)
        main = self._threads is None
        if main:
            self._now = now
        try:
            function = self._function(task)
            args, kwargs = self.arguments(task.args, task.deps)
            result = function(*args, **kwargs)
            if self.spec is not None and task.task in self.cancelled:
                raise KeyboardInterrupt
            if task.returns < 0:
                self._generate(peer, task, result)
            else:
                self._reply(peer, task, result)
        except ActorExit:
            self._leave(peer, task)
        except SystemExit as error:
            self._quit(error)
        except KeyboardInterrupt:
            error = TaskCancelledError(f"{name}() was cancelled")
            self._fail(peer, task.task, error)
        except BaseException as error:  # noqa: BLE001  # sent to the owner
            self._fail(peer, task.task, task_error(name, error, os.getpid()))
        finally:
            if main:
                self._now = None
            self.cancelled.discard(task.task)
            running.reset(token)
            self.events.add(task.task, name, start, time.time())

    def _name(self, task: m.Push | m.Call) -> str:
        if isinstance(task, m.Call):
            assert self.spec is not None
            return f"{self.spec.class_name}.{task.method}"
        return task.name

    def _function(self, task: m.Push | m.Call) -> Callable[..., Any]:
        if isinstance(task, m.Call):
            if task.method == "__ray_terminate__":
                raise ActorExit
            return getattr(self.actor, task.method)  # type: ignore[no-any-return]
        name, function = self.functions[task.function]
        if isinstance(function, bytes):
            function = cloudpickle.loads(function)
            self.functions[task.function] = (name, function)
        return function  # type: ignore[no-any-return]

    def arguments(self, blob: bytes, deps: Any) -> tuple[Any, Any]:
        """Unpickle arguments, values in the place of references.

        Blocks: until large values are in this node's store.
        """
        if not blob:
            return (), {}
        args, kwargs = pickle.loads(blob)
        if deps:
            values = self._values(deps)
            args = [values[a.index] if type(a) is Slot else a for a in args]
            kwargs = {
                key: values[a.index] if type(a) is Slot else a
                for key, a in kwargs.items()
            }
        if self.runtime.objects._to_borrow:
            self.runtime.drain()
        return args, kwargs

    def _values(self, deps: Any) -> list[Any]:
        runtime = self.runtime
        entries = []
        for name, value in deps:
            mine = name.owner == runtime.address
            entry = runtime.objects.table.get(name.id) if mine else None
            if entry is None:
                # Not in the table: who sent the task keeps it for us.
                entry = Entry(name.id, name.owner, None)
                entry.value = value
            entries.append(entry)
        blocks = runtime._fetch(entries, None)
        return [runtime.load(entry, blocks.get(entry)) for entry in entries]

    def _reply(self, peer: Peer, task: m.Push | m.Call, result: Any) -> None:
        if task.returns == 1:
            packed = serialize.pack(result)
            if (
                not packed.refs
                and not packed.buffers
                and len(packed.data) <= serialize.INLINE_BYTES
            ):
                peer.post(m.Done(task.task, packed.data))
                return
            all_packed = [packed]
        else:
            all_packed = [
                serialize.pack(part) for part in split(result, task.returns)
            ]
        owner = peer.data.address
        values = [
            self.runtime.encode(object_id(task.task, index), packed, owner)
            for index, packed in enumerate(all_packed)
        ]
        refs = [ref for packed in all_packed for ref in packed.refs]
        self._send(peer, task.task, m.Done(task.task, values), refs)

    def _send(
        self, peer: Peer, task: bytes, message: Any, refs: list[Any]
    ) -> None:
        if not refs:
            peer.post(message)
            return
        with self.runtime.lock:
            # Kept until the owner has registered as a borrower.
            self._sent.setdefault(task, []).extend(refs)
            self.runtime.objects.when_registered(lambda: peer.post(message))

    def _generate(self, peer: Peer, task: m.Push | m.Call, items: Any) -> None:
        owner = peer.data.address
        count = 0
        for count, item in enumerate(items, 1):
            packed = serialize.pack(item)
            id = object_id(task.task, count)
            value = self.runtime.encode(id, packed, owner)
            message = m.Yielded(task.task, count, value)
            self._send(peer, task.task, message, packed.refs)
            self.runtime.hub.flush()
        done = m.Done(task.task, serialize.pack(count).data)
        with self.runtime.lock:
            self.runtime.objects.when_registered(lambda: peer.post(done))

    def _fail(self, peer: Peer, task: bytes, error: BaseException) -> None:
        peer.post(m.Done(task, serialize.fail(error)))

    def _quit(self, error: SystemExit) -> None:
        self.runtime.hub.flush()
        code = (
            error.code
            if isinstance(error.code, int)
            else int(error.code is not None)
        )
        os._exit(code)

    # ---- actors ----

    def _become(self, become: m.Become, reply: Any) -> None:
        spec = become.spec
        self.gpus, self.restarts = become.gpus, become.restarts
        self.hold = spec.hold.resources
        set_gpus(become.gpus)
        self.spec = spec
        error = None
        name = f"{spec.class_name}.__init__"
        token = running.set(
            Running(b"", name, become.restarts, self.runtime.node)
        )
        try:
            cls = cloudpickle.loads(spec.blob)
            args, kwargs = self.arguments(spec.args, spec.deps)
            self.actor = cls.__new__(cls)
            self.actor.__init__(*args, **kwargs)
        except SystemExit as exit:
            self._quit(exit)
        except BaseException as raised:  # noqa: BLE001  # sent to the callers
            text = task_error(name, raised, os.getpid()).traceback_str
            died = ActorDiedError(f"the actor's constructor raised: {text}")
            error = serialize.fail(died).error
        finally:
            running.reset(token)
        if spec.is_async:
            self._start_loop(spec.concurrency)
        elif spec.concurrency > 1:
            self._threads = ThreadPoolExecutor(spec.concurrency)
        reply(m.ActorReady(spec.id, self.runtime.address, error))
        while (self._threads or self._loop) and self.queue:
            self._on_task(*self.queue.popleft())

    def _start_loop(self, concurrency: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._room = asyncio.Semaphore(concurrency)
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()

    def _spawn(self, peer: Peer, task: m.Call) -> None:
        assert self._loop is not None
        coroutine = self._loop.create_task(self._run_async(peer, task))
        self._coroutines[task.task] = coroutine
        coroutine.add_done_callback(
            lambda _: self._coroutines.pop(task.task, None)
        )

    async def _run_async(self, peer: Peer, task: m.Call) -> None:
        async with self._room:
            start, name = time.time(), self._name(task)
            running.set(Running(task.task, name, task.attempt, peer))
            try:
                function = self._function(task)
                args, kwargs = self.arguments(task.args, task.deps)
                result = function(*args, **kwargs)
                if inspect.isawaitable(result):
                    result = await result
                if task.returns < 0:
                    if inspect.isasyncgen(result):
                        result = [item async for item in result]
                    self._generate(peer, task, result)
                else:
                    self._reply(peer, task, result)
            except (ActorExit, AsyncioActorExit):
                self._leave(peer, task)
            except SystemExit as error:
                self._quit(error)
            except asyncio.CancelledError:
                error = TaskCancelledError(f"{name}() was cancelled")
                self._fail(peer, task.task, error)
            except BaseException as error:  # noqa: BLE001  # to the owner
                wrapped = task_error(name, error, os.getpid())
                self._fail(peer, task.task, wrapped)
            self.events.add(task.task, name, start, time.time())
            assert self._loop is not None
            self._loop.call_soon(self.runtime.hub.flush)

    def _leave(self, peer: Peer, task: m.Push | m.Call) -> None:
        assert self.spec is not None
        self.runtime.node.post(
            m.ActorLost(self.spec.id, "it called exit_actor()", True)
        )
        self.runtime.hub.flush()
        os._exit(0)


def split(result: Any, count: int) -> list[Any]:
    """Cut a task's result into its `num_returns` objects.

    Raises:
        ValueError: there are more or fewer.
    """
    if count == 0:
        return []
    parts = list(result)
    if len(parts) != count:
        raise ValueError(
            f"the task has num_returns={count}, but gave {len(parts)} values"
        )
    return parts


def set_gpus(gpus: tuple[int, ...]) -> None:
    """Let libraries see the GPUs of this lease, and no other."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))
