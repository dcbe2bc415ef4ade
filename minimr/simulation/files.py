"""Files of a simulated process that are no connections: memory and pipes.

memory_file, disk_file ── Memory ──> mapped by any process of its machine
print ── Output ── Pair ──> whoever reads the pipe
"""

from __future__ import annotations

import io
import mmap
from typing import Any

from minimr.simulation.network import File, Pair
from minimr.simulation.world import World


class Memory(File):
    """Memory with a descriptor: shared, or a file without a name.

    Attributes:
        data: all who map it get this one object.
    """

    def __init__(self, world: World, size: int) -> None:
        super().__init__(world)
        self.data = mmap.mmap(-1, max(1, size))
        self.view = memoryview(self.data)  # so that nobody can close it


def pipe(world: World) -> tuple[Pair, Pair]:
    """Return both ends of a pipe."""
    read, write = Pair(world), Pair(world)
    read.twin, write.twin = write, read
    return read, write


class Output(io.RawIOBase):
    """Writes to a pipe. Blocks: until there is room."""

    def __init__(self, world: World, file: Pair) -> None:
        self._world, self._file = world, file

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write some of it."""
        if self._world.current is None:
            return len(data)  # a finaliser, after the run
        while not self._file.writable():
            self._world.wait(self._file.changed)
        return self._file.send(bytes(data))


class Input(io.RawIOBase):
    """Reads from a pipe. Blocks: until something is there."""

    def __init__(self, world: World, file: Pair) -> None:
        self._world, self._file = world, file

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        while not self._file.readable():
            self._world.wait(self._file.changed)
        data = self._file.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)
