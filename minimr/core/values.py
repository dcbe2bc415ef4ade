"""Values in and out: `put`, `get`, `wait`, and what they do underneath.

    put:  pack ─┬─ small: in the entry, here
                └─ large: the object store
    get:  watch the entries ─> wait ─> fetch the large ones ─> unpickle

Rule: `get` returns values or raises; an error never looks like a value.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core import serialize
from minimr.core.objects import Entry, ObjectRef
from minimr.core.store_client import Block
from minimr.core.task import FIRST
from minimr.exceptions import GetTimeoutError, RayTaskError
from minimr.net.channel import Address
from minimr.net.pump import Waiter

if TYPE_CHECKING:
    from minimr.core.runtime import Runtime


class Values:
    """Reads and writes the values of objects, for one process."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def put(self, value: Any) -> ObjectRef:
        """Own a value. Blocks: a large one until the node has made room."""
        packed = serialize.pack(value)
        id = self.runtime.new_id() + FIRST
        sent = self.encode(id, packed, self.runtime.address)
        with self.runtime.lock:
            ref = self.runtime.objects.new(id, None)
            ref.entry.value = sent
            ref.entry.contained = packed.refs or None
            self.runtime.objects.drain()
        return ref

    def encode(
        self, id: bytes, packed: serialize.Packed, owner: Address
    ) -> m.Value:
        """Choose how a value is kept: here, or in the object store."""
        if packed.size() > serialize.INLINE_BYTES:
            return self.runtime.store.put(id, packed, owner)
        if not packed.refs and not packed.buffers:
            return packed.data
        names = tuple(map(self.runtime.objects.name, packed.refs))
        buffers = tuple(bytes(part) for part in packed.buffers)
        return m.Inline(packed.data, buffers, names)

    def get(
        self, refs: Sequence[ObjectRef], timeout_s: float | None
    ) -> list[Any]:
        """Give the values. Blocks: until they are here."""
        entries = [ref.entry for ref in refs]
        until = None if timeout_s is None else time.monotonic() + timeout_s
        self._await_values(entries, timeout_s)
        if until is not None:
            timeout_s = max(0.0, until - time.monotonic())
        blocks = self.fetch(entries, timeout_s)
        return [self.load(entry, blocks.get(entry)) for entry in entries]

    def _await_values(
        self, entries: list[Entry], timeout_s: float | None
    ) -> None:
        waiting = [entry for entry in entries if entry.value is None]
        if not waiting:
            return
        waiter = Waiter(len(waiting))

        def ready(entry: Entry) -> None:
            # An error ends the wait at once, as in Ray.
            if type(entry.value) is m.Failed:
                waiter.finish()
            else:
                waiter.notify()

        self._watch_all(waiting, ready)
        if not self.runtime.wait_for(waiter, timeout_s):
            with self.runtime.lock:
                for entry in waiting:
                    self.runtime.objects.unwatch(entry, ready)
            missing = sum(entry.value is None for entry in entries)
            raise GetTimeoutError(
                f"get() timed out after {timeout_s} s: {missing} of "
                f"{len(entries)} objects are not there yet"
            )
        for entry in entries:
            if type(entry.value) is m.Failed:
                self.load(entry, None)

    def _watch_all(
        self, entries: list[Entry], ready: Callable[[Entry], None]
    ) -> None:
        with self.runtime.lock:
            for entry in entries:
                if entry.value is None:
                    self.runtime.objects.watch(entry, ready)
                else:
                    ready(entry)
        self.runtime.hub.flush()

    def fetch(
        self, entries: list[Entry], timeout_s: float | None
    ) -> dict[Entry, Any]:
        """Bring large values here. Blocks: until they are."""
        stored = {e for e in entries if isinstance(e.value, m.Stored)}
        if not stored:
            return {}
        blocks: dict[Entry, Any] = {}
        waiter = Waiter(len(stored))
        with self.runtime.lock:
            for entry in stored:

                def fetched(block: Any, entry: Entry = entry) -> None:
                    blocks[entry] = block
                    waiter.notify()

                self.runtime.store.fetch(entry, fetched)
        self.runtime.hub.flush()
        if not self.runtime.wait_for(waiter, timeout_s):
            raise GetTimeoutError(f"get() timed out after {timeout_s} s")
        return blocks

    def load(self, entry: Entry, block: Block | m.Failed | None) -> Any:
        """Unpickle a value that is there, or raise its error."""
        value = block if isinstance(block, m.Failed) else entry.value
        if type(value) is bytes:
            return pickle.loads(value)
        if isinstance(value, m.Failed):
            error = pickle.loads(value.error)
            if isinstance(error, RayTaskError):
                error = error.as_instanceof_cause()
            raise error
        if isinstance(block, Block):
            loaded = serialize.read(block.memory)
        else:
            assert isinstance(value, m.Inline)
            loaded = serialize.unpack(value.data, value.buffers)
        if self.runtime.objects.borrowing.to_borrow:
            self.runtime.drain()
        return loaded

    def wait(
        self,
        refs: Sequence[ObjectRef],
        num_returns: int,
        timeout_s: float | None,
    ) -> tuple[list[ObjectRef], list[ObjectRef]]:
        """Split into ready and not ready. Blocks: until enough are ready."""
        found = self._ready(refs, num_returns)
        if len(found) < num_returns:
            self._await_some(refs, num_returns, timeout_s)
            found = self._ready(refs, num_returns)
        if found == list(range(len(found))):  # the first ones, mostly
            return list(refs[: len(found)]), list(refs[len(found) :])
        chosen = set(found)
        rest = [ref for i, ref in enumerate(refs) if i not in chosen]
        return [refs[index] for index in found], rest

    def _await_some(
        self, refs: Sequence[ObjectRef], count: int, timeout_s: float | None
    ) -> None:
        until = None if timeout_s is None else time.monotonic() + timeout_s
        objects = self.runtime.objects
        with self.runtime.lock:
            for ref in refs:
                if ref.entry.owner is not None and ref.entry.value is None:
                    objects.watch(ref.entry, lambda entry: None)
        while True:
            # Told of every value that comes, it looks again: that is cheaper
            # than to be registered with each of a thousand objects.
            waiter = Waiter()
            objects.listeners.append(waiter.finish)
            try:
                if len(self._ready(refs, count)) >= count:
                    return
                self.runtime.hub.flush()
                rest = None if until is None else until - time.monotonic()
                if not self.runtime.wait_for(waiter, rest):
                    return
            finally:
                objects.listeners.remove(waiter.finish)

    def _ready(self, refs: Sequence[ObjectRef], count: int) -> list[int]:
        found: list[int] = []
        for index, ref in enumerate(refs):
            if ref.entry.value is not None:
                found.append(index)
                if len(found) == count:
                    break
        return found

    def future(self, ref: ObjectRef) -> Future[Any]:
        """Give a future of a value; it is set by the pumping thread."""
        future: Future[Any] = Future()

        def fetched(block: Any) -> None:
            try:
                future.set_result(self.load(ref.entry, block))
            except BaseException as error:  # noqa: BLE001  # the task's
                future.set_exception(error)

        with self.runtime.lock:
            self.runtime.store.fetch(ref.entry, fetched)
        self.runtime.hub.flush()
        return future
