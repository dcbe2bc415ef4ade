"""Turns objects into the parts of a frame and back: pickle 5, no copies.

Arrays and `pickle.PickleBuffer`s are not copied into the pickle: each is a
part of its own, which the socket sends from where it lies and receives to
where it stays (PEP 574).

Only frames of a connection whose handshake is done may be decoded.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

Buffer = bytes | bytearray | memoryview


def encode(message: Any) -> list[Buffer]:
    """Return the parts of a frame; large buffers are not copied."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    return [head, *(buffer.raw() for buffer in buffers)]


def decode(parts: Sequence[Buffer]) -> Any:
    """Return the message of a frame's parts."""
    return pickle.loads(parts[0], buffers=parts[1:])


def size_of(part: Buffer) -> int:
    """Return the size of a part in bytes."""
    return part.nbytes if isinstance(part, memoryview) else len(part)
