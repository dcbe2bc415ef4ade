"""Threads of one simulated process, and what they meet at.

    lock, recursive_lock, condition, event, queue, local, Thread

Each does what the one of `threading` or `queue` does that has its name. To
take a lock is a moment at which another thread may come first: the seed
draws whether one does.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from functools import partial
from typing import Any

from minimr.simulation.world import Fiber, Gathering, Killed, World

MOST_THREADS = 8  # of a pool that is not told how many
OVERTAKEN = 0.1  # how often another thread runs before a lock is taken


class Lock:
    """`threading.Lock`."""

    _recursive = False

    def __init__(self, world: World) -> None:
        self._world = world
        self._owner: Fiber | None = None
        self._depth = 0
        self._freed = Gathering()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it. Blocks: until it is free, or time is up."""
        world = self._world
        me = world.current
        until = None if timeout < 0 else world.now + timeout
        others = blocking and me is not None and len(me.process.fibers) > 1
        if others and world.random.random() < OVERTAKEN:
            world.pause()
        while self._depth and not (self._recursive and self._owner is me):
            if not blocking or (until is not None and world.now >= until):
                return False
            world.wait(self._freed, until=until)
        self._owner = me
        self._depth += 1
        return True

    def release(self, *exc_info: object) -> None:
        """Release it."""
        if self._depth == 0:
            raise RuntimeError("release unlocked lock")
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            if self._freed:
                self._world.wake(self._freed)

    __enter__, __exit__ = acquire, release

    def locked(self) -> bool:
        """Return whether somebody has it."""
        return self._depth > 0

    def let_go(self) -> int:
        """Release it altogether; return how often it was held."""
        depth, self._depth = self._depth, 1
        self.release()
        return depth

    def take_back(self, depth: int) -> None:
        """Hold it as often as before."""
        self.acquire()
        self._depth = depth


class RecursiveLock(Lock):
    """`threading.RLock`."""

    _recursive = True


class Condition:
    """`threading.Condition`."""

    def __init__(self, world: World, lock: Lock | None = None) -> None:
        self._world = world
        self._lock = lock or RecursiveLock(world)
        self.acquire, self.release = self._lock.acquire, self._lock.release
        self._waiting: deque[Event] = deque()  # one of each who waits

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until told, or time is up; tell which."""
        told = Event(self._world)
        self._waiting.append(told)
        depth = self._lock.let_go()
        try:
            if not told.wait(timeout):
                self._waiting.remove(told)
        finally:
            self._lock.take_back(depth)
        return told.is_set()

    def wait_for(
        self, predicate: Callable[[], Any], timeout: float | None = None
    ) -> Any:
        """Block until the predicate is true, or time is up."""
        until = None if timeout is None else self._world.now + timeout
        while not (found := predicate()):
            left = None if until is None else until - self._world.now
            if left is not None and left <= 0:
                break
            self.wait(left)
        return found

    def notify(self, n: int = 1) -> None:
        """Wake some who wait."""
        for _ in range(min(n, len(self._waiting))):
            self._waiting.popleft().set()

    def notify_all(self) -> None:
        """Wake all who wait."""
        self.notify(len(self._waiting))


class Event:
    """`threading.Event`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._is_set = False
        self._changed = Gathering()

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Let all go on that wait."""
        self._is_set = True
        self._world.wake(self._changed)

    def clear(self) -> None:
        """Let those wait that come from now on."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is set, or time is up; tell which."""
        until = None if timeout is None else self._world.now + timeout
        while not self._is_set:
            if until is not None and self._world.now >= until:
                break
            self._world.wait(self._changed, until=until)
        return self._is_set


class Queue:
    """`queue.SimpleQueue`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._items: deque[Any] = deque()
        self._changed = Gathering()

    def put(
        self, item: Any, block: bool = True, timeout: float | None = None
    ) -> None:
        """Add an item. Blocks: no."""
        self._items.append(item)
        self._world.wake(self._changed)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the oldest item. Blocks: until there is one, or time is up.

        Raises:
            queue.Empty: there is none.
        """
        until = None if timeout is None else self._world.now + timeout
        while not self._items:
            if not block or (until is not None and self._world.now >= until):
                raise queue.Empty
            self._world.wait(self._changed, until=until)
        return self._items.popleft()

    def qsize(self) -> int:
        """Return how many wait."""
        return len(self._items)

    def empty(self) -> bool:
        """Return whether none waits."""
        return not self._items


