"""A pool of processes with the interface of `multiprocessing.Pool`.

    pool.map(f, items) ─> chunks ─> the actors, in turn ─> AsyncResult
    pool.imap(f, items) ─> a chunk for each actor, and the next one for who
                           has finished ─> IMapIterator

Rules:

1. What one item raises is the result of that item; the others have theirs.
2. Only callbacks need a thread. Whoever waits, waits for the references.

Ray: `ray.util.multiprocessing.pool`.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from multiprocessing import TimeoutError
from typing import Any, NamedTuple
from weakref import WeakSet

from minimr.core.api import verbs
from minimr.core.api.remote import remote
from minimr.core.api.session import init, is_initialized
from minimr.exceptions import RayError, as_raised, task_error
from minimr.system import machine

Call = tuple[Any, Any]  # positional arguments, and those with names
CHUNKS = 4  # per process, if nobody says how long a chunk is

log = logging.getLogger(__name__)


class _Raised(NamedTuple):
    """Takes the place of a result."""

    error: RayError


class _PoolActor:
    def __init__(self, initializer: Any, initargs: Iterable[Any]) -> None:
        if initializer is not None:
            initializer(*initargs)

    def run(self, function: Callable[..., Any], calls: list[Call]) -> Any:
        return [_outcome(function, *call) for call in calls]


def _outcome(function: Callable[..., Any], args: Any, named: Any) -> Any:
    try:
        return function(*args, **named)
    except Exception as error:  # noqa: BLE001  # the user's
        name = getattr(function, "__name__", repr(function))
        return _Raised(task_error(name, error, machine.pid()))


def _outcomes(ref: Any) -> list[Any]:
    """Return the results of a chunk. Blocks: until they are there."""
    try:
        return list(verbs.get(ref))
    except RayError as error:  # the process has died, or cannot send them
        return [_Raised(error)]


def _value(outcome: Any) -> Any:
    if isinstance(outcome, _Raised):
        raise as_raised(outcome.error)
    return outcome


class AsyncResult:
    """The result of `apply_async`, or the list of `map_async`."""

    def __init__(
        self,
        refs: list[Any],
        callback: Callable[[Any], Any] | None = None,
        error_callback: Callable[[BaseException], Any] | None = None,
        *,
        single: bool = False,
    ) -> None:
        self._refs = refs
        self._single = single
        self._teller: threading.Thread | None = None
        if callback or error_callback:
            self._teller = machine.thread(
                target=self._tell, args=(callback, error_callback), daemon=True
            )
            self._teller.start()

    def _tell(self, callback: Any, error_callback: Any) -> None:
        try:
            value = self._collect()
        except Exception as error:  # noqa: BLE001  # the user's
            if error_callback:
                error_callback(error)
        else:
            if callback:
                callback(value)

    def _collect(self) -> Any:
        values = [_value(one) for one in self._outcomes]
        return values[0] if self._single else values

    @cached_property
    def _outcomes(self) -> list[Any]:
        return [*itertools.chain(*map(_outcomes, self._refs))]

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the result, at most so many seconds."""
        if self._teller is not None:  # until the callbacks are over
            self._teller.join(timeout)
        elif self._refs:
            count = len(self._refs)
            verbs.wait(self._refs, num_returns=count, timeout=timeout)

    def ready(self) -> bool:
        """Return whether the result is there."""
        if self._teller is not None:
            return not self._teller.is_alive()
        count = max(1, len(self._refs))
        return not verbs.wait(self._refs, num_returns=count, timeout=0)[1]

    def successful(self) -> bool:
        """Return whether nothing was raised.

        Raises:
            ValueError: the result is not there.
        """
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return not any(isinstance(one, _Raised) for one in self._outcomes)

    def get(self, timeout: float | None = None) -> Any:
        """Return the result. Blocks: until it is there.

        Raises:
            TimeoutError: it is not there after so many seconds.
        """
        self.wait(timeout)
        if not self.ready():
            raise TimeoutError
        return self._collect()


