"""The store as a process sees it: one mapped arena, and questions to a node.

    put:  Create ─> offset, copy into the mapping, Seal
    get:  Fetch  ─> offset of the pinned object; arrays lie in the mapping
          the last array is gone ─> Unpin

Rule: an object that somebody reads is pinned, and does not move.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core import serialize
from minimr.core.exceptions import ObjectStoreFullError
from minimr.core.objects import Entry
from minimr.net.channel import Address

if TYPE_CHECKING:
    from minimr.core.runtime import Runtime


class Block:
    """A pinned object. Its memory unpins it when nobody uses it any more."""

    __slots__ = ("memory",)

    def __init__(self, memory: memoryview) -> None:
        self.memory = memory


class StoreClient:
    """Puts values into the arena of this node and reads them there."""

    def __init__(self, runtime: Runtime, arena: tuple[int, int, int]) -> None:
        self.runtime = runtime
        pid, descriptor, size = arena
        opened = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDWR)
        try:
            self._arena = mmap.mmap(opened, size)
        finally:
            os.close(opened)
        self._pinned: dict[bytes, weakref.ref[Any]] = {}

    def close(self) -> None:
        """Let go of the arena, at the latest when its last array goes."""
        with suppress(BufferError):  # there are arrays in it
            self._arena.close()

    def put(
        self, id: bytes, packed: serialize.Packed, owner: Address
    ) -> m.Stored:
        """Copy a value into the arena.

        Blocks: until the node has made room.

        Raises:
            ObjectStoreFullError: it cannot.
        """
        size = serialize.stored_size(packed)
        node = self.runtime.node
        self.runtime.drain()  # what we have let go of makes room
        offset = self.runtime.call(node, m.Create(id, size, owner))
        if not isinstance(offset, int):
            raise ObjectStoreFullError(str(offset))
        with memoryview(self._arena)[offset : offset + size] as memory:
            serialize.write(memory, packed)
        node.post(m.Seal(id))
        names = tuple(map(self.runtime.objects.name, packed.refs))
        return m.Stored(size, [node.data.address], names)

    def fetch(self, entry: Entry, done: Callable[[Any], None]) -> None:
        """Bring an object here. Lock held.

        `done` gets its `Block`, or None when the value is small or an error
        by then.
        """
        if not isinstance(entry.value, m.Stored):
            if entry.value is None:
                self.runtime.objects.watch(
                    entry, lambda entry: self.fetch(entry, done)
                )
            else:
                done(None)
            return
        reference = self._pinned.get(entry.id)
        array = reference() if reference is not None else None
        if array is not None:
            done(Block(memoryview(array).toreadonly().cast("B")))
        elif not entry.value.places:
            self.runtime.objects.missing(entry, None)
            self.fetch(entry, done)
        else:
            self._ask_node(entry, entry.value, done)

    def _ask_node(
        self, entry: Entry, value: m.Stored, done: Callable[[Any], None]
    ) -> None:
        def answered(answer: Any) -> None:
            if isinstance(answer, int):
                done(self._pin(entry.id, answer, value.size))
            elif isinstance(answer, m.Missed) and answer.place is not None:
                self.runtime.objects.missing(entry, answer.place)
                self.fetch(entry, done)
            else:
                why = getattr(answer, "why", answer)
                done(serialize.fail(ObjectStoreFullError(why)))

        self.drain()  # what we have let go of makes room
        owner = entry.owner or self.runtime.address
        places = list(value.places)
        question = m.Fetch(entry.id, value.size, places, owner)
        self.runtime.ask(self.runtime.node, question, answered)

    def _pin(self, id: bytes, offset: int, size: int) -> Block:
        array = (ctypes.c_char * size).from_buffer(self._arena, offset)

        def gone(_: object) -> None:
            self.runtime.unpinned.append(id)
            self.runtime.pump.nudge()

        self._pinned[id] = weakref.ref(array, gone)
        return Block(memoryview(array).toreadonly().cast("B"))

    def drain(self) -> None:
        """Tell the node what nobody here reads any more. Lock held."""
        ids = []
        while self.runtime.unpinned:
            id = self.runtime.unpinned.popleft()
            reference = self._pinned.get(id)
            if reference is not None and reference() is None:
                del self._pinned[id]
            ids.append(id)
        if ids:
            self.runtime.node.post(m.Unpin(ids))
