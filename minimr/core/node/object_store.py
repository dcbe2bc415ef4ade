"""The object store of a node: one arena, and files for what does not fit.

    Create ─> place ─> (the process writes) ─> Seal ─> Fetch: pinned

    full: copies of other nodes' objects go, least recently used first;
          then own objects are written to disk, and read back when asked for
    full of pinned objects: others are read, and written, on disk

Rules:

1. The arena is a file without a name: whatever way the last process that
   has it open ends, the system takes the memory back. So are the files of
   spilled objects.
2. Before the seal nobody reads an object, and nothing moves it.
3. A pinned object stays where it is. Freed while pinned, it goes with the
   last pin.
4. An id may have a second life, when its task runs again after a worker has
   died. Nobody finds the first one then; it goes when its readers go.
"""

from __future__ import annotations

import errno
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from minimr.core.messages import EVENT_FIELDS, OnDisk, Place
from minimr.core.node.arena import Arena
from minimr.net.channel import Address
from minimr.system import machine

MAX_EVENTS = 1000

log = logging.getLogger(__name__)


class StoreFullError(Exception):
    """There is no room for an object; the text says why, and what to do."""


@dataclass(slots=True, eq=False)
class Object:
    """One object of this node."""

    id: bytes
    place: Place
    size: int
    owner: Address
    primary: bool  # not a copy that can be fetched again
    maker: Any  # the process that writes it
    sealed: bool = False
    freed: bool = False
    pins: Counter[Any] = field(default_factory=Counter)  # {reader: how often}

    def in_memory(self) -> bool:
        """Return whether it is in the arena, and not on disk."""
        return isinstance(self.place, int)


def _no_store(size: int, directory: str | None, error: OSError) -> str:
    """Return what to say of a store that cannot be made."""
    where = directory or "memory"
    text = f"no object store of {size:,} bytes in {where}: {error.strerror}"
    if error.errno == errno.ENOMEM and directory is not None:
        text += ". Are there huge pages? /proc/sys/vm/nr_hugepages says"
    return text


