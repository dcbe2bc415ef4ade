"""Turns frames into the bytes of a stream and back, without a socket.

    ┌────────┬──────────┬─────┬────────┬─────┐┌──────────┬────────┐┌─────
    │ n: u32 │ len: u64 │ ... │ part 0 │ tag ││ tags ... │ part 1 ││ ...
    └────────┴──────────┴─────┴────────┴─────┘└──────────┴────────┘└─────
                                        └ only where the stream is sealed

A frame is a list of parts: the pickled message, then the large buffers that
it refers to (`codec.py`), each received straight into memory of its own.
Part 0 shares one tag with the header if it is small, as it mostly is. Every
other part comes behind its tags, one per piece. Without a seal (`seal.py`)
there are no tags, and the rest is the same.

Rules:

1. The reader lends a buffer and is told how much was written into it, so a
   large part is never copied on its way from the socket.
2. Sizes and their tag are checked before memory is allocated for them. No
   part is returned before its tags are checked.
3. A piece is checked as soon as it is here, while it is in the processor's
   cache. Checking a whole part at its end would read its memory once more.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence

from minimr.net.codec import Buffer, size_of
from minimr.net.seal import TAG_BYTES, Seal

MAX_FRAME_BYTES = 2**30
MAX_PARTS = 2**16
FIRST_BYTES = 2**13  # of the scratch; it grows when it was filled, up to
SCRATCH_BYTES = 2**18
LARGE_BYTES = 2**16  # parts from here on get memory of their own at once
PIECE_BYTES = 2**18  # of a part that comes behind its tags

Parts = list[bytearray | memoryview]  # of one frame

_COUNT = struct.Struct("!I")
_SINGLE = struct.Struct("!IQ")  # the header of a single part
_ONE = struct.Struct("!Q")


class FrameError(ConnectionError):
    """The stream holds no frame, or a frame that is larger than allowed."""


def header(parts: list[Buffer], max_frame_bytes: int) -> bytes:
    """Return the bytes that stand before the parts of a frame.

    Raises:
        FrameError: the parts are too large; nothing was sent.
    """
    if len(parts) == 1:  # the usual case
        size = size_of(parts[0])
        _check(1, size, max_frame_bytes)
        return _SINGLE.pack(1, size)
    sizes = [size_of(part) for part in parts]
    _check(len(sizes), sum(sizes), max_frame_bytes)
    return struct.pack(f"!I{len(sizes)}Q", len(sizes), *sizes)


def records(
    parts: list[Buffer], max_frame_bytes: int, seal: Seal | None
) -> list[Buffer]:
    """Return the buffers to send for a frame: records, and tags if sealed.

    Raises:
        FrameError: the parts are too large; nothing was sealed.
    """
    begin = header(parts, max_frame_bytes)
    if size_of(parts[0]) < LARGE_BYTES:
        begin, parts = b"".join((begin, parts[0])), parts[1:]
    if seal is None:
        return [begin, *parts]
    if not parts:
        return [begin + seal.tag(begin)]  # the usual case
    found: list[Buffer] = [begin, seal.tag(begin)]
    for part in parts:
        found += (b"".join(map(seal.tag, _pieces(part))), part)
    return found


def _pieces(part: Buffer) -> Iterator[memoryview]:
    whole = memoryview(part)
    for begin in range(0, whole.nbytes, PIECE_BYTES):
        yield whole[begin : begin + PIECE_BYTES]


class FrameReader:
    """Collects received bytes into frames.

    Usage: write n bytes into `buffer()`, then call `advance(n)`, which
    returns the frames that are complete.

    Args:
        seal: of what comes in; None: it has no tags.
    """

    def __init__(
        self, seal: Seal | None, max_frame_bytes: int = MAX_FRAME_BYTES
    ) -> None:
        self._seal = seal
        self._tag_bytes = 0 if seal is None else TAG_BYTES
        self._max = max_frame_bytes
        # Returns memory for a large part; it need not be zeroed.
        self.allocate: Callable[[int], bytearray | memoryview] = bytearray
        self._scratch = bytearray(min(FIRST_BYTES, SCRATCH_BYTES))
        self._begin = 0  # scratch[begin:end] is received, not yet used
        self._end = 0
        self._sizes: Sequence[int] = ()  # of the frame under way
        self._parts: Parts = []
        # A part that is filled directly, and its tags.
        self._large: bytearray | memoryview | None = None
        self._filled = 0
        self._tags = bytearray()
        self._checked = 0

    def buffer(self) -> memoryview:
        """Return the memory to receive the next bytes into."""
        if self._large is not None:
            return memoryview(self._large)[self._filled :]
        if self._end == len(self._scratch):  # as much has come as it takes
            rest, size = self._scratch[self._begin :], len(self._scratch)
            many = len(rest) == size  # a header of many sizes
            if size < SCRATCH_BYTES or many:
                self._scratch.extend(bytes(size))
            self._scratch[: len(rest)] = rest
            self._begin, self._end = 0, len(rest)
        elif self._begin == self._end:
            self._begin = self._end = 0
        return memoryview(self._scratch)[self._end :]

    def advance(self, size: int) -> list[Parts]:
        """Count `size` bytes as received; return the frames now complete.

        Raises:
            FrameError, SealError: close the connection.
        """
        if self._large is None:
            self._end += size
        else:
            self._filled += size
        frames = []
        while self._step():
            if len(self._parts) == len(self._sizes):
                frames.append(self._parts)
                self._sizes, self._parts = (), []
        return frames

    def feed(self, data: bytes) -> list[Parts]:
        """Take bytes that were received elsewhere; return the frames."""
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
        """Use the next record of the scratch; False: it is not complete."""
        if not self._sizes:
            return self._read_begin()
        if self._large is not None:
            return self._check_large()
        size = self._sizes[len(self._parts)]
        tags = -(-size // PIECE_BYTES) * self._tag_bytes
        ready = self._end - self._begin - tags
        if ready >= (size if size < LARGE_BYTES else 0):
            self._tags, self._checked = self._take(tags), 0
            self._large = self.allocate(size)
            self._filled = min(ready, size)
            self._large[: self._filled] = self._take(self._filled)
            return self._check_large()
        return False

    def _check_large(self) -> bool:
        """Check what has come of a large part; True: the part is complete."""
        assert self._large is not None
        size = len(self._large)
        with memoryview(self._large) as whole:
            while self._seal is not None and self._checked < self._filled:
                end = min(self._checked + PIECE_BYTES, size)
                if end > self._filled:
                    return False
                at = self._checked // PIECE_BYTES * TAG_BYTES
                tag = self._tags[at : at + TAG_BYTES]
                self._seal.check(whole[self._checked : end], tag)
                self._checked = end
        if self._filled < size:
            return False
        self._parts.append(self._large)
        self._large = None
        return True

    def _read_begin(self) -> bool:
        """Use the header, and part 0 if it is small; False: more must come."""
        ready = self._end - self._begin
        if ready < _COUNT.size:
            return False
        (count,) = _COUNT.unpack_from(self._scratch, self._begin)
        _check(count, 0, self._max)
        lengths = _ONE if count == 1 else struct.Struct(f"!{count}Q")
        first = _COUNT.size + lengths.size  # where part 0 begins
        if ready < first:
            return False
        sizes = lengths.unpack_from(self._scratch, self._begin + _COUNT.size)
        _check(count, sum(sizes), self._max)
        small = sizes[0] < LARGE_BYTES
        size = first + (sizes[0] if small else 0)
        if ready < size + self._tag_bytes:
            return False
        record = self._take(size)
        if self._seal is not None:
            self._seal.check(record, self._take(TAG_BYTES))
        self._sizes = sizes
        if small:
            self._parts.append(record[first:])
        return True

    def _take(self, size: int) -> bytearray:
        begin, self._begin = self._begin, self._begin + size
        return self._scratch[begin : self._begin]


def _check(count: int, size: int, max_frame_bytes: int) -> None:
    if not 1 <= count <= MAX_PARTS:
        raise FrameError(f"a frame of {count} parts (at most {MAX_PARTS})")
    if size > max_frame_bytes:
        raise FrameError(
            f"a frame of {size:,} bytes is larger than the limit of "
            f"{max_frame_bytes:,}: cut the work into more, smaller tasks"
        )
