"""A queue that tasks and actors share: `ray.util.queue`."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterable
from typing import Any

from minimr.core.api import verbs
from minimr.core.api.remote import remote


class Empty(queue.Empty):
    """There is nothing in the queue."""


class Full(queue.Full):
    """There is no room in the queue."""


class Queue:
    """First in, first out, in an actor of its own.

    Ray: the same.
    """

    def __init__(
        self, maxsize: int = 0, actor_options: dict[str, Any] | None = None
    ) -> None:
        self.maxsize = maxsize
        options = actor_options or {}
        kind = remote(_QueueActor)
        if options:
            kind = kind.options(**options)
        self.actor = kind.remote(maxsize)

    def __len__(self) -> int:
        return self.size()

    def size(self) -> int:
        """Return the number of items."""
        return int(verbs.get(self.actor.qsize.remote()))

    qsize = size

    def empty(self) -> bool:
        """Return whether nothing is in it."""
        return bool(verbs.get(self.actor.empty.remote()))

    def full(self) -> bool:
        """Return whether there is no room."""
        return bool(verbs.get(self.actor.full.remote()))

    def put(
        self, item: Any, block: bool = True, timeout: float | None = None
    ) -> None:
        """Add an item.

        Raises:
            Full: there is no room, now or within `timeout` seconds.
        """
        _check(timeout)
        if not block:
            timeout = None
        method = self.actor.put if block else self.actor.put_nowait
        args = (item, timeout) if block else (item,)
        if not verbs.get(method.remote(*args)):
            raise Full

    async def put_async(
        self, item: Any, block: bool = True, timeout: float | None = None
    ) -> None:
        """Add an item, in an async method."""
        _check(timeout)
        method = self.actor.put if block else self.actor.put_nowait
        args = (item, timeout) if block else (item,)
        if not await method.remote(*args):
            raise Full

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the oldest item, removed from the queue.

        Raises:
            Empty: there is none, now or within `timeout` seconds.
        """
        _check(timeout)
        method = self.actor.get if block else self.actor.get_nowait
        args = (timeout,) if block else ()
        found, item = verbs.get(method.remote(*args))
        if not found:
            raise Empty
        return item

    async def get_async(
        self, block: bool = True, timeout: float | None = None
    ) -> Any:
        """Return the oldest item, in an async method."""
        _check(timeout)
        method = self.actor.get if block else self.actor.get_nowait
        args = (timeout,) if block else ()
        found, item = await method.remote(*args)
        if not found:
            raise Empty
        return item

    def put_nowait(self, item: Any) -> None:
        """Add an item, or raise Full."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """Return the oldest item, or raise Empty."""
        return self.get(block=False)

    def put_nowait_batch(self, items: Iterable[Any]) -> None:
        """Add all of them, or raise Full and add none."""
        if not isinstance(items, Iterable):
            raise TypeError("Argument 'items' must be an Iterable")
        items = list(items)
        if not verbs.get(self.actor.put_nowait_batch.remote(items)):
            raise Full(
                f"Cannot add {len(items)} items to queue of size "
                f"{self.size()} and maxsize {self.maxsize}."
            )

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        """Return this many items, or raise Empty and return none."""
        if not isinstance(num_items, int):
            raise TypeError("Argument 'num_items' must be an int")
        if num_items < 0:
            raise ValueError("'num_items' must be nonnegative")
        found, items = verbs.get(self.actor.get_nowait_batch.remote(num_items))
        if not found:
            raise Empty(
                f"Cannot get {num_items} items from queue of size "
                f"{self.size()}."
            )
        return list(items)

    def shutdown(self, force: bool = False, grace_period_s: int = 5) -> None:
        """End the queue's actor."""
        if self.actor:
            if not force:
                ended = self.actor.__ray_terminate__.remote()
                verbs.wait([ended], timeout=grace_period_s)
            verbs.kill(self.actor)
        self.actor = None


class _QueueActor:
    def __init__(self, maxsize: int) -> None:
        self.maxsize = maxsize
        self.queue: asyncio.Queue[Any] = asyncio.Queue(maxsize)

    def qsize(self) -> int:
        return self.queue.qsize()

    def empty(self) -> bool:
        return self.queue.empty()

    def full(self) -> bool:
        return self.queue.full()

    async def put(self, item: Any, timeout: float | None = None) -> bool:
        try:
            await asyncio.wait_for(self.queue.put(item), timeout)
        except asyncio.TimeoutError:
            return False
        return True

    async def get(self, timeout: float | None = None) -> tuple[bool, Any]:
        try:
            return True, await asyncio.wait_for(self.queue.get(), timeout)
        except asyncio.TimeoutError:
            return False, None

    def put_nowait(self, item: Any) -> bool:
        if self.queue.full():
            return False
        self.queue.put_nowait(item)
        return True

    def get_nowait(self) -> tuple[bool, Any]:
        if self.queue.empty():
            return False, None
        return True, self.queue.get_nowait()

    def put_nowait_batch(self, items: list[Any]) -> bool:
        if self.maxsize and len(items) + self.qsize() > self.maxsize:
            return False
        for item in items:
            self.queue.put_nowait(item)
        return True

    def get_nowait_batch(self, count: int) -> tuple[bool, list[Any]]:
        if count > self.qsize():
            return False, []
        return True, [self.queue.get_nowait() for _ in range(count)]


def _check(timeout: float | None) -> None:
    if timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
