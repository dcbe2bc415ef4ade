"""Objects to the parts of a frame and back: pickle 5, buffers apart.

Arrays and `pickle.PickleBuffer`s are not copied into the pickle: they
become parts of their own, which a socket can send from where they lie and
receive to where they stay (PEP 574).

Only frames of a connection whose handshake is done may be decoded.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

Buffer = bytes | bytearray | memoryview


def encode(message: Any) -> list[Buffer]:
    """Turn a message into the parts of a frame, large buffers uncopied."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    return [head, *(buffer.raw() for buffer in buffers)]


def decode(parts: Sequence[Buffer]) -> Any:
    """Turn the parts of a frame back into the message."""
    return pickle.loads(parts[0], buffers=parts[1:])


def size_of(part: Buffer) -> int:
    """Give the size of a part in bytes."""
    return part.nbytes if isinstance(part, memoryview) else len(part)
