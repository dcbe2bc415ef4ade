"""Bytes of a stream to frames and back, with no socket in sight.

    ┌────────┬──────────┬─────┬──────────┬────────┬─────┬────────┐
    │ n: u32 │ len: u64 │ ... │ len: u64 │ part 0 │ ... │ part n │
    └────────┴──────────┴─────┴──────────┴────────┴─────┴────────┘

A frame is a list of parts: the pickled message, then the large buffers that
it refers to (`codec.py`), each received straight into memory of its own.

Rules:

1. The reader lends a buffer and is told how much was written into it: a
   large part is never copied on its way from the socket.
2. Sizes are checked before memory is taken for them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from minimr.net.codec import Buffer, size_of

MAX_FRAME_BYTES = 2**30
MAX_PARTS = 2**16
SCRATCH_BYTES = 2**18
LARGE_BYTES = 2**16  # parts from here on get memory of their own at once

Parts = list[bytearray | memoryview]  # of one frame

_COUNT = struct.Struct("!I")
_ONE = struct.Struct("!Q")  # the length of the only part, as mostly


class FrameError(ConnectionError):
    """The stream holds no frame, or one that is larger than allowed."""


def header(parts: list[Buffer], max_frame_bytes: int) -> bytes:
    """Give the bytes that stand before the parts of a frame.

    Raises:
        FrameError: the parts are too large; nothing was sent.
    """
    sizes = [size_of(part) for part in parts]
    _check(len(sizes), sum(sizes), max_frame_bytes)
    return struct.pack(f"!I{len(sizes)}Q", len(sizes), *sizes)


class FrameReader:
    """Collects received bytes into frames.

    Usage: write into `buffer()`, say how much with `advance(n)`, and take
    the frames that it returns.
    """

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max = max_frame_bytes
        # Gives the memory of a large part; it need not be filled with zeros.
        self.allocate: Callable[[int], bytearray | memoryview] = bytearray
        self._scratch = bytearray(SCRATCH_BYTES)
        self._begin = 0  # scratch[begin:end] is received, not yet used
        self._end = 0
        self._sizes: list[int] | None = None  # of the frame under way
        self._parts: Parts = []
        self._large: bytearray | memoryview | None = (
            None  # a part being filled directly
        )
        self._filled = 0

    def buffer(self) -> memoryview:
        """Lend the memory that the next bytes are to be received into."""
        if self._large is not None:
            return memoryview(self._large)[self._filled :]
        if self._begin == self._end:
            self._begin = self._end = 0
        elif self._end == len(self._scratch):
            rest = self._scratch[self._begin : self._end]
            if len(rest) == len(self._scratch):  # many lengths, or parts
                self._scratch.extend(bytes(len(rest)))
            self._scratch[: len(rest)] = rest
            self._begin, self._end = 0, len(rest)
        return memoryview(self._scratch)[self._end :]

    def advance(self, size: int) -> list[Parts]:
        """Take `size` bytes as received; give the frames now complete.

        Raises:
            FrameError: close the connection: its bytes make no sense.
        """
        if self._large is None:
            self._end += size
        else:
            self._filled += size
            if self._filled < len(self._large):
                return []
            self._parts.append(self._large)
            self._large = None
        frames = []
        while True:
            if self._sizes and len(self._parts) == len(self._sizes):
                frames.append(self._parts)
                self._sizes, self._parts = None, []
            if not self._step():
                return frames

    def feed(self, data: bytes) -> list[Parts]:
        """Take bytes that were received elsewhere; give the frames."""
        frames = []
        while data:
            buffer = self.buffer()
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            buffer.release()
            frames += self.advance(size)
            data = data[size:]
        return frames

    def _step(self) -> bool:
        """Use up the next piece of the scratch; False when it is short."""
        if self._sizes is None:
            return self._read_sizes()
        size = self._sizes[len(self._parts)]
        ready = self._end - self._begin
        if ready >= size:
            self._parts.append(self._scratch[self._begin : self._begin + size])
            self._begin += size
            return True
        if size >= LARGE_BYTES:
            self._large = self.allocate(size)
            self._large[:ready] = self._scratch[self._begin : self._end]
            self._filled = ready
            self._begin = self._end
        return False

    def _read_sizes(self) -> bool:
        ready = self._end - self._begin
        if ready < _COUNT.size:
            return False
        (count,) = _COUNT.unpack_from(self._scratch, self._begin)
        _check(count, 0, self._max)
        lengths = _ONE if count == 1 else struct.Struct(f"!{count}Q")
        if ready < _COUNT.size + lengths.size:
            return False
        sizes = lengths.unpack_from(self._scratch, self._begin + _COUNT.size)
        _check(count, sum(sizes), self._max)
        self._begin += _COUNT.size + lengths.size
        self._sizes = list(sizes)
        return True


def _check(count: int, size: int, max_frame_bytes: int) -> None:
    if not 1 <= count <= MAX_PARTS:
        raise FrameError(f"a frame of {count} parts (at most {MAX_PARTS})")
    if size > max_frame_bytes:
        raise FrameError(
            f"a frame of {size:,} bytes is larger than the limit of "
            f"{max_frame_bytes:,}: cut the work into more, smaller tasks"
        )
