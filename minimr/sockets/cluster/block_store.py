"""What a worker keeps of a job: its blocks and outputs, on its own disk.

The paper's map worker writes its partitions to local disk (section 3.1):
memory is for the task at hand. The file never has a name, so that
nothing is left of it however its worker ends, and the system's page
cache serves it at the speed of memory while there is some.

    put ─> [append to the file, remember where] ─> get

Ray: the object store of the node, with its spilling.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Hashable
from typing import NamedTuple


class StoreError(OSError):
    """The disk is full or cannot be written."""


class _Place(NamedTuple):
    offset: int
    size: int


class BlockStore:
    """Bytes by key, freed with the last reference to the store.

    `put` belongs to one thread, `get` to any: what was put never moves.
    """

    def __init__(self) -> None:
        try:
            file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        except OSError as error:
            raise _store_error("a file", error) from error
        weakref.finalize(self, file.close)
        self._descriptor = file.fileno()
        self._end = 0
        self._places: dict[Hashable, _Place] = {}

    def put(self, key: Hashable, data: bytes) -> None:
        """Write; a second time under the same key is the same data.

        Raises:
            StoreError: names the folder that is full.
        """
        view = memoryview(data)
        end = self._end
        try:
            while view:
                size = os.pwrite(self._descriptor, view, end)
                view, end = view[size:], end + size
        except OSError as error:
            raise _store_error(f"{len(data):,} bytes", error) from error
        self._places[key] = _Place(self._end, len(data))
        self._end = end

    def get(self, key: Hashable) -> bytes | None:
        """Return the bytes; None: nothing was put under this key."""
        place = self._places.get(key)
        if place is None:
            return None
        return os.pread(self._descriptor, place.size, place.offset)


def _store_error(what: str, error: OSError) -> StoreError:
    folder = tempfile.tempdir or "any folder for temporary files"
    return StoreError(
        error.errno,
        f"cannot keep {what} in {folder}: {error.strerror}; "
        "set TMPDIR to a folder with more room",
    )
