"""The object store of a node: one arena, and files for what does not fit.

    Create ─> offset ─> (the process writes) ─> Seal ─> Fetch: pinned
    full: copies of other nodes' objects go, least recently used first;
          then own objects are written to disk, and read back when asked for
    full of what is being read: others are read, and written, on disk

Rules:

1. The arena is a file without a name: whatever way the last process that
   has it open ends, the system takes the memory back. So are the files of
   spilled objects.
2. A pinned object stays where it is. Freed while pinned, it goes with the
   last pin.
"""

from __future__ import annotations

import logging
import os
import tempfile
from bisect import bisect_left, insort
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from minimr.core.messages import Event, OnDisk
from minimr.net.channel import Address
from minimr.system import machine

ALIGN = 4096
MAX_EVENTS = 1000

Place = int | OnDisk  # of an object: an offset in the arena, or a file


log = logging.getLogger(__name__)


class Arena:
    """Where objects lie: a list of free ranges, no memory.

    First fit from below: ranges that were used before have their pages, and
    writing to a new page costs far more than copying into it.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self._free: list[tuple[int, int]] = [(0, size)]  # (begin, end), sorted

    def allocate(self, size: int) -> int | None:
        """Give the offset of a free range, or None."""
        size = rounded(size)
        for index, (begin, end) in enumerate(self._free):
            if end - begin >= size:
                self._free[index : index + 1] = (
                    [(begin + size, end)] if end - begin > size else []
                )
                self.used += size
                return begin
        return None

    def free(self, begin: int, size: int) -> None:
        """Take a range back, and join it with free neighbours."""
        size = rounded(size)
        end = begin + size
        self.used -= size
        index = bisect_left(self._free, (begin, end))
        if index < len(self._free) and self._free[index][0] == end:
            end = self._free.pop(index)[1]
        if index and self._free[index - 1][1] == begin:
            begin = self._free.pop(index - 1)[0]
        insort(self._free, (begin, end))


def rounded(size: int) -> int:
    """Give the bytes that an object of that size takes."""
    return max(ALIGN, -(-size // ALIGN) * ALIGN)


@dataclass(slots=True, eq=False)
class Object:
    """One object of this node."""

    id: bytes
    offset: int | None  # None: on disk
    size: int
    owner: Address
    primary: bool  # not a copy that can be fetched again
    maker: Any  # the process that writes it
    sealed: bool = False
    freed: bool = False
    pins: Counter[Any] = field(default_factory=Counter)  # {reader: how often}
    file: int = -1

    def place(self) -> Place:
        """Say where a process finds it: an offset, or a file."""
        return OnDisk(self.file) if self.offset is None else self.offset


class Store:
    """All objects of a node. Runs in: the node's thread."""

    def __init__(self, size: int, spill_directory: str | None = None) -> None:
        self.descriptor = machine.memory_file(size)
        self.memory = memoryview(machine.map_memory(self.descriptor, size))
        self.arena = Arena(size)
        self.objects: OrderedDict[bytes, Object] = OrderedDict()  # by use
        self._directory = spill_directory
        # What took a while, until the node tells the control store.
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)

    def create(
        self,
        id: bytes,
        size: int,
        owner: Address,
        primary: bool = True,
        maker: Any = None,
        on_disk: bool = False,
    ) -> Place | str:
        """Make room for an object; say where it is, or why there is none.

        Args:
            on_disk: if the memory has no room.
        """
        self.seal(id)  # of an attempt before this one, whose worker died
        self.free(id)
        if id in self.objects:
            self.objects[id + b"old"] = self.objects.pop(id)
        offset = self._allocate(size)
        stored = Object(id, offset, size, owner, primary, maker)
        if offset is None:
            stored.file = self._new_file(size) if on_disk else -1
            if stored.file < 0:
                return self._full(size)
        self.objects[id] = stored
        return stored.place()

    def seal(self, id: bytes) -> None:
        """The object is complete, and may be read, evicted or spilled."""
        stored = self.objects.get(id)
        if stored is not None:
            if not stored.sealed:
                log.debug("object %s is stored: %s", id.hex(), stored.size)
            stored.sealed = True
            self._forget_if_over(stored)

    def pin(self, id: bytes, reader: Any) -> Place | None:
        """Hold an object where it is for a reader; None: it is not here.

        What is on disk comes into memory, if there is room.
        """
        stored = self.objects.get(id)
        if stored is None or not stored.sealed or stored.freed:
            return None
        if stored.offset is None and not stored.pins:
            self._restore(stored)
        self.objects.move_to_end(id)
        stored.pins[reader] += 1
        return stored.place()

    def unpin(self, id: bytes, reader: Any) -> None:
        """A reader is done with an object."""
        for name in (id, id + b"old"):
            stored = self.objects.get(name)
            if stored is not None and stored.pins[reader] > 0:
                stored.pins[reader] -= 1
                stored.pins += Counter()  # without those at zero
                self._forget_if_over(stored)
                return

    def free(self, id: bytes) -> None:
        """Nobody can reach the object: it goes, at the latest unpinned."""
        stored = self.objects.get(id)
        if stored is not None:
            stored.freed = True
            self._forget_if_over(stored)

    def process_left(self, reader: Any, address: Address) -> None:
        """A process is gone, with its pins, what it owned and had begun."""
        for stored in list(self.objects.values()):
            stored.pins.pop(reader, None)
            begun = stored.maker is reader and not stored.sealed
            if begun:
                stored.sealed = True
            if begun or stored.owner == address:
                stored.freed = True  # who else writes it goes on until then
            self._forget_if_over(stored)

    def part(self, id: bytes, begin: int, end: int) -> bytes | None:
        """Copy a part of an object, from memory or from disk."""
        stored = self.objects.get(id)
        if stored is None or not stored.sealed:
            return None
        if stored.offset is None:
            return os.pread(stored.file, end - begin, begin)
        return bytes(self._view(stored)[begin:end])

    def write(self, id: bytes, begin: int, data: Any) -> None:
        """Fill a part of an object that is being fetched."""
        stored = self.objects[id]
        if stored.offset is None:
            os.pwrite(stored.file, data, begin)
        else:
            self._view(stored)[begin : begin + len(data)] = data

    def _view(self, stored: Object) -> memoryview:
        assert stored.offset is not None
        return self.memory[stored.offset : stored.offset + stored.size]

    def _forget_if_over(self, stored: Object) -> None:
        if not stored.freed or stored.pins or not stored.sealed:
            return
        if stored.offset is not None:
            self.arena.free(stored.offset, stored.size)
        else:
            os.close(stored.file)
        log.debug("object %s is freed", stored.id.hex())
        name = stored.id
        if self.objects.get(name) is not stored:
            name += b"old"
        del self.objects[name]

    def _allocate(self, size: int) -> int | None:
        if size > self.arena.size:
            return None
        offset = self.arena.allocate(size)
        for primary in (False, True):
            for stored in list(self.objects.values()):
                if offset is not None:
                    return offset
                idle = stored.sealed and not stored.pins
                in_memory = stored.offset is not None
                if not idle or not in_memory or stored.primary != primary:
                    continue
                if primary:
                    self._spill(stored)
                else:
                    self.free(stored.id)
                offset = self.arena.allocate(size)
        return offset

    def note(self, what: str, id: bytes, size: int, begin: float) -> None:
        """Note that something has ended that began at that time."""
        times = (begin, machine.time())
        name = f"{what} {size / 1e6:.1f} MB"
        self.events.append(("object", id, name, times, True))
        log.debug("object %s: %s", id.hex(), name)

    def _spill(self, stored: Object) -> None:
        begin = machine.time()
        file, written = self._new_file(stored.size), 0
        if file < 0:
            return  # it stays in memory
        view = self._view(stored)
        while written < stored.size:
            written += os.pwrite(file, view[written:], written)
        assert stored.offset is not None
        self.arena.free(stored.offset, stored.size)
        stored.file, stored.offset = file, None
        self.note("spill", stored.id, stored.size, begin)

    def _new_file(self, size: int) -> int:
        """Give the descriptor of a file with room; -1: there is no room."""
        descriptor = -1
        try:
            descriptor, path = tempfile.mkstemp(dir=self._directory)
            os.unlink(path)
            os.posix_fallocate(descriptor, 0, size)
        except OSError:
            if descriptor >= 0:
                os.close(descriptor)
            return -1
        return descriptor

    def _restore(self, stored: Object) -> None:
        begin = machine.time()
        offset = self._allocate(stored.size)
        if offset is None:
            return
        stored.offset, read = offset, 0
        view = self._view(stored)
        while read < stored.size:
            read += os.preadv(stored.file, [view[read:]], read)
        os.close(stored.file)
        self.note("restore", stored.id, stored.size, begin)

    def _full(self, size: int) -> str:
        return (
            f"no room for an object of {size:,} bytes: the store of this "
            f"node has {self.arena.size:,} bytes, {self.arena.used:,} of "
            "them in use, and the disk has no room for more. Drop "
            "references and arrays, or start with a larger "
            "object_store_memory"
        )
