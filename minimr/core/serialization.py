"""Turns values into bytes and back, and notes the references inside.

    value ── pack() ──> Packed(data, buffers, refs) ──> Inline, or the arena
    value <─ unpack() ─ data, buffers

Rules:

1. The fast C pickle is tried first. Only what it cannot carry (functions and
   classes that the other process cannot import) goes through cloudpickle.
2. Arrays become buffers of their own. Readers use them where they lie,
   read-only, since all readers share them.
3. `ObjectRef.__reduce__` adds itself to the list of the value that is being
   pickled. So the sender of a value knows the references in it, and keeps
   them as long as it keeps the pickle.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import cloudpickle

from minimr.core.messages import Failed, Inline
from minimr.exceptions import RayError, RayTaskError, with_lines
from minimr.system import pickling

INLINE_BYTES = 100 * 1024  # larger values go to the object store
ALIGN = 64


# The references in the value that this thread is pickling; None: the program
# itself pickles.
outgoing: ContextVar[list[Any] | None] = ContextVar("outgoing", default=None)


class Slot(NamedTuple):
    """The place of a reference in the arguments."""

    number: int


class Packed(NamedTuple):
    """A pickled value, its buffers still where the value has them."""

    data: bytes
    buffers: list[memoryview]
    refs: list[Any]  # the ObjectRefs inside; they keep what they name alive

    def sizes(self) -> list[int]:
        """Return the sizes of the data and of each buffer, in bytes."""
        return [len(self.data), *[part.nbytes for part in self.buffers]]

    def copied(self) -> tuple[bytes, ...]:
        """Return copies of the buffers, to be sent or kept."""
        return tuple(bytes(part) for part in self.buffers)


def pack(
    value: Any, roots: Callable[[], Mapping[str, Any]] | None = None
) -> Packed:
    """Return a value pickled.

    Args:
        roots: returns {name: part}, the names of parts in an error.

    Raises:
        TypeError, pickle.PicklingError: a part cannot be pickled; the text
            says where it is.
    """
    refs: list[Any] = []
    token = outgoing.set(refs)
    buffers: list[pickle.PickleBuffer] = []
    try:
        try:
            data = pickle.dumps(value, 5, buffer_callback=buffers.append)
            # Of what is in `__main__`, the fast pickle takes only the name.
            by_value = b"__main__" in data
        except Exception:  # noqa: BLE001  # whatever a user's class raises
            by_value = True
        if by_value:
            refs.clear()
            buffers.clear()
            take = buffers.append
            data = pickling.dumps(value, roots=roots, buffer_callback=take)
    finally:
        outgoing.reset(token)  # a part's __reduce__ may call put()
    return Packed(data, [part.raw() for part in buffers], refs)


def pack_code(target: Any, name: str) -> tuple[bytes, list[Any]]:
    """Return a function or class pickled by value, and its references."""
    refs: list[Any] = []
    token = outgoing.set(refs)
    try:
        return pickling.dumps(target, name), refs
    finally:
        outgoing.reset(token)


def split(result: Any, count: int) -> list[Any]:
    """Return a task's result as its `num_returns` objects.

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
    """Return how many bytes `write` needs."""
    return int(_layout(packed.sizes())[-1].stop)


def write(memory: memoryview, packed: Packed) -> None:
    """Write a value: the number of parts, their sizes, the parts, aligned."""
    sizes = packed.sizes()
    struct.pack_into(f"<{1 + len(sizes)}Q", memory, 0, len(sizes), *sizes)
    parts: list[Any] = [packed.data, *packed.buffers]
    for place, part in zip(_layout(sizes), parts, strict=True):
        memory[place] = part


def read(memory: memoryview) -> Any:
    """Return a value that `write` has written, without copying buffers."""
    (count,) = struct.unpack_from("<Q", memory)
    sizes = struct.unpack_from(f"<{count}Q", memory, 8)
    data, *buffers = [memory[place] for place in _layout(sizes)]
    return pickle.loads(data, buffers=buffers)


def _layout(sizes: Sequence[int]) -> list[slice]:
    places, end = [], 8 * (1 + len(sizes))
    for size in sizes:
        begin = -(-end // ALIGN) * ALIGN
        end = begin + size
        places.append(slice(begin, end))
    return places


def load(value: Any) -> Any:
    """Return a small value, unpickled, or raise its error."""
    if type(value) is bytes:
        return pickle.loads(value)
    if isinstance(value, Inline):
        return pickle.loads(value.data, buffers=value.buffers)
    error = pickle.loads(value.error)
    if isinstance(error, RayTaskError):
        error.traceback_str = with_lines(error.traceback_str)
        error = error.as_instanceof_cause()
    try:
        raise error
    finally:
        del error  # with its traceback it would keep all that its frames have


def as_failed(error: BaseException) -> Failed:
    """Return an error pickled; one that cannot be pickled becomes its text."""
    try:
        blob = cloudpickle.dumps(error, 5)
        pickle.loads(blob)  # some exceptions break only in unpickling
    except Exception:  # noqa: BLE001  # a user's exception
        cause = error.cause if isinstance(error, RayTaskError) else error
        # Not as a class that an `except` may name: the task raised another.
        text = RayError(f"{type(cause).__name__}: {cause}")
        if isinstance(error, RayTaskError):
            about = (error.function_name, error.traceback_str)
            return as_failed(RayTaskError(*about, text))
        return as_failed(text)
    return Failed(blob)
