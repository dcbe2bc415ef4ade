"""References to what a generator task yields, as it yields it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.exceptions import GetTimeoutError
from minimr.core.objects import Entry, ObjectRef
from minimr.core.pump import Waiter
from minimr.core.task import Task, object_id

if TYPE_CHECKING:
    from minimr.core.runtime import Runtime


class ObjectRefGenerator:
    """Iterates over the references of a generator task.

    Ray: `ray.ObjectRefGenerator`.
    """

    def __init__(self, runtime: Runtime, task: Task) -> None:
        self.runtime = runtime
        self.task = task
        self._next = 1
        # Result 0 is how many items there were, or the error.
        self._end = runtime.objects.new(object_id(task.id, 0), task)
        self._ahead: dict[int, ObjectRef] = {}
        runtime.streams[task.id] = self

    def __iter__(self) -> ObjectRefGenerator:
        return self

    def __next__(self) -> ObjectRef:
        """Give the next reference. Blocks: until there is one."""
        ref = self._take(None)
        if ref is None:
            raise StopIteration
        return ref

    def __aiter__(self) -> ObjectRefGenerator:
        return self

    async def __anext__(self) -> ObjectRef:
        import asyncio

        ref = await asyncio.to_thread(self._take, None)
        if ref is None:
            raise StopAsyncIteration
        return ref

    def completed(self) -> ObjectRef:
        """Give a reference that is ready when the generator has ended."""
        return self._end

    def _next_sync(self, timeout_s: float | None = None) -> Any:
        return self._take(timeout_s)

    def __del__(self) -> None:
        self.runtime.streams.pop(self.task.id, None)

    def arrived(self, message: m.Yielded) -> None:
        """An item was yielded. Lock held."""
        id = object_id(self.task.id, message.index)
        objects = self.runtime.objects
        if id in objects.table or message.index < self._next:
            return  # of an attempt before
        ref = self._ahead[message.index] = objects.new(id, self.task)
        objects.fulfil(ref.entry, message.value)
        end = self._end.entry
        waiters, end.waiters = end.waiters, None
        for waiter in waiters or ():
            waiter(end)

    def _take(self, timeout_s: float | None) -> ObjectRef | None:
        entry = self._end.entry
        while self._next not in self._ahead:
            if self._ended(entry):
                return self._last(entry)
            waiter = Waiter()
            with self.runtime.lock:
                if self._next in self._ahead or entry.value is not None:
                    continue
                self.runtime.objects.watch(entry, waiter.finish)
            self.runtime.hub.flush()
            if not self.runtime.wait_for(waiter, timeout_s):
                raise GetTimeoutError("the generator has not yielded in time")
        ref = self._ahead.pop(self._next)
        self._next += 1
        return ref

    def _ended(self, entry: Entry) -> bool:
        return entry.value is not None and self._next not in self._ahead

    def _last(self, entry: Entry) -> ObjectRef | None:
        if not isinstance(entry.value, m.Failed):
            total = pickle.loads(entry.value)  # type: ignore[arg-type]
            assert self._next > total, "an item is missing"
            return None
        if self._next < 0:
            return None
        # The error stands where the next item would be, once.
        with self.runtime.lock:
            id = object_id(self.task.id, self._next)
            ref = self.runtime.objects.new(id, None)
            self.runtime.objects.fulfil(ref.entry, entry.value)
        self._next = -1
        return ref
