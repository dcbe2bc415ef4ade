"""Objects to parts and back."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimr.net.codec import decode, encode, size_of
from minimr.shared.mapreduce.tasks import TaskReport
from minimr.sockets.cluster import messages as m

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ATTEMPT = m.Attempt(1, m.TaskId("reduce", 2), 0)


@given(PLAIN)
def test_any_plain_object_comes_back(message: object) -> None:
    parts = encode(message)
    assert len(parts) == 1
    assert decode(parts) == message


@pytest.mark.parametrize(
    "message",
    [
        m.Register("", 1, 2),
        m.Heartbeat(),
        m.RunReduce(ATTEMPT, [m.Source(3, ("::1", 4), [5, 6])]),
        m.Done(ATTEMPT, TaskReport(pid=7)),
        m.Answer(1, 1, 2, None, m.RemoteError(b"error", "traceback")),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_comes_back_as_its_own_type(message: object) -> None:
    back = decode(encode(message))
    assert back == message
    assert type(back) is type(message)


def test_a_buffer_is_sent_from_where_it_lies() -> None:
    block = bytearray(b"a block of a map task")
    _, part = encode(m.Block(3, pickle.PickleBuffer(block)))
    assert isinstance(part, memoryview)
    assert part.obj is block


def test_a_received_buffer_stays_where_it_is() -> None:
    head, part = encode(m.Block(3, pickle.PickleBuffer(bytearray(b"block"))))
    received = bytearray(part)
    assert decode([head, received]).data is received


def test_an_array_travels_as_a_part_and_can_be_written_to() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    head, part = encode({"weights": array})
    assert size_of(part) == array.nbytes
    back = decode([head, bytearray(part)])["weights"]
    assert np.array_equal(back, array)
    back[0, 0] = 7
    assert array[0, 0] == 0


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 6))[::2, ::3], np.zeros((0, 3)), np.zeros((3, 2)).T],
    ids=["strided", "empty", "columns first"],
)
def test_an_array_of_any_layout_comes_back(array: np.ndarray) -> None:
    back = decode([bytearray(part) for part in encode(array)])
    assert back.shape == array.shape
    assert np.array_equal(back, array)


def test_sizes_are_in_bytes() -> None:
    assert size_of(b"four") == 4
    assert size_of(bytearray(5)) == 5
    assert size_of(memoryview(bytes(16)).cast("q")) == 16
