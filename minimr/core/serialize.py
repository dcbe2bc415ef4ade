"""Values to bytes and back; references inside of them are noted.

    value ── pack() ──> Packed(data, buffers, refs) ──> Inline, or the arena
    value <─ unpack() ─ data, buffers

Rules:

1. The fast C pickle first. Only what it cannot carry (functions and classes
   that the other process cannot import) goes through cloudpickle.
2. Arrays become buffers of their own, so that a reader can use them where
   they lie, read-only, as every reader shares them.
3. `ObjectRef.__reduce__` adds itself to the list of the value under way:
   who sends a value knows the references that travel in it.
"""

from __future__ import annotations

import pickle
import struct
import threading
from typing import Any, NamedTuple

import cloudpickle

from minimr.core.messages import Failed

INLINE_BYTES = 100 * 1024  # larger values go to the object store
ALIGN = 64

_HEAD = struct.Struct("<II")  # sizes of the pickled data and buffer count


class _Outgoing(threading.local):
    """References met by the pickling that this thread is doing."""

    def __init__(self) -> None:
        self.refs: list[Any] = []


outgoing = _Outgoing()


class Slot(NamedTuple):
    """Stands in the arguments where a reference was."""

    number: int


class Packed(NamedTuple):
    """A pickled value, its buffers still where the value has them."""

    data: bytes
    buffers: list[memoryview]
    refs: list[Any]  # the ObjectRefs inside; they keep what they name alive

    def size(self) -> int:
        """Give the bytes of data and buffers together."""
        size = len(self.data)
        return size + sum([part.nbytes for part in self.buffers])

    def copied(self) -> tuple[bytes, ...]:
        """Give copies of the buffers, to be sent or kept."""
        return tuple(bytes(part) for part in self.buffers)


def pack(value: Any) -> Packed:
    """Pickle a value.

    Raises:
        TypeError: something in it cannot be pickled; the text says what.
    """
    refs = outgoing.refs = []
    buffers: list[pickle.PickleBuffer] = []
    try:
        data = pickle.dumps(value, 5, buffer_callback=buffers.append)
        # What lives in the main module is only a name to the fast pickle.
        by_value = b"__main__" in data
    except Exception:  # noqa: BLE001  # whatever a user's class raises
        by_value = True
    if by_value:
        refs.clear()
        buffers.clear()
        data = cloudpickle.dumps(value, 5, buffer_callback=buffers.append)
    return Packed(data, [part.raw() for part in buffers], refs)


def split(result: Any, count: int) -> list[Any]:
    """Cut a task's result into its `num_returns` objects.

    Raises:
        ValueError: there are more or fewer.
    """
    parts = list(result) if count else []
    if len(parts) != count:
        raise ValueError(
            f"the task has num_returns={count}, but gave {len(parts)} values"
        )
    return parts


def stored_size(packed: Packed) -> int:
    """Give the bytes that `write` needs."""
    size = _up(_HEAD.size + 8 * len(packed.buffers) + len(packed.data))
    return size + sum(_up(part.nbytes) for part in packed.buffers)


def write(memory: memoryview, packed: Packed) -> None:
    """Lay a value out: sizes, data, then each buffer, aligned."""
    count = len(packed.buffers)
    _HEAD.pack_into(memory, 0, len(packed.data), count)
    sizes = [part.nbytes for part in packed.buffers]
    struct.pack_into(f"<{count}Q", memory, _HEAD.size, *sizes)
    begin = _HEAD.size + 8 * count
    end = begin + len(packed.data)
    memory[begin:end] = packed.data
    for part in packed.buffers:
        begin = _up(end)
        end = begin + part.nbytes
        memory[begin:end] = part


def read(memory: memoryview) -> Any:
    """Make a value from what `write` laid out, without copying buffers."""
    length, count = _HEAD.unpack_from(memory, 0)
    sizes = struct.unpack_from(f"<{count}Q", memory, _HEAD.size)
    begin = _HEAD.size + 8 * count
    end = begin + length
    data, buffers = memory[begin:end], []
    for size in sizes:
        begin = _up(end)
        end = begin + size
        buffers.append(memory[begin:end])
    return pickle.loads(data, buffers=buffers)


def fail(error: BaseException) -> Failed:
    """Pickle an error; what cannot be pickled becomes its text."""
    try:
        blob = cloudpickle.dumps(error, 5)
        pickle.loads(blob)  # some exceptions only break on the way back
    except Exception:  # noqa: BLE001  # a user's exception
        from minimr.exceptions import RayTaskError

        text = f"{type(error).__name__}: {error}"
        if isinstance(error, RayTaskError):
            text = f"{type(error.cause).__name__}: {error.cause}"
            cause = RuntimeError(text)
            error = RayTaskError(
                error.function_name, error.traceback_str, cause
            )
        else:
            error = RuntimeError(text)
        blob = cloudpickle.dumps(error, 5)
    return Failed(blob)


def _up(size: int) -> int:
    return -(-size // ALIGN) * ALIGN
