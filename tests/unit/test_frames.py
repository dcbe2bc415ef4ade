"""Frames, in memory: whatever the cuts, the parts come back."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimr.net import frames
from minimr.net.channel import remaining, vectors
from minimr.net.codec import Buffer
from minimr.net.frames import (
    LARGE_BYTES,
    MAX_PARTS,
    PIECE_BYTES,
    FrameError,
    FrameReader,
    header,
    records,
)
from minimr.net.seal import TAG_BYTES, Seal, SealError

LIMIT = 2**20
KEY = bytes(range(32))


def wire(
    *frames: list[Buffer], limit: int = LIMIT, key: bytes | None = KEY
) -> bytes:
    """Give the bytes of a connection's first frames."""
    seal = None if key is None else Seal(key)
    return b"".join(b"".join(records(f, limit, seal)) for f in frames)


def read_by(limit: int = LIMIT, key: bytes | None = KEY) -> FrameReader:
    return FrameReader(None if key is None else Seal(key), limit)


with_and_without_seal = pytest.mark.parametrize(
    "key", [KEY, None], ids=["sealed", "not sealed"]
)


def write(reader: FrameReader, data: bytes) -> list[list[bytearray]]:
    """Write as a socket does: no more than the lent buffer takes."""
    lent = reader.buffer()
    size = min(len(lent), len(data))
    assert size > 0 or not data
    lent[:size] = data[:size]
    lent.release()
    found = reader.advance(size)
    return found + (write(reader, data[size:]) if data[size:] else [])


