"""References to what a generator task yields, as it yields it.

    worker: yield ─> Yielded(index) ──> arrived(): the entry of that index
            return ─> Done ──> result 0: how many; the next entry is the end

Rule: the entry of the next item is there before the item is, so that `wait`
and `next` wait for it as for any other object.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from minimr.core import messages as m
from minimr.core.objects import Entry, ObjectRef
from minimr.core.task import Task, object_id
from minimr.exceptions import GetTimeoutError
from minimr.net.pump import Waiter

if TYPE_CHECKING:
    from minimr.core.runtime import Runtime

END = b""  # the value of the entry after the last item


class ObjectRefGenerator:
    """Iterates over the references of a generator task.

    Ray: `ray.ObjectRefGenerator`.
    """

    def __init__(self, runtime: Runtime, task: Task) -> None:
        self.runtime = runtime
        self.task = task
        self._index = 1  # of the next item
        self._arrived = 0  # items that came
        self._ahead: dict[int, ObjectRef] = {}  # {index: its reference}
        # Result 0 is how many items there were, or the error.
        self._end = runtime.objects.new(object_id(task.id, 0), task)
        self.entry = self._entry(1)
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
        ref = await asyncio.to_thread(self._take, None)
        if ref is None:
            raise StopAsyncIteration
        return ref

    def completed(self) -> ObjectRef:
        """Give a reference that is ready when the generator has ended."""
        return self._end

    def _next_sync(self, timeout_s: float | None = None) -> ObjectRef:
        ref = self._take(timeout_s)
        if ref is None:
            raise StopIteration
        return ref

    def __del__(self) -> None:
        self.runtime.streams.pop(self.task.id, None)

    def arrived(self, message: m.Yielded) -> None:
        """An item was yielded. Lock held."""
        if message.number <= self._arrived:
            return  # of an attempt after this one had come
        self._arrived = message.number
        entry = self._entry(message.number)
        entry.task = self.task
        self.runtime.objects.fulfil(entry, message.value)

    def ended(self, end: m.Value) -> None:
        """The generator has returned or raised. Lock held."""
        value = end if isinstance(end, m.Failed) else END
        self._arrived += 1
        self.runtime.objects.fulfil(self._entry(self._arrived), value)

    def _entry(self, index: int) -> Entry:
        ref = self._ahead.get(index)
        if ref is None:
            id = object_id(self.task.id, index)
            ref = self._ahead[index] = self.runtime.objects.new(id, None)
        return ref.entry

    def _take(self, timeout_s: float | None) -> ObjectRef | None:
        entry = self.entry
        if entry.value is None:
            waiter = Waiter()
            with self.runtime.lock:
                if entry.value is None:
                    self.runtime.objects.watch(entry, waiter.finish)
                else:
                    waiter.finish()
            self.runtime.hub.flush()
            if not self.runtime.wait_for(waiter, timeout_s):
                raise GetTimeoutError("the generator has not yielded in time")
        if entry.value == END:
            return None
        with self.runtime.lock:
            ref = self._ahead.pop(self._index)
            self._index += 1
            self.entry = self._entry(self._index)
            if isinstance(entry.value, m.Failed):  # nothing follows
                self.runtime.objects.fulfil(self.entry, END)
        return ref