class IMapIterator:
    """Results in the order of their arguments, or as they come.

    Each process has one chunk at a time, and gets the next one when it has
    finished; arguments are taken as they are needed.
    """

    def __init__(
        self,
        pool: Pool,
        function: Callable[..., Any],
        items: Iterable[Any],
        chunksize: int,
        *,
        ordered: bool,
    ) -> None:
        self._pool, self._function = pool, function
        self._chunks = _chunks(items, chunksize)
        self._ordered = ordered
        self._busy: dict[Any, int] = {}  # {reference to a chunk: the actor}
        self._next: deque[Any] = deque()  # chunks, in the order of results
        self._outcomes: deque[Any] = deque()  # of the chunk that is taken
        for index in range(len(pool)):
            self._submit(index)
        pool._lazy.add(self)

    def _submit(self, index: int) -> bool:
        """Send the next chunk to an actor; return whether there is one."""
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        calls: list[Call] = [((item,), {}) for item in chunk]
        ref = self._pool._run(self._function, calls, index)
        self._busy[ref] = index
        if self._ordered:
            self._next.append(ref)
        return True

    def submit_all(self) -> None:
        """Send all chunks that are left, for the pool closes."""
        while self._submit(len(self._busy) % len(self._pool)):
            pass

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self, timeout: float | None = None) -> Any:
        """Return the next result. Blocks: until it is there.

        Raises:
            StopIteration: there is none.
            TimeoutError: it is not there after so many seconds.
        """
        until = None if timeout is None else machine.monotonic() + timeout
        while not self._outcomes:
            if not self._next and not self._busy:
                raise StopIteration
            while not self._next or self._next[0] in self._busy:
                self._await_one(until)
            self._outcomes.extend(_outcomes(self._next.popleft()))
        return _value(self._outcomes.popleft())

    def _await_one(self, until: float | None) -> None:
        left = None if until is None else max(0.0, until - machine.monotonic())
        done, _ = verbs.wait([*self._busy], timeout=left)
        if not done:
            raise TimeoutError
        index = self._busy.pop(done[0])
        if not self._ordered:
            self._next.append(done[0])
        self._submit(index)


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    if size < 1:
        raise ValueError(f"Chunksize must be 1+, not {size:n}")
    iterator = iter(items)
    return iter(lambda: list(itertools.islice(iterator, size)), [])


