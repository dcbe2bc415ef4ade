"""References to the items of a generator task, as they are yielded.

    worker: yield ─> yielded(number) ──> arrived(): the entry of that number
            return ─> done ──> result 0: how many; the next entry is the end

Rules:

1. The entry of the next item exists before the item, so that `wait` and
   `next` wait for it as for any other object.
2. An item is a result of its task, and is recomputed by running that again.
3. With num_returns="dynamic", result 0 is a list of references instead.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from minimr.core import messages as m
from minimr.core import serialization
from minimr.core.process.records import Entry, ObjectRef, Task, object_id
from minimr.core.process.runtime import Runtime
from minimr.core.process.window import ALL
from minimr.exceptions import GetTimeoutError

END = b""  # the value of the entry after the last item


class ObjectRefGenerator:
    """Iterates over the references of a generator task.

    Ray: `ray.ObjectRefGenerator`.
    """

    def __init__(self, runtime: Runtime, task: Task) -> None:
        self.runtime = runtime
        self.task: Task | None = task  # until it has ended: items keep it
        self._id = task.id
        self._number = 1  # of the next item
        self._arrived = 0  # items that came
        self._ahead: dict[int, ObjectRef] = {}  # {number: its reference}
        # Result 0 is how many items there were, or the error.
        self._end = runtime.objects.new(object_id(task.id, 0), task)
        self.entry = self._entry(1)
        task.stream = weakref.ref(self)

    def __iter__(self) -> ObjectRefGenerator:
        return self

    def __next__(self) -> ObjectRef:
        """Return the next reference. Blocks: until there is one."""
        return self._next_sync()

    def __aiter__(self) -> ObjectRefGenerator:
        return self

    async def __anext__(self) -> ObjectRef:
        import asyncio  # only now: it takes long

        # A caller that stops waiting has taken nothing.
        arrival = self.runtime.values.arrival(self.entry)
        await asyncio.wrap_future(arrival)
        ref = self._take()
        if ref is None:
            raise StopAsyncIteration
        return ref

    def __reduce__(self) -> Any:
        raise TypeError(
            "A generator of references cannot be passed to another task, or "
            'returned: pass its references, or use num_returns="dynamic".'
        )

    def completed(self) -> ObjectRef:
        """Return a reference that is ready when the generator has ended."""
        return self._end

    def next_ready(self) -> bool:
        """Return whether the next item is there. Blocks: no."""
        return self.entry.value is not None and not self.is_finished()

    def is_finished(self) -> bool:
        """Return whether the last item was taken and is known to be last."""
        return self.entry.value == END

    def close(self) -> None:
        """Refuse, as Ray does: `cancel` ends the task."""
        raise NotImplementedError("close() is left out: cancel() the task.")

    def send(self, value: Any) -> None:
        """Refuse, as Ray does."""
        raise NotImplementedError("Nothing can be sent into a remote task.")

    throw = send

    # ---- for Tasks; the lock is held ----

    @property
    def taken(self) -> int:
        """How many items were taken; all, if the task is run again."""
        return ALL if self.task is None else self._number - 1

    def arrived(self, number: int) -> None:
        """An item is there, perhaps not for the first time."""
        if self.task is not None and number > self._arrived:
            self._arrived = number
            self._entry(number)

    def ended(self, end: Any) -> Any:
        """The generator has returned or raised."""
        if self.task is not None:
            self._arrived += 1
            value = end if isinstance(end, m.Failed) else END
            self.runtime.objects.fulfil(self._entry(self._arrived), value)
            self.task = None
        return end

    # ---- taking ----

    def _entry(self, number: int) -> Entry:
        if number not in self._ahead:
            new, id = self.runtime.objects.new, object_id(self._id, number)
            self._ahead[number] = new(id, self.task)
        return self._ahead[number].entry

    def _next_sync(self, timeout_s: float | None = None) -> ObjectRef:
        entry = self.entry

        def there() -> bool:
            return entry.value is not None

        if not there() and not self.runtime.wait_for(there, timeout_s):
            raise GetTimeoutError("the generator has not yielded in time")
        ref = self._take()
        if ref is None:
            raise StopIteration
        return ref

    def _take(self) -> ObjectRef | None:
        """Return the next item, which is there; None: there are no more."""
        entry, task = self.entry, self.task
        if entry.value == END:
            return None
        with self.runtime.lock:
            ref = self._ahead.pop(self._number)
            self._number += 1
            self.entry = self._entry(self._number)
            if isinstance(entry.value, m.Failed):  # nothing follows
                self.runtime.objects.fulfil(self.entry, END)
            if task is not None:
                self.runtime.leases.tell_taken(task)
        self.runtime.flush()
        return ref


class DynamicObjectRefGenerator:
    """The references to all items of a task. It can be iterated once.

    Ray: the same.
    """

    def __init__(self, refs: Iterable[ObjectRef]) -> None:
        self._refs = deque(refs)

    def __iter__(self) -> Iterator[ObjectRef]:
        while self._refs:
            yield self._refs.popleft()

    def __len__(self) -> int:
        return len(self._refs)


class Collector:
    """Keeps the references to the items of a task until it has ended."""

    taken = ALL

    def __init__(self, runtime: Runtime, task: Task) -> None:
        self.objects = runtime.objects
        self.task: Task | None = task
        self.refs: list[ObjectRef] = []

    def arrived(self, number: int) -> None:
        """An item is there, perhaps not for the first time. Lock held."""
        if self.task is not None and number > len(self.refs):
            id = object_id(self.task.id, number)
            self.refs.append(self.objects.new(id, self.task))

    def ended(self, end: Any) -> Any:
        """The generator has returned or raised; return its result."""
        if self.task is None or (isinstance(end, m.Failed) and not self.refs):
            return end
        if isinstance(end, m.Failed):  # behind the items before it
            self.arrived(len(self.refs) + 1)
            self.objects.fulfil(self.refs[-1].entry, end)
        packed = serialization.pack(DynamicObjectRefGenerator(self.refs))
        names = tuple(map(self.objects.to_wire, packed.refs))
        self.task, self.refs = None, []
        return m.Inline(packed.data, (), names)


def collect(runtime: Runtime, task: Task) -> None:
    """Make the references to a task's items its result."""
    collector = Collector(runtime, task)
    task.stream = lambda: collector
