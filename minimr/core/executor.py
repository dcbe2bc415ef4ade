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

import mmap
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cloudpickle

from minimr.core import messages as m
from minimr.core.actor_host import ActorHost
from minimr.core.events import EventLog
from minimr.core.pool import PROGRESS
from minimr.core.results import Results
from minimr.core.running import ActorExit, Running, running, set_gpus
from minimr.core.runtime import Runtime
from minimr.exceptions import (
    TaskCancelledError,
    task_error,
)
from minimr.net.peer import Peer
from minimr.net.pump import GRACE_S, Waiter

FLUSH_S = 0.001
BATCH = 32


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
        self.lease = 0
        self.begun = 0  # tasks of this lease
        self.gpus: tuple[int, ...] = ()
        self.hold: tuple[tuple[str, float], ...] = ()
        self.actor: Any = None
        self.spec: m.ActorSpec | None = None
        self.restarts = 0
        self.events = EventLog(runtime)
        self._now: Running | None = None  # in the main thread
        self._looked_at: Running | None = None  # by the background thread
        self.cancelled: set[bytes] = set()
        self._main = threading.get_ident()
        self._flushed = time.monotonic()
        self.results = Results(runtime)
        self.host = ActorHost(self)
        self._arrived = Waiter()
        runtime.blocking = self._blocking
        runtime.pump._taken_over = self._taking_long
        runtime.handlers |= {
            m.Define: self._on_define,
            m.Push: self.on_task,
            m.Call: self.on_task,
            m.Granted: self._on_granted,
            m.Cancel: self._on_cancel,
            m.Landed: self.results.on_landed,
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
        self.lease = granted.lease
        PROGRESS.pack_into(self.progress, 0, self.lease, 0, b"")
        self.gpus, self.hold = granted.gpus, granted.hold
        set_gpus(granted.gpus)

    def on_task(self, peer: Peer, task: m.Push | m.Call) -> None:
        """Queue a task, or give it back if another one takes long."""
        if self.host.loop is not None:
            assert isinstance(task, m.Call)
            self.host.loop.call_soon_threadsafe(self.host.spawn, peer, task)
        elif self.host.threads is not None:
            self.host.threads.submit(self._run_and_flush, peer, task)
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
        first: Any = (become, reply)
        self.queue.appendleft((peer, first))
        self._arrived.finish()

    def _on_cancel(self, peer: Peer, cancel: m.Cancel) -> None:
        for queued in list(self.queue):
            if getattr(queued[1], "task", None) == cancel.task:
                self.queue.remove(queued)
                self.results.fail(
                    peer, cancel.task, TaskCancelledError("cancelled")
                )
                return
        if cancel.recursive:
            for child in self.runtime.leases.recovery.children(cancel.task):
                self.runtime.cancel(child, cancel.force, True)
        coroutine = self.host.coroutines.get(cancel.task)
        if coroutine is not None and self.host.loop is not None:
            self.host.loop.call_soon_threadsafe(coroutine.cancel)
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
        now = self._now
        told = now is not None and now.task in self.cancelled
        if told and not self.runtime.pump.interrupt():
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
                self.host.become(task[0], task[1])
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

    def _taking_long(self) -> float | None:
        """Return what waits behind a long task. Runs in: background.

        Looks again as long as tasks are queued: the next one may take long.
        """
        now = self._now
        if not self.queue or self.spec is not None:
            return None
        if now is not None and now is self._looked_at:
            with self.runtime.lock:
                self._give_back()
        self._looked_at = now
        return GRACE_S

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
        name = self.name(task)
        PROGRESS.pack_into(
            self.progress, 0, self.lease, self.begun, name.encode()
        )
        now = Running(task.task, name, task.attempt, peer)
        token = running.set(now)
        main = self.host.threads is None
        if main:
            self._now = now
        try:
            function = self.function(task)
            args, kwargs = self.results.arguments(task.args, task.deps)
            result = function(*args, **kwargs)
            if self.spec is not None and task.task in self.cancelled:
                raise KeyboardInterrupt
            if task.returns < 0:
                self.results.generate(peer, task, result)
            else:
                self.results.reply(peer, task, result)
        except ActorExit:
            self.host.leave()
        except SystemExit as error:
            self.quit(error)
        except KeyboardInterrupt:
            cancelled = TaskCancelledError(f"{name}() was cancelled")
            self.results.fail(peer, task.task, cancelled)
        except BaseException as error:  # noqa: BLE001  # sent to the owner
            self.results.fail(
                peer, task.task, task_error(name, error, os.getpid())
            )
        finally:
            if main:
                self._now = None
            self.cancelled.discard(task.task)
            running.reset(token)
            self.events.add(task.task, name, start, time.time())

    def name(self, task: m.Push | m.Call) -> str:
        """Name a task, for people."""
        if isinstance(task, m.Call):
            assert self.spec is not None
            return f"{self.spec.class_name}.{task.method}"
        return task.name

    def function(self, task: m.Push | m.Call) -> Callable[..., Any]:
        """Give what a task calls; unpickled at its first use."""
        if isinstance(task, m.Call):
            if task.method == "__ray_terminate__":
                raise ActorExit
            method: Callable[..., Any] = getattr(self.actor, task.method)
            return method
        name, function = self.functions[task.function]
        if isinstance(function, bytes):
            function = cloudpickle.loads(function)
            self.functions[task.function] = (name, function)
        return function  # type: ignore[no-any-return]

    def quit(self, error: SystemExit) -> None:
        """End this process as `sys.exit` in a task asks."""
        self.runtime.hub.flush()
        code = (
            error.code
            if isinstance(error.code, int)
            else int(error.code is not None)
        )
        os._exit(code)

    # ---- actors ----