class Pool:
    """Processes, on all nodes of the cluster, that run what they are given.

    Args:
        processes: how many; None: as many as the cluster has CPUs.
        initializer: called in each process before its first task.
        initargs: its arguments.
        maxtasksperchild: how many chunks a process runs before another one
            takes its place.
        context: has no effect, as in Ray.
        ray_address: of the cluster, if `init` was not called.
        ray_remote_args: options of the actors.

    Ray: the same.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., Any] | None = None,
        initargs: Iterable[Any] | None = None,
        maxtasksperchild: int | None = None,
        context: Any = None,
        ray_address: str | None = None,
        ray_remote_args: dict[str, Any] | None = None,
    ) -> None:
        if context is not None:
            log.warning("the 'context' of a Pool has no effect on actors")
        if not is_initialized():
            starts = ray_address in (None, "local")
            init(ray_address, num_cpus=processes if starts else None)
        cpus = int(verbs.cluster_resources().get("CPU", 0))
        processes = cpus if processes is None else processes
        if processes <= 0:
            raise ValueError("Processes in the pool must be >0.")
        if processes > cpus:
            raise ValueError(
                f"Tried to start a pool with {processes} processes, but there "
                f"are only {cpus} CPUs in the cluster."
            )
        options = {"num_cpus": 0, **(ray_remote_args or {})}
        kind = remote(**options)(_PoolActor)
        given = initializer, initargs or ()
        self._start: Callable[[], Any] = partial(kind.remote, *given)
        self._actors = [self._start() for _ in range(processes)]
        self._done = [0] * processes  # chunks that each actor was given
        self._most = maxtasksperchild
        self._turns = itertools.cycle(range(processes))
        self._lock = machine.lock()
        self._ending: list[Any] = []  # what the ends of actors return
        self._lazy: WeakSet[IMapIterator] = WeakSet()
        self._closed = False
        verbs.get([actor.__ray_ready__.remote() for actor in self._actors])

    def __len__(self) -> int:
        return len(self._actors)

    def __enter__(self) -> Pool:
        self._check_open()
        return self

    def __exit__(self, *error: object) -> None:
        self.terminate()

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("Pool not running")

    def _run(
        self, function: Any, calls: list[Call], index: int | None = None
    ) -> Any:
        """Send a chunk to an actor; return the reference to its outcomes."""
        self._check_open()
        with self._lock:
            index = next(self._turns) if index is None else index
            ref = self._actors[index].run.remote(function, calls)
            self._done[index] += 1
            if self._done[index] == self._most:
                self._stop(index)
                self._actors[index], self._done[index] = self._start(), 0
        return ref

    def _stop(self, index: int) -> None:
        ended = self._actors[index].__ray_terminate__.remote()
        self._ending.append(ended)

    def _map(self, function: Any, items: Any, size: int | None) -> list[Any]:
        """Run a function for each item, which holds its arguments."""
        self._check_open()
        items = list(items)
        if size is None:
            size = max(1, -(-len(items) // (CHUNKS * len(self))))
        calls: Iterator[Call] = ((tuple(args), {}) for args in items)
        return [self._run(function, chunk) for chunk in _chunks(calls, size)]

    def apply(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Return what a call in one of the processes returns."""
        return self.apply_async(func, args, kwargs).get()

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callable[[Any], Any] | None = None,
        error_callback: Callable[[BaseException], Any] | None = None,
    ) -> AsyncResult:
        """Call it in one of the processes; return at once.

        Args:
            callback: called with the result.
            error_callback: called with what was raised.
        """
        ref = self._run(func, [(tuple(args or ()), kwargs or {})])
        return AsyncResult([ref], callback, error_callback, single=True)

    def map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
    ) -> list[Any]:
        """Return the results for all items, in their order."""
        return list(self.map_async(func, iterable, chunksize).get())

    def map_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callable[[list[Any]], Any] | None = None,
        error_callback: Callable[[BaseException], Any] | None = None,
    ) -> AsyncResult:
        """Do the same as `map`, and return at once."""
        items = ((item,) for item in iterable)
        refs = self._map(func, items, chunksize)
        return AsyncResult(refs, callback, error_callback)

    def starmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
    ) -> list[Any]:
        """Do the same as `map`, where each item is a list of arguments."""
        return list(self.starmap_async(func, iterable, chunksize).get())

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callable[[list[Any]], Any] | None = None,
        error_callback: Callable[[BaseException], Any] | None = None,
    ) -> AsyncResult:
        """Do the same as `starmap`, and return at once."""
        refs = self._map(func, iterable, chunksize)
        return AsyncResult(refs, callback, error_callback)

    def imap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None = 1,
    ) -> IMapIterator:
        """Return the results one by one, in the order of the items."""
        return self._imap(func, iterable, chunksize, ordered=True)

    def imap_unordered(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None = 1,
    ) -> IMapIterator:
        """Return the results one by one, as they come."""
        return self._imap(func, iterable, chunksize, ordered=False)

    def _imap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        ordered: bool,
    ) -> IMapIterator:
        self._check_open()
        size = 1 if chunksize is None else chunksize
        return IMapIterator(self, func, iterable, size, ordered=ordered)

    def close(self) -> None:
        """Take no more work. The processes end after what they have."""
        if not self._closed:
            for results in self._lazy:
                results.submit_all()
        self._shut()

    def _shut(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                for index in range(len(self)):
                    self._stop(index)

    def terminate(self) -> None:
        """Take no more work, and end the processes at once."""
        self._shut()
        for actor in self._actors:
            verbs.kill(actor)

    def join(self) -> None:
        """Wait until the processes of a closed pool have ended.

        Raises:
            ValueError: the pool is open.
        """
        if not self._closed:
            raise ValueError("Pool is still running")
        verbs.wait(self._ending, num_returns=len(self._ending))
