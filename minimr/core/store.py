"""The object store of a node: one arena, and files for what does not fit.

    Create ─> offset ─> (the process writes) ─> Seal ─> Fetch: pinned
    full: copies of other nodes' objects go, least recently used first;
          then own objects are written to disk, and read back when asked for

Rules:

1. The arena is a file without a name: whatever way the last process that
   has it open ends, the system takes the memory back.
2. A pinned object stays where it is. Freed while pinned, it goes with the
   last pin.
3. Spilled objects are files without a name as well.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import OrderedDict
from typing import Any

from minimr.core.arena import Arena
from minimr.net.channel import Address


class Stored:
    """One object of this node."""

    __slots__ = (
        "file",
        "freed",
        "offset",
        "owner",
        "pins",
        "primary",
        "sealed",
        "size",
    )

    def __init__(
        self, offset: int, size: int, owner: Address, primary: bool
    ) -> None:
        self.offset: int | None = offset  # None: on disk
        self.size = size
        self.owner = owner
        self.primary = primary  # not a copy that can be fetched again
        self.sealed = False
        self.freed = False
        self.pins: dict[Any, int] = {}  # {process that reads it: how often}
        self.file: int | None = None


class Store:
    """All objects of a node. Runs in: the node's thread."""

    def __init__(self, size: int, spill_directory: str | None = None) -> None:
        self.descriptor = os.memfd_create("minimr-arena")
        os.ftruncate(self.descriptor, size)
        self.memory = mmap.mmap(self.descriptor, size)
        self.arena = Arena(size)
        self.objects: OrderedDict[bytes, Stored] = OrderedDict()  # by use
        self.spilled_bytes = 0
        self._directory = spill_directory

    def create(
        self, id: bytes, size: int, owner: Address, primary: bool = True
    ) -> int | str:
        """Make room for an object; give its offset, or say why not."""
        old = self.objects.get(id)
        if old is not None:  # of an attempt before this one
            old.freed = True
            if not self._forget(id, old):
                self.objects[id + b"old"] = self.objects.pop(id)
        offset = self._allocate(size)
        if offset is None:
            return self._full(size)
        self.objects[id] = Stored(offset, size, owner, primary)
        return offset

    def seal(self, id: bytes) -> None:
        """The object is complete, and may be read, evicted or spilled."""
        stored = self.objects.get(id)
        if stored is not None:
            stored.sealed = True
            if stored.freed:
                self._forget(id, stored)

    def pin(self, id: bytes, reader: Any) -> int | str | None:
        """Hold an object in memory for a reader; give its offset.

        None: it is not here. A text: it is on disk, and there is no room.
        """
        stored = self.objects.get(id)
        if stored is None or not stored.sealed or stored.freed:
            return None
        if stored.offset is None:
            why = self._restore(stored)
            if why is not None:
                return why
        self.objects.move_to_end(id)
        stored.pins[reader] = stored.pins.get(reader, 0) + 1
        return stored.offset

    def unpin(self, id: bytes, reader: Any) -> None:
        """A reader is done with an object."""
        stored = self.objects.get(id)
        if stored is None or reader not in stored.pins:
            stored = self.objects.get(id + b"old")
            id = id + b"old"
        if stored is None or reader not in stored.pins:
            return
        stored.pins[reader] -= 1
        if not stored.pins[reader]:
            del stored.pins[reader]
        if stored.freed:
            self._forget(id, stored)

    def free(self, id: bytes) -> None:
        """Nobody can reach the object: it goes, at the latest unpinned."""
        stored = self.objects.get(id)
        if stored is not None:
            stored.freed = True
            self._forget(id, stored)

    def reader_left(self, reader: Any) -> None:
        """A process is gone, with all its pins."""
        for id, stored in list(self.objects.items()):
            if stored.pins.pop(reader, None) and stored.freed:
                self._forget(id, stored)

    def owner_left(self, owner: Address) -> None:
        """An owner is gone: nobody can reach its objects."""
        for id, stored in list(self.objects.items()):
            if stored.owner == owner:
                stored.freed = stored.sealed = True
                self._forget(id, stored)

    def part(self, id: bytes, begin: int, end: int) -> bytes | None:
        """Copy a part of an object, from memory or from disk."""
        stored = self.objects.get(id)
        if stored is None or not stored.sealed:
            return None
        if stored.offset is None:
            assert stored.file is not None
            return os.pread(stored.file, end - begin, begin)
        return self.memory[stored.offset + begin : stored.offset + end]

    def write(self, id: bytes, begin: int, data: Any) -> None:
        """Fill a part of an object that is being fetched."""
        stored = self.objects[id]
        assert stored.offset is not None
        at = stored.offset + begin
        self.memory[at : at + len(data)] = data

    def _forget(self, id: bytes, stored: Stored) -> bool:
        if stored.pins or not stored.sealed:
            return False
        if stored.offset is not None:
            self.arena.free(stored.offset, stored.size)
        if stored.file is not None:
            os.close(stored.file)
            self.spilled_bytes -= stored.size
        self.objects.pop(id, None)
        return True

    def _allocate(self, size: int) -> int | None:
        if size > self.arena.size:
            return None
        offset = self.arena.allocate(size)
        for primary in (False, True):
            for id, stored in list(self.objects.items()):
                if offset is not None:
                    return offset
                idle = stored.sealed and not stored.pins
                if idle and stored.offset is not None:
                    if stored.primary and primary:
                        self._spill(stored)
                    elif not stored.primary and not primary:
                        stored.freed = True
                        self._forget(id, stored)
                    offset = self.arena.allocate(size)
        return offset

    def _spill(self, stored: Stored) -> None:
        assert stored.offset is not None
        try:
            descriptor, path = tempfile.mkstemp(dir=self._directory)
        except OSError:  # no disk, or a full one: it stays in memory
            return
        os.unlink(path)
        view = memoryview(self.memory)
        with view[stored.offset : stored.offset + stored.size] as part:
            try:
                written = 0
                while written < stored.size:
                    written += os.write(descriptor, part[written:])
            except OSError:
                os.close(descriptor)
                return
        stored.file = descriptor
        self.spilled_bytes += stored.size
        self.arena.free(stored.offset, stored.size)
        stored.offset = None

    def _restore(self, stored: Stored) -> str | None:
        offset = self._allocate(stored.size)
        if offset is None:
            return self._full(stored.size)
        assert stored.file is not None
        view = memoryview(self.memory)
        with view[offset : offset + stored.size] as part:
            read = 0
            while read < stored.size:
                read += os.preadv(stored.file, [part[read:]], read)
        os.close(stored.file)
        stored.file, stored.offset = None, offset
        self.spilled_bytes -= stored.size
        return None

    def _full(self, size: int) -> str:
        return (
            f"no room for an object of {size:,} bytes: the store of this "
            f"node has {self.arena.size:,} bytes, {self.arena.used:,} of "
            "them in use by objects that are being read or that the disk "
            "had no room for. Drop references and arrays, or start with a "
            "larger object_store_memory"
        )