class Store:
    """All objects of a node. Runs in: the node's thread.

    Args:
        size: of the arena, in bytes.
        spill_directory: for objects on disk. None: where the system has its
            temporary files.
        directory: for the arena. None: no file system's.
    """

    def __init__(
        self,
        size: int,
        spill_directory: str | None = None,
        directory: str | None = None,
    ) -> None:
        try:
            self.descriptor = machine.memory_file(size, directory)
            self.memory = memoryview(machine.map_memory(self.descriptor, size))
        except OSError as error:
            text = _no_store(size, directory, error)
            raise OSError(error.errno, text) from error
        self.arena = Arena(size)
        self.objects: OrderedDict[bytes, Object] = OrderedDict()  # by use
        self._former: list[Object] = []  # read, and their ids live again
        self._directory = spill_directory
        # Spills and the like, until the node tells the control store.
        self.events: deque[Any] = deque(maxlen=MAX_EVENTS * EVENT_FIELDS)

    def create(
        self,
        id: bytes,
        size: int,
        owner: Address,
        *,
        primary: bool = True,
        maker: Any = None,
        on_disk: bool = False,
    ) -> Place:
        """Make room for an object, and return where it is.

        Args:
            primary: it is no copy of another node's.
            maker: the process that writes it.
            on_disk: if the memory has no room.

        Raises:
            StoreFullError: there is no room.
        """
        self.seal(id)  # of an attempt before this one, whose worker died
        self.free(id)
        if id in self.objects:
            self._former.append(self.objects.pop(id))
        place: Place | None = self._allocate(size)
        if place is None and on_disk:
            place = self._new_file(size)
        if place is None:
            raise StoreFullError(self._full(size))
        self.objects[id] = Object(id, place, size, owner, primary, maker)
        return place

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

        An object on disk comes into memory, if there is room.
        """
        stored = self.objects.get(id)
        if stored is None or not stored.sealed or stored.freed:
            return None
        if not stored.pins:
            self._restore(stored)
        self.objects.move_to_end(id)
        stored.pins[reader] += 1
        return stored.place

    def unpin(self, id: bytes, reader: Any) -> None:
        """A reader is done with an object."""
        for stored in self._lives(id):
            if stored.pins[reader] > 0:
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
        for stored in [*self.objects.values(), *self._former]:
            stored.pins.pop(reader, None)
            begun = stored.maker is reader and not stored.sealed
            if begun:
                stored.sealed = True
            if begun or stored.owner == address:
                # Another writer may be at work: it goes with the seal then.
                stored.freed = True
            self._forget_if_over(stored)

    def part(self, id: bytes, begin: int, end: int) -> bytes | None:
        """Return a part of an object, from memory or from disk."""
        stored = self.objects.get(id)
        if stored is None or not stored.sealed:
            return None
        if isinstance(stored.place, OnDisk):
            part = (stored.place.descriptor, end - begin, begin)
            return machine.read_at(*part)
        return bytes(self._view(stored.place, stored.size)[begin:end])

    def write(self, id: bytes, begin: int, data: Any) -> None:
        """Fill a part of an object that is being fetched."""
        stored = self.objects[id]
        if isinstance(stored.place, OnDisk):
            machine.write_at(stored.place.descriptor, data, begin)
        else:
            view = self._view(stored.place, stored.size)
            view[begin : begin + len(data)] = data

    def _lives(self, id: bytes) -> Iterator[Object]:
        """Yield all objects that have, or had, an id."""
        if id in self.objects:
            yield self.objects[id]
        yield from [former for former in self._former if former.id == id]

    def _view(self, offset: int, size: int) -> memoryview:
        return self.memory[offset : offset + size]

    def _forget_if_over(self, stored: Object) -> None:
        if not stored.freed or stored.pins or not stored.sealed:
            return
        if isinstance(stored.place, OnDisk):
            machine.close(stored.place.descriptor)
        else:
            self.arena.free(stored.place, stored.size)
        log.debug("object %s is freed", stored.id.hex())
        if stored in self._former:
            self._former.remove(stored)
        else:
            del self.objects[stored.id]

    # ---- making room ----

    def _allocate(self, size: int) -> int | None:
        """Return the offset of a free range; others leave memory for it."""
        if size > self.arena.size:
            return None
        offset = self.arena.allocate(size)
        if offset is not None:
            return offset
        for victim in self._victims():
            self._evict(victim)
            offset = self.arena.allocate(size)
            if offset is not None:
                return offset
        return None

    def _victims(self) -> list[Object]:
        """Return what may leave memory: copies first, the least used first."""
        idle = [
            stored
            for stored in self.objects.values()
            if stored.in_memory() and stored.sealed and not stored.pins
        ]
        return sorted(idle, key=lambda stored: stored.primary)

    def _evict(self, stored: Object) -> None:
        if stored.primary:
            self._spill(stored)
        else:
            self.free(stored.id)  # it can be fetched again

    def _spill(self, stored: Object) -> None:
        """Move an object to disk; if that has no room, it stays."""
        begin = machine.time()
        file = self._new_file(stored.size)
        if file is None:
            return
        assert isinstance(stored.place, int)
        view = self._view(stored.place, stored.size)
        machine.write_at(file.descriptor, view, 0)
        self.arena.free(stored.place, stored.size)
        stored.place = file
        self.note("spill", stored.id, stored.size, begin)

    def _restore(self, stored: Object) -> None:
        """Move an object back into memory; if that has no room, it stays."""
        begin, file = machine.time(), stored.place
        if isinstance(file, int):
            return
        offset = self._allocate(stored.size)
        if offset is None:
            return
        stored.place = offset
        view = self._view(offset, stored.size)
        machine.read_into(file.descriptor, view)
        machine.close(file.descriptor)
        self.note("restore", stored.id, stored.size, begin)

    def _new_file(self, size: int) -> OnDisk | None:
        """Return a file with room for so much; None: there is no room."""
        try:
            return OnDisk(machine.disk_file(size, self._directory))
        except OSError:
            return None

    def note(self, what: str, id: bytes, size: int, begin: float) -> None:
        """Note that something has ended that began at that time."""
        name, now = f"{what} {size / 1e6:.1f} MB", machine.time()
        self.events += ("object", id, name, True, begin, None, None, now)
        log.debug("object %s: %s", id.hex(), name)

    def _full(self, size: int) -> str:
        return (
            f"no room for an object of {size:,} bytes: the store of this "
            f"node has {self.arena.size:,} bytes, {self.arena.used:,} of "
            "them in use, and the disk has no room for more. Drop "
            "references and arrays, or start with a larger "
            "object_store_memory"
        )
