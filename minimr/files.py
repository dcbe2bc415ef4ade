"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def atomic_writer(path: str) -> Iterator[TextIO]:
    """Write UTF-8 text beside `path`, and put it there at the end.

    Raises:
        OSError: the folder cannot be written, or the disk is full; what
            was at `path` before is still there.
    """
    mask = os.umask(0)
    os.umask(mask)
    descriptor, draft = _draft(path)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        os.chmod(draft, 0o666 & ~mask)  # as `open` would have made it
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def check_writable(path: str) -> None:
    """Find out now, not after the work, that a file cannot be written.

    Raises:
        OSError: it is a folder, or its folder cannot be written.
    """
    if os.path.isdir(path):
        raise IsADirectoryError(21, "it is a folder", path)
    try:
        descriptor, draft = _draft(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    os.close(descriptor)
    os.unlink(draft)


def _draft(path: str) -> tuple[int, str]:
    folder = os.path.dirname(os.path.abspath(path))
    return tempfile.mkstemp(dir=folder, prefix=".minimr-")