@pytest.fixture(
    params=[(2**18, 2**16), (64, 16), (16, 64), (8, 1)],
    ids=lambda sizes: "scratch {}, large {}".format(*sizes),
)
def sizes(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, large = request.param
    monkeypatch.setattr(frames, "SCRATCH_BYTES", scratch)
    monkeypatch.setattr(frames, "LARGE_BYTES", large)
    monkeypatch.setattr(frames, "PIECE_BYTES", 2 * large)


PARTS = st.lists(st.binary(max_size=200), min_size=1, max_size=12)


@with_and_without_seal
@pytest.mark.usefixtures("sizes")
def test_any_frames_cut_anywhere_come_back(key: bytes | None) -> None:
    # The settings above are the same for every example.
    @given(st.lists(PARTS, max_size=5), st.data())
    def check(sent: list[list[bytes]], data: st.DataObject) -> None:
        stream = wire(*sent, key=key)
        cuts = data.draw(st.lists(st.integers(0, len(stream))))
        edges = [0, *sorted(cuts), len(stream)]
        reader = read_by(key=key)
        received = []
        for start, end in pairwise(edges):
            received += write(reader, stream[start:end])
        assert received == sent

    check()


@with_and_without_seal
@pytest.mark.usefixtures("sizes")
def test_bytes_one_by_one_make_frames(key: bytes | None) -> None:
    sent = [[b"a", b"", b"b" * 70], [b""], [b"c" * 17, b"d" * 300, b"e"]]
    reader = read_by(key=key)
    received = []
    for byte in wire(*sent, key=key):
        received += write(reader, bytes([byte]))
    assert received == sent


@given(st.lists(PARTS, max_size=5))
def test_feeding_gives_the_same_as_receiving(sent: list[list[bytes]]) -> None:
    assert read_by().feed(wire(*sent)) == sent


@with_and_without_seal
def test_a_large_part_is_received_where_it_stays(key: bytes | None) -> None:
    large = bytes(range(256)) * (LARGE_BYTES // 256) * 8
    reader = read_by(2**30, key)
    stream = memoryview(wire([b"head", large], limit=2**30, key=key))
    received: list[list[bytearray]] = []
    lenders = []
    while not received:
        lent = reader.buffer()
        size = min(len(lent), len(stream), 50_000)
        lent[:size] = stream[:size]
        stream = stream[size:]
        lenders.append(lent.obj)
        received = reader.advance(size)
    assert received == [[b"head", large]]
    in_place = [memory is received[0][1] for memory in lenders]
    assert in_place[0] is False
    assert all(in_place[1:])


def test_a_part_does_not_change_when_the_next_frame_comes() -> None:
    reader = read_by()
    sent = [[b"first", b"1" * 5000], [b"other", b"2" * 5000]]
    stream = wire(*sent)
    size = len(wire(sent[0]))
    first = reader.feed(stream[:size])[0]
    assert reader.feed(stream[size:]) == sent[1:]
    assert first == [b"first", b"1" * 5000]


def test_a_frame_may_have_as_many_parts_as_are_allowed() -> None:
    parts = [b"%d" % i for i in range(MAX_PARTS)]
    assert read_by().feed(wire(parts)) == [parts]


def test_a_frame_of_too_many_parts_is_not_sent() -> None:
    with pytest.raises(FrameError, match="65537 parts"):
        header([b""] * (MAX_PARTS + 1), LIMIT)


def test_a_frame_that_is_as_large_as_allowed_arrives() -> None:
    assert read_by(100).feed(wire([b"a" * 60, b"b" * 40], limit=100))


def test_a_frame_that_is_too_large_is_not_sent() -> None:
    with pytest.raises(FrameError, match=r"101 bytes is larger .* of 100:"):
        header([b"a" * 60, b"b" * 41], 100)


def test_the_size_of_a_part_is_in_bytes_not_in_items() -> None:
    items = memoryview(bytes(80)).cast("q")
    with pytest.raises(FrameError, match="80 bytes"):
        header([items], 79)


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (struct.pack("!I", 0), "0 parts"),
        (struct.pack("!I", MAX_PARTS + 1), "65537 parts"),
        (struct.pack("!I", 2**32 - 1), "4294967295 parts"),
        (struct.pack("!IQ", 1, 101), "101 bytes"),
        (struct.pack("!IQ", 1, 2**64 - 1), "18,446,744,073,709,551,615"),
        (struct.pack("!IQQ", 2, 100, 1), "101 bytes"),
        (b"GET / HTTP/1.1\r\n\r\n", "parts"),
    ],
)
def test_a_bad_header_is_refused(head: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        read_by(100).feed(head)


def test_no_memory_is_taken_for_what_is_refused() -> None:
    reader = read_by(2**40)
    tracemalloc.start()
    try:
        with pytest.raises(FrameError):
            reader.feed(struct.pack("!IQ", 1, 2**40 + 1))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


# ---- what is altered on its way


@pytest.mark.usefixtures("sizes")
def test_a_bit_that_is_changed_anywhere_ends_the_stream() -> None:
    sent = [[b"first"], [b"a", b"", b"b" * 70], [b"c" * 90]]
    stream = wire(*sent)
    for place in range(len(stream)):
        changed = bytearray(stream)
        changed[place] ^= 1
        reader, received = read_by(), []
        try:
            for byte in changed:
                received += reader.feed(bytes([byte]))
        except ConnectionError:  # a size that cannot be, or a tag
            pass
        # A size that has grown waits for what never comes.
        assert len(received) < len(sent)
        assert received == sent[: len(received)]


@pytest.mark.parametrize(
    "order",
    [[1], [0, 0], [1, 0], [0, 2]],
    ids=["left out", "sent again", "in another order", "left out later"],
)
def test_frames_come_as_they_were_sent_or_not_at_all(order: list[int]) -> None:
    seal = Seal(KEY)
    sent = [[b"%d" % n] for n in range(3)]
    frames = [b"".join(records(parts, LIMIT, seal)) for parts in sent]
    with pytest.raises(SealError, match="altered on its way"):
        read_by().feed(b"".join(frames[n] for n in order))


def test_what_is_sealed_with_another_key_is_refused() -> None:
    with pytest.raises(SealError):
        FrameReader(Seal(bytes(32))).feed(wire([b"first"]))


def test_no_memory_is_taken_for_a_size_that_nobody_vouches_for() -> None:
    reader = read_by(2**40)
    asked: list[int] = []
    reader.allocate = lambda size: asked.append(size) or bytearray()  # type: ignore[func-returns-value]
    with pytest.raises(SealError):
        reader.feed(struct.pack("!IQ", 1, 2**30) + bytes(TAG_BYTES))
    assert asked == []


def test_a_piece_of_a_large_part_is_checked_when_it_has_come() -> None:
    large = bytes(3 * PIECE_BYTES)
    stream = bytearray(wire([b"head", large], limit=2**30))
    stream[-2 * PIECE_BYTES] ^= 1  # the first byte of the second piece
    reader = read_by(2**30)
    fed = len(stream) - PIECE_BYTES - 1
    assert reader.feed(bytes(stream[:fed])) == []
    with pytest.raises(SealError):
        reader.feed(bytes(stream[fed : fed + 1]))


@given(PARTS, st.lists(st.integers(1, 60)))
def test_what_a_socket_does_not_take_is_sent_later(
    parts: list[bytes], taken: list[int]
) -> None:
    buffers = vectors(parts, LIMIT, Seal(KEY))
    sent = b""
    for size in cycle_until_empty(taken):
        whole = b"".join(buffers)
        sent += whole[:size]
        buffers = remaining(buffers, min(size, len(whole)))
        assert b"".join(buffers) == whole[size:]
        if not buffers:
            break
    assert sent == wire(parts)


def cycle_until_empty(sizes: list[int]) -> Iterator[int]:
    yield from sizes
    while True:
        yield 1000
