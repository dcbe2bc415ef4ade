"""Python's `concurrent.futures.Executor` on tasks.

    submit(f, x) ─> Future, waits ─> a task ─> its result ─> Future
                    while all `max_workers` are busy   (a thread of ours)

Rules:

1. At most `max_workers` tasks are under way, so a future can be cancelled
   until it is its turn, as with Python's own executors.
2. The thread lives while there is work. So a program that ends waits for its
   work, and one without work has no thread.

Ray: nothing of its own; libraries on top of it write such executors.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from functools import partial
from itertools import chain, islice
from typing import Any

from minimr.core.api import verbs
from minimr.core.api.remote import remote
from minimr.core.api.session import init, is_initialized
from minimr.exceptions import WorkerCrashedError, as_raised
from minimr.system import machine

Work = tuple["Future[Any]", Callable[..., Any], Any, Any]


def _call(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    return function(*args, **kwargs)


def _each(function: Callable[..., Any], chunk: list[Any]) -> list[Any]:
    return [function(*args) for args in chunk]


class TaskPoolExecutor(Executor):
    """Runs calls as tasks, anywhere in the cluster.

    It can take the place of a `ProcessPoolExecutor`. A call whose worker dies
    is tried again, as tasks are, and the executor goes on after that. It has
    no initializer, for workers are not its own.

    Args:
        max_workers: tasks under way at once; None: one for each CPU.
        options: of the tasks, such as `num_cpus` or `max_retries`.
    """

    def __init__(self, max_workers: int | None = None, **options: Any) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if not is_initialized():
            init()
        cpus = int(verbs.cluster_resources().get("CPU", 1))
        self._room = max_workers or max(1, cpus)
        self._remote = remote(**{"num_cpus": 1, **options})(_call)
        self._lock = machine.lock()
        self._waiting: deque[Work] = deque()
        # {future: the reference to its result}, of tasks under way
        self._under_way: dict[Future[Any], Any] = {}
        # (future, that of the reference), of tasks that have ended
        self._ended: queue.SimpleQueue[Any] = machine.queue()
        self._thread: threading.Thread | None = None
        self._shut = False

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Return a future of what the call returns. Blocks: no.

        Raises:
            RuntimeError: `shutdown` was called.
        """
        future: Future[Any] = Future()
        with self._lock:
            if self._shut:
                text = "cannot schedule new futures after shutdown"
                raise RuntimeError(text)
            self._waiting.append((future, fn, args, kwargs))
            self._begin()
            if self._thread is None and self._under_way:
                self._thread = machine.thread(target=self._collect)
                self._thread.start()
        return future

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        **options: Any,
    ) -> Iterator[Any]:
        """Return the results in the order of the arguments.

        Args:
            chunksize: so many calls are one task.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        calls = zip(*iterables, strict=False)
        chunks = iter(lambda: list(islice(calls, chunksize)), [])
        each = partial(_each, fn)
        results = super().map(each, chunks, timeout=timeout, **options)
        return chain.from_iterable(results)

    def shutdown(
        self, wait: bool = True, *, cancel_futures: bool = False
    ) -> None:
        """Take no more calls.

        Args:
            wait: until those that were submitted have ended.
            cancel_futures: those that have not begun never will.
        """
        with self._lock:
            self._shut = True
            given_up = [*self._waiting] if cancel_futures else []
            thread = self._thread
        for future, *_ in given_up:
            future.cancel()
        if wait and thread is not None:
            thread.join()

    def kill_workers(self) -> None:
        """Shut down, and end the processes that run calls."""
        self.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for ref in self._under_way.values():
                verbs.cancel(ref, force=True)

    def _begin(self) -> None:
        """Begin as many calls as there is room for. Lock held."""
        while self._waiting and len(self._under_way) < self._room:
            future, *call = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                ref = self._remote.remote(*call)
            except Exception as error:  # noqa: BLE001  # it does not pickle
                future.set_exception(error)
                continue
            self._under_way[future] = ref
            put = self._ended.put
            ref.future().add_done_callback(partial(_with, put, future))

    def _collect(self) -> None:
        """Set futures, and begin what waits. Runs in: a thread of its own."""
        while True:
            with self._lock:
                self._begin()
                if not self._under_way:
                    self._thread = None
                    return
            future, result = self._ended.get()
            with self._lock:
                del self._under_way[future]
            error = result.exception()
            if error is None:
                future.set_result(result.result())
            else:
                future.set_exception(_raised(error))


def _with(put: Callable[[Any], None], future: Any, result: Any) -> None:
    put((future, result))


def _raised(error: BaseException) -> BaseException:
    """Return what Python's executor raises: the error itself."""
    if isinstance(error, WorkerCrashedError):
        broken = BrokenExecutor(str(error))
        broken.__cause__ = error
        return broken
    return as_raised(error)
