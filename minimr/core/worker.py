"""The worker: runs what is pushed to it.

    push ──> queue ──> main thread: arguments, call, reply ──> done
              (an actor: or a pool of threads, or an event loop)

Rules:

1. The main thread reads the sockets while it has no task, and runs user
   code otherwise; the background thread reads while a task takes long.
2. A task that waits gives its CPU back and returns the tasks that were
   queued behind it: one of them may be what it waits for.
3. Answers leave in batches: when the queue is empty, or after a
   millisecond.
4. A reference that travels in a result is kept here until the owner has
   registered as its borrower, and so answers.
"""

from __future__ import annotations

import asyncio
import inspect
import mmap
import os
import pickle
import signal
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import cloudpickle

from minimr.core import messages as m
from minimr.core import serialize
from minimr.core.objects import Entry
from minimr.core.pool import PROGRESS
from minimr.core.runtime import Running, Runtime, running, set_current
from minimr.core.serialize import Slot, fail
from minimr.core.tasks import object_id
from minimr.exceptions import (
    ActorDiedError,
    AsyncioActorExit,
    TaskCancelledError,
    task_error,
)
from minimr.net.channel import Address
from minimr.net.endpoint import Reply
from minimr.net.peer import Peer
from minimr.net.pump import GRACE_S

FLUSH_S = 0.001
BATCH = 32
EVENTS_S = 0.5  # what ran is told to the control store
MAX_EVENTS = 1000
Push = tuple[bytes, Any, bytes, Any, int, str]

executor: Executor | None = None  # of this process, if it is a worker


class ActorExit(BaseException):
    """Raised by `exit_actor` in a method."""


def run_worker(
    token: bytes, node: Address, env: m.Environment, progress: mmap.mmap
) -> None:
    """Be a worker. Runs in: a fork of the node."""
    global executor
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.update(dict(env))
    runtime = Runtime("worker", token, node[0])
    set_current(runtime)
    executor = Executor(runtime, progress)
    runtime.attach(node)
    runtime.pump.start()
    executor.run()


