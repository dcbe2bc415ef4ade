"""References to what a generator task yields, as it yields it.

    worker: yield ─> yielded(number) ──> arrived(): the entry of that number
            return ─> done ──> result 0: how many; the next entry is the end

Rule: the entry of the next item is there before the item is, so that `wait`
and `next` wait for it as for any other object.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from minimr.core import messages as m
from minimr.core.refs import Entry, ObjectRef
from minimr.core.tasks import Task, object_id
from minimr.exceptions import GetTimeoutError

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
        self._number = 1  # of the next item
        self._arrived = 0  # items that came
        self._ahead: dict[int, ObjectRef] = {}  # {number: its reference}
        # Result 0 is how many items there were, or the error.
        self._end = runtime.objects.new(object_id(task.id, 0), task)
        self.entry = self._entry(1)
        runtime.tasks.streams[task.id] = self

    def __iter__(self) -> ObjectRefGenerator:
        return self

    def __next__(self) -> ObjectRef:
        """Give the next reference. Blocks: until there is one."""
        return self._next_sync()

    def __aiter__(self) -> ObjectRefGenerator:
        return self

    async def __anext__(self) -> ObjectRef:
        ref = await asyncio.to_thread(self._take)
        if ref is None:
            raise StopAsyncIteration
        return ref

    def completed(self) -> ObjectRef:
        """Give a reference that is ready when the generator has ended."""
        return self._end

    def arrived(self, number: int, value: m.Value) -> None:
        """An item was yielded. Lock held."""
        objects = self.runtime.objects
        if number > self._arrived:
            self._arrived = number
            objects.fulfil(self._entry(number), value)
        elif isinstance(value, m.Stored):  # and before, by another attempt
            for place in value.places:
                objects.copied(object_id(self.task.id, number), place)

    def ended(self, end: m.Value) -> None:
        """The generator has returned or raised. Lock held."""
        value = end if isinstance(end, m.Failed) else END
        self._arrived += 1
        self.runtime.objects.fulfil(self._entry(self._arrived), value)

    def _entry(self, number: int) -> Entry:
        if number not in self._ahead:
            id = object_id(self.task.id, number)
            self._ahead[number] = self.runtime.objects.new(id, None)
        return self._ahead[number].entry

    def _next_sync(self, timeout_s: float | None = None) -> ObjectRef:
        ref = self._take(timeout_s)
        if ref is None:
            raise StopIteration
        return ref

    def _take(self, timeout_s: float | None = None) -> ObjectRef | None:
        entry = self.entry

        def there() -> bool:
            return entry.value is not None

        if not there() and not self.runtime.wait_for(there, timeout_s):
            raise GetTimeoutError("the generator has not yielded in time")
        if entry.value == END:
            return None
        with self.runtime.lock:
            ref = self._ahead.pop(self._number)
            self._number += 1
            self.entry = self._entry(self._number)
            if isinstance(entry.value, m.Failed):  # nothing follows
                self.runtime.objects.fulfil(self.entry, END)
        return ref