class Local:
    """`threading.local`."""

    def __init__(self, world: World) -> None:
        self.__dict__["_world"] = world

    def __getattr__(self, name: str) -> Any:
        try:
            return self._mine()[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._mine()[name] = value

    def __delattr__(self, name: str) -> None:
        del self._mine()[name]

    def _mine(self) -> dict[str, Any]:
        fiber = self.__dict__["_world"].current
        held = {} if fiber is None else fiber.locals
        return held.setdefault(self, {})  # type: ignore[no-any-return]


class Thread:
    """`threading.Thread`."""

    def __init__(
        self,
        world: World,
        target: Callable[..., Any],
        name: str | None = None,
        args: Sequence[Any] = (),
        daemon: bool | None = None,
    ) -> None:
        fiber = world.current
        assert fiber is not None
        self.name = name or f"thread-{next(world.numbers)}"
        self.daemon = bool(daemon)
        self._world = world
        self._process = fiber.process
        self._target = target
        self._args = args
        self._fiber: Fiber | None = None

    @classmethod
    def of(cls, fiber: Fiber) -> Any:
        """Return the one that a simulated thread is."""
        if fiber.thread is None:  # it was not started by a program
            own = cls(fiber.world, lambda: None, fiber.name)
            own._fiber, fiber.thread = fiber, own
        return fiber.thread

    @property
    def ident(self) -> int | None:
        """Return its number, once it has started."""
        return None if self._fiber is None else self._fiber.number

    def start(self) -> None:
        """Let it run."""
        self._fiber = self._process.begin(self.name, self.run)
        self._fiber.thread = self
        if not self.daemon:
            self._process.waits_for.append(self._fiber)

    def run(self) -> None:
        """Do what it is there for. Runs in: the thread."""
        self._target(*self._args)

    def is_alive(self) -> bool:
        """Return whether it runs."""
        return self._fiber is not None and not self._fiber.ended

    def join(self, timeout: float | None = None) -> None:
        """Block until it has ended, or time is up."""
        fiber = self._fiber
        assert fiber is not None
        until = None if timeout is None else self._world.now + timeout
        while not fiber.ended:
            if until is not None and self._world.now >= until:
                return
            self._world.wait(fiber.end, until=until)


class Future(futures.Future[Any]):
    """`concurrent.futures.Future`."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._condition: Any = Condition(world)


class Pool:
    """`concurrent.futures.ThreadPoolExecutor`: its calls, in order."""

    def __init__(
        self,
        world: World,
        max_workers: int | None = None,
        thread_name_prefix: str = "pool",
    ) -> None:
        self._world = world
        self._number = max_workers or MOST_THREADS
        self._name = thread_name_prefix
        self._calls: deque[tuple[Future, Callable[[], Any]]] = deque()
        self._changed = Gathering()
        self._threads: list[Thread] = []
        self._idle = 0
        self._closed = False

    def submit(
        self, function: Callable[..., Any], /, *args: Any, **named: Any
    ) -> Future:
        """Have a function called by one of the threads. Blocks: no."""
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = Future(self._world)
        self._calls.append((future, partial(function, *args, **named)))
        if len(self._calls) > self._idle and self._has_room():
            name = f"{self._name}_{len(self._threads)}"
            thread = Thread(self._world, self._work, name)
            self._threads.append(thread)
            thread.start()
        self._world.wake(self._changed)
        return future

    def map(
        self,
        function: Callable[..., Any],
        *items: Any,
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[Any]:
        """Return what a function says of all items, in their order."""
        calls = zip(*items, strict=False)
        futures = [self.submit(function, *call) for call in calls]
        return (future.result(timeout) for future in futures)

    def shutdown(
        self, wait: bool = True, *, cancel_futures: bool = False
    ) -> None:
        """Take no more calls. Blocks: until all have returned, if asked."""
        self._closed = True
        while cancel_futures and self._calls:
            self._calls.popleft()[0].cancel()
        self._world.wake(self._changed)
        for thread in self._threads if wait else ():
            thread.join()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()

    def _has_room(self) -> bool:
        return len(self._threads) < self._number

    def _work(self) -> None:
        while True:
            self._idle += 1
            while not self._calls and not self._closed:
                self._world.wait(self._changed)
            self._idle -= 1
            if not self._calls:
                return
            future, call = self._calls.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except Killed:
                raise
            except BaseException as error:  # noqa: BLE001  the caller's
                future.set_exception(error)
            else:
                future.set_result(result)
