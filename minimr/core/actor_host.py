"""The worker as an actor: its construction, its threads or event loop.

Become ─> constructor ─> ActorReady
Call ──┬─> main thread, one after the other
       ├─> a pool of threads   (max_concurrency)
       └─> an event loop       (async methods)
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import cloudpickle

from minimr.core import messages as m
from minimr.core import serialize
from minimr.core.running import ActorExit, Running, running, set_gpus
from minimr.exceptions import (
    ActorDiedError,
    AsyncioActorExit,
    TaskCancelledError,
    task_error,
)
from minimr.net.peer import Peer

if TYPE_CHECKING:
    from minimr.core.executor import Executor


class ActorHost:
    """Makes this process an actor, and runs methods at the same time."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.runtime = executor.runtime
        self.results = executor.results
        self.threads: ThreadPoolExecutor | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.room: asyncio.Semaphore  # for so many methods at once
        self.coroutines: dict[bytes, asyncio.Task[Any]] = {}

    def become(self, become: m.Become, reply: Any) -> None:
        """Construct the actor. Runs in: the main thread."""
        spec = become.spec
        self.executor.gpus, self.executor.restarts = (
            become.gpus,
            become.restarts,
        )
        self.executor.hold = spec.hold.resources
        set_gpus(become.gpus)
        self.executor.spec = spec
        error = None
        name = f"{spec.class_name}.__init__"
        token = running.set(
            Running(b"", name, become.restarts, self.runtime.node)
        )
        try:
            cls = cloudpickle.loads(spec.blob)
            args, kwargs = self.results.arguments(spec.args, spec.deps)
            self.executor.actor = cls.__new__(cls)
            self.executor.actor.__init__(*args, **kwargs)
        except SystemExit as exit:
            self.executor.quit(exit)
        except BaseException as raised:  # noqa: BLE001  # sent to the callers
            text = task_error(name, raised, os.getpid()).traceback_str
            died = ActorDiedError(f"the actor's constructor raised: {text}")
            error = serialize.fail(died).error
        finally:
            running.reset(token)
        if spec.is_async:
            self._start_loop(spec.concurrency)
        elif spec.concurrency > 1:
            self.threads = ThreadPoolExecutor(spec.concurrency)
        reply(m.ActorReady(spec.id, self.runtime.address, error))
        while (self.threads or self.loop) and self.executor.queue:
            self.executor.on_task(*self.executor.queue.popleft())

    def _start_loop(self, concurrency: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.room = asyncio.Semaphore(concurrency)
        thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        thread.start()

    def spawn(self, peer: Peer, task: m.Call) -> None:
        """Start a method. Runs in: the event loop."""
        assert self.loop is not None
        coroutine = self.loop.create_task(self._run_async(peer, task))
        self.coroutines[task.task] = coroutine
        coroutine.add_done_callback(
            lambda _: self.coroutines.pop(task.task, None)
        )

    async def _run_async(self, peer: Peer, task: m.Call) -> None:
        async with self.room:
            start, name = time.time(), self.executor.name(task)
            running.set(Running(task.task, name, task.attempt, peer))
            try:
                function = self.executor.function(task)
                args, kwargs = self.results.arguments(task.args, task.deps)
                result = function(*args, **kwargs)
                if inspect.isawaitable(result):
                    result = await result
                if task.returns < 0:
                    if inspect.isasyncgen(result):
                        result = [item async for item in result]
                    self.results.generate(peer, task, result)
                else:
                    self.results.reply(peer, task, result)
            except (ActorExit, AsyncioActorExit):
                self.leave()
            except SystemExit as error:
                self.executor.quit(error)
            except asyncio.CancelledError:
                cancelled = TaskCancelledError(f"{name}() was cancelled")
                self.results.fail(peer, task.task, cancelled)
            except BaseException as error:  # noqa: BLE001  # to the owner
                wrapped = task_error(name, error, os.getpid())
                self.results.fail(peer, task.task, wrapped)
            self.executor.events.add(task.task, name, start, time.time())
            assert self.loop is not None
            self.loop.call_soon(self.runtime.hub.flush)

    def leave(self) -> None:
        """End this actor, with no restart: `exit_actor`."""
        assert self.executor.spec is not None
        self.runtime.node.post(
            m.ActorLost(self.executor.spec.id, "it called exit_actor()", True)
        )
        self.runtime.hub.flush()
        os._exit(0)