class Executor:
    """Runs tasks and methods in this process.

    Args:
        progress: shared with the node: how many tasks were begun, so that
            it can tell when this process has died.
    """

    def __init__(self, runtime: Runtime, progress: mmap.mmap) -> None:
        self.runtime = runtime
        self.progress = progress
        self.functions: dict[bytes, Any] = {}  # pickled until the first use
        self.queue: deque[tuple[Peer, Any]] = deque()
        self.lease = 0
        self.begun = 0  # tasks of this lease
        self.gpus: tuple[int, ...] = ()
        self.hold: m.Amounts = ()
        self.spec: m.ActorSpec | None = None
        self.actor: Any = None
        self.restarts = 0  # of the actor
        self.threads: ThreadPoolExecutor | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.coroutines: dict[bytes, asyncio.Task[Any]] = {}
        self.cancelled: set[bytes] = set()
        self.now: Running | None = None  # in the main thread
        self._looked_at: Running | None = None  # by the background thread
        self._waits = False  # the task in the main thread does
        self._events: list[tuple[bytes, str, float, float]] = []
        self._main = threading.get_ident()
        self._flushed = 0.0
        runtime.serve(self)
        runtime.blocking = self._blocking
        runtime.pump.taken_over = self._taking_long
        signal.signal(signal.SIGINT, self._interrupted)

    # ---- messages ----

    def on_granted(
        self,
        peer: Peer,
        number: int,
        gpus: tuple[int, ...],
        hold: m.Amounts,
        job: m.Job,
    ) -> None:
        """We are leased."""
        self.lease, self.begun = number, 0
        self.gpus, self.hold = gpus, hold
        PROGRESS.pack_into(self.progress, 0, number, 0, b"")
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))
        if not hasattr(self.runtime, "job"):
            self._join(job)

    def _join(self, job: m.Job) -> None:
        """See modules and files as the driver of this job does."""
        self.runtime.job = job
        own = os.environ.get("MINIMR_WORKING_DIR")
        sys.path[:] = [own, *job.sys_path] if own else job.sys_path
        directory = own or job.directory
        if os.path.isdir(directory):
            os.chdir(directory)

    def on_push(
        self,
        peer: Peer,
        id: bytes,
        function: Any,
        blob: bytes | None,
        *rest: Any,
    ) -> None:
        """Queue a task, or give it back if another one takes long."""
        push = (id, function, *rest)
        if blob is not None:
            self.functions[function] = blob
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._spawn, peer, push)
        elif self.threads is not None:
            self.threads.submit(self._run_and_flush, peer, push)
        elif self._waits or (
            self.runtime.pump.in_background
            and self.now is not None
            and self.spec is None
        ):
            peer.post(("returned", [id]))
        else:
            self.queue.append((peer, push))

    def on_become(
        self, peer: Peer, spec: m.ActorSpec, restarts: int, reply: Reply
    ) -> None:
        """We are to be an actor."""
        self.queue.appendleft((peer, (b"", spec, restarts, reply)))

    def on_cancel(
        self, peer: Peer, id: bytes, force: bool, recursive: bool
    ) -> None:
        """Somebody wants a task stopped, ours to run or ours to own."""
        for queued in list(self.queue):
            if queued[1][0] == id:
                self.queue.remove(queued)
                error = TaskCancelledError("it was cancelled in the queue")
                peer.post(("done", id, fail(error)))
                return
        if recursive:
            self.runtime.leases.cancel_children(id, force)
        if id in self.coroutines and self.loop is not None:
            self.loop.call_soon_threadsafe(self.coroutines[id].cancel)
        elif self.now is None or self.now.task != id:
            self.runtime.tasks.on_cancel(peer, id, force, recursive)
        elif force:
            os._exit(1)
        else:
            self.cancelled.add(id)
            if self.spec is None:  # a method only learns that it should end
                signal.pthread_kill(self._main, signal.SIGINT)

    def on_stop(self, peer: Peer, why: str) -> None:
        """The node ends us."""
        os._exit(0)

    def _interrupted(self, *_: Any) -> None:
        """Runs in: main thread, between two steps of user code."""
        told = self.now is not None and self.now.task in self.cancelled
        if told and not self.runtime.pump.interrupt():
            raise KeyboardInterrupt

    # ---- the loop ----

    def run(self) -> None:
        """Run tasks until this process ends."""
        runtime, queue = self.runtime, self.queue
        while True:
            runtime.pump.wait(queue.__len__)
            peer, push = queue.popleft()
            if push[0]:
                self._run(peer, push)
            else:
                self._become(*push[1:])
            now = time.monotonic()
            late = now - self._flushed > FLUSH_S
            if not queue or late or peer.posted() >= BATCH:
                self._flushed = now
                runtime.hub.flush()

    def _taking_long(self) -> float | None:
        """Return what waits behind a long task. Runs in: background.

        Looks again as long as tasks are queued: the next one may take long.
        """
        if not self.queue or self.spec is not None:
            return None
        if self.now is not None and self.now is self._looked_at:
            with self.runtime.lock:
                self._give_back()
        self._looked_at = self.now
        return GRACE_S

    def _give_back(self) -> None:
        back: defaultdict[Peer, deque[bytes]] = defaultdict(deque)
        while self.queue:
            peer, push = self.queue.pop()
            back[peer].appendleft(push[0])
        for peer, tasks in back.items():
            peer.post(("returned", list(tasks)))

    def _blocking(self) -> Any:
        if self.spec is None and threading.get_ident() == self._main:
            return self._blocked()
        return None

    @contextmanager
    def _blocked(self) -> Iterator[None]:
        node, self._waits = self.runtime.node, True
        with self.runtime.lock:
            self._give_back()
        node.post(("blocked", True))
        self.runtime.hub.flush()
        try:
            yield
        finally:
            self._waits = False
            node.post(("blocked", False))

    # ---- one task ----

    def _run_and_flush(self, peer: Peer, push: Push) -> None:
        self._run(peer, push)
        self.runtime.hub.flush()

    def _run(self, peer: Peer, push: Push) -> None:
        id, function, args, deps, returns, name = push
        with Attempt(self, peer, id, name):
            call = self._function(function)
            positional, named = self._arguments(args, deps)
            result = call(*positional, **named)
            if self.spec is not None and id in self.cancelled:
                raise KeyboardInterrupt
            self._reply(peer, id, returns, result)

    def _spawn(self, peer: Peer, push: Push) -> None:
        assert self.loop is not None
        task = self.loop.create_task(self._run_async(peer, push))
        self.coroutines[push[0]] = task
        task.add_done_callback(lambda _: self.coroutines.pop(push[0], None))

    async def _run_async(self, peer: Peer, push: Push) -> None:
        id, function, args, deps, returns, name = push
        async with self._room:
            with Attempt(self, peer, id, name):
                call = self._function(function)
                positional, named = self._arguments(args, deps)
                result = call(*positional, **named)
                if inspect.isawaitable(result):
                    result = await result
                if inspect.isasyncgen(result):
                    result = [item async for item in result]
                self._reply(peer, id, returns, result)
            asyncio.get_running_loop().call_soon(self.runtime.hub.flush)

    def _function(self, function: bytes | str) -> Callable[..., Any]:
        """Give what a task calls; unpickled at its first use."""
        if function == "__ray_terminate__":
            raise ActorExit
        if isinstance(function, str):
            method: Callable[..., Any] = getattr(self.actor, function)
            return method
        known = self.functions[function]
        if isinstance(known, bytes):
            known = self.functions[function] = cloudpickle.loads(known)
        return known  # type: ignore[no-any-return]

    def _arguments(self, blob: bytes, deps: Any) -> tuple[Any, Any]:
        """Unpickle arguments, values in the place of references.

        Blocks: until large values are in this node's store.
        """
        if not blob:
            return (), {}
        args, kwargs = pickle.loads(blob)
        if deps:
            values = self._values(deps)
            args = [values[a.number] if type(a) is Slot else a for a in args]
            for key, arg in kwargs.items():
                if type(arg) is Slot:
                    kwargs[key] = values[arg.number]
        if self.runtime.objects.to_borrow:
            self.runtime.drain()
        return args, kwargs

    def _values(self, deps: Any) -> list[Any]:
        runtime, entries = self.runtime, []
        for (id, owner), value in deps:
            mine = owner == runtime.address
            entry = runtime.objects.table.get(id) if mine else None
            if entry is None:
                # Not in the table: who sent the task keeps it for us.
                entry = Entry(id, owner, None, value)
            entries.append(entry)
        blocks, load = runtime.values.fetch(entries, None), runtime.values.load
        return [load(entry, blocks.get(entry)) for entry in entries]

    def _reply(self, peer: Peer, id: bytes, returns: int, result: Any) -> None:
        """Answer with a result. Blocks: a large one, for room."""
        owner, encode = peer.data.address, self.runtime.values.encode
        if returns < 0:
            count = 0
            for count, item in enumerate(result, 1):
                packed = serialize.pack(item)
                value = encode(object_id(id, count), packed, owner)
                self._send(peer, packed.refs, "yielded", id, count, value)
                self.runtime.hub.flush()
            self._send(peer, [], "done", id, serialize.pack(count).data)
            return
        parts = [result] if returns == 1 else serialize.split(result, returns)
        all_packed = [serialize.pack(part) for part in parts]
        values = [
            encode(object_id(id, index), packed, owner)
            for index, packed in enumerate(all_packed)
        ]
        if returns == 1 and type(values[0]) is bytes:
            peer.post(("done", id, values[0]))
            return
        refs = [ref for packed in all_packed for ref in packed.refs]
        self._send(peer, refs, "done", id, values)

    def _send(self, peer: Peer, refs: list[Any], *message: Any) -> None:
        """Send after all before it, when our references are registered."""
        runtime = self.runtime

        def send() -> None:
            if refs:  # kept by the question until it is answered
                runtime.ask(peer, lambda _: refs.clear(), *message)
            else:
                peer.post(message)

        with runtime.lock:
            runtime.objects.when_registered(send)

    def record(self, *event: Any) -> None:
        """Note that a task has run: (task, name, start, end)."""
        self._events.append(event)
        if len(self._events) == 1:
            with self.runtime.lock:
                self.runtime.later(EVENTS_S, self._tell)
        elif len(self._events) >= MAX_EVENTS:
            with self.runtime.lock:
                self._tell()

    def _tell(self) -> None:
        events, self._events = self._events, []
        if events:
            row = (self.runtime.welcome.node, os.getpid(), events)
            self.runtime.head().post(("events", pickle.dumps(row)))

    # ---- actors ----

    def _become(self, spec: m.ActorSpec, restarts: int, reply: Any) -> None:
        """Construct the actor. Runs in: the main thread."""
        self.spec, self.restarts, error = spec, restarts, None
        name = f"{spec.class_name}.__init__"
        token = running.set(Running(b"", name))
        try:
            cls = cloudpickle.loads(spec.blob)
            args, kwargs = self._arguments(spec.args, spec.deps)
            self.actor = cls.__new__(cls)
            self.actor.__init__(*args, **kwargs)
        except SystemExit as exit:
            self.quit(exit)
        except BaseException as raised:  # noqa: BLE001  # sent to the callers
            text = task_error(name, raised, os.getpid()).traceback_str
            died = ActorDiedError(f"the actor's constructor raised: {text}")
            error = fail(died).error
        finally:
            running.reset(token)
        if spec.is_async:
            self.loop = asyncio.new_event_loop()
            self._room = asyncio.Semaphore(spec.concurrency)
            run = self.loop.run_forever
            threading.Thread(target=run, daemon=True).start()
        elif spec.concurrency > 1:
            self.threads = ThreadPoolExecutor(spec.concurrency)
        reply(error)

    def leave(self) -> None:
        """End this actor, with no restart: `exit_actor`."""
        assert self.spec is not None
        self.runtime.hub.flush()
        question = ("end_actor", self.spec.id, True, "it called exit_actor()")
        self.runtime.call(self.runtime.head(), *question)
        os._exit(0)

    def quit(self, error: SystemExit) -> None:
        """End this process as `sys.exit` in a task asks."""
        self.runtime.hub.flush()
        code = error.code
        os._exit(code if isinstance(code, int) else int(code is not None))


class Attempt:
    """One run of a task: what is noted of it, and what ends it."""

    __slots__ = ("executor", "id", "name", "peer", "start", "token")

    def __init__(
        self, executor: Executor, peer: Peer, id: bytes, name: str
    ) -> None:
        self.executor, self.peer = executor, peer
        self.id, self.name = id, name

    def __enter__(self) -> None:
        executor = self.executor
        executor.begun += 1
        about = (executor.lease, executor.begun, self.name.encode())
        PROGRESS.pack_into(executor.progress, 0, *about)
        now = Running(self.id, self.name)
        self.token = running.set(now)
        if executor.threads is None and executor.loop is None:
            executor.now = now
        self.start = time.time()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        executor, name = self.executor, self.name
        executor.now = None
        executor.cancelled.discard(self.id)
        running.reset(self.token)
        executor.record(self.id, name, self.start, time.time())
        if error is None:
            return True
        if isinstance(error, ActorExit | AsyncioActorExit):
            executor.leave()
        if isinstance(error, SystemExit):
            executor.quit(error)
        if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
            error = TaskCancelledError(f"{name}() was cancelled")
        else:
            error = task_error(name, error, os.getpid())
        self.peer.post(("done", self.id, fail(error)))
        return True
