"""Writes results: a file is written as a whole, or not at all.

    Draft(path) ──> .minimr-1f3a.txt ── put ─┬─ rename ─> the file
                    the caller writes it     ├─ rename ─> a link's target
                                             └─ copy ───> a pipe, a device

Rules:

1. A link stays a link: its target is replaced. The new file has the
   permissions of the old one and, where the system allows it, its owner.
2. A pipe or device is written into and not replaced.
3. Until the draft is complete and on the disk, nothing else is touched.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, TextIO

MAX_LINKS = 40  # as many as Linux follows
DESCRIPTORS = "/proc/"  # its links name files that a process has open
REFUSED = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFBLK: "it is a disk",
    stat.S_IFSOCK: "it is a socket",
}

Path = str | os.PathLike[str]


class Draft:
    """The next content of a file, until it is put in its place.

    Args:
        path: of the file.
        name: of the draft, beside the file; None: a new one. A fixed name
            is for a single writer: it removes the draft that it left there
            when it was killed.

    Attributes:
        name: the path of the draft, with the suffix of `path`.

    Raises:
        OSError: nothing can be written there.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        self._path = os.fspath(path)
        place = _look(self._path)
        mode = 0o666 if place.old is None else 0o600
        if name is None:
            suffix = os.path.splitext(self._path)[1]
            name = f".minimr-{secrets.token_hex(8)}{suffix}"
        folder = os.path.dirname(place.target)
        if place.written_into:
            folder = tempfile.gettempdir()
        self.name = os.path.join(folder, name)
        with _named(self._path, self.name):
            self.discard()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            os.close(os.open(self.name, flags, mode))

    def put(self) -> None:
        """Put it in its place. Blocks: until it is on the disk."""
        put(self.name, self._path)

    def discard(self) -> None:
        """Remove it. May be called twice, and after `put`."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name)


def put(draft: Path, path: Path) -> None:
    """Move a complete file to where `path` leads.

    Raises:
        OSError: it cannot be put there; the old file is still there.
    """
    place = _look(os.fspath(path))
    with _named(path, draft):
        if place.written_into:
            _copy(draft, place.target)
            os.unlink(draft)
            return
        with open(draft, "rb") as file:
            if place.old is not None:
                _be_like(place.old, file.fileno())
            os.fsync(file.fileno())
        os.replace(draft, place.target)


@contextmanager
def atomic_writer(path: Path) -> Iterator[TextIO]:
    """Write UTF-8 text to a draft of `path`, and put it there at the end.

    Raises:
        OSError: the folder cannot be written, or the disk is full; the old
            file is still there.
    """
    with (
        _drafted(path) as draft,
        open(draft, "w", encoding="utf-8", newline="") as file,
    ):
        yield file


@contextmanager
def atomic_bytes_writer(path: Path) -> Iterator[BinaryIO]:
    """Write bytes as `atomic_writer` writes text."""
    with _drafted(path) as draft, open(draft, "wb") as file:
        yield file


def check_writable(path: Path) -> None:
    """Raise now, not after the work, if a file cannot be written.

    Raises:
        OSError: it is a folder, or its folder cannot be written.
    """
    place = _look(os.fspath(path))
    if not place.written_into:
        Draft(path).discard()
    elif not os.access(place.target, os.W_OK):
        raise _refusal(errno.EACCES, path)


@contextmanager
def _drafted(path: Path) -> Iterator[str]:
    draft = Draft(path)
    try:
        with _named(path, draft.name):
            yield draft.name
        draft.put()
    finally:
        draft.discard()


class _Place(NamedTuple):
    """Where a path leads."""

    target: str  # the path without links
    old: os.stat_result | None  # of the file that is there, if any
    written_into: bool  # it cannot be replaced


def _look(path: str) -> _Place:
    """Follow the links of a path, and return what is there.

    An open file of a process (/dev/stdout) has no name that another file
    could be given instead: it is written into, whatever it is.
    """
    target = path
    for _ in range(MAX_LINKS):
        folder, name = os.path.split(target)
        target = os.path.join(os.path.realpath(folder or os.curdir), name)
        if target.startswith(DESCRIPTORS) or not os.path.islink(target):
            break
        target = os.path.join(os.path.dirname(target), os.readlink(target))
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return _Place(target, None, False)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    kind = stat.S_IFMT(old.st_mode)
    if kind in REFUSED:
        number = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
        raise OSError(number, REFUSED[kind], path)
    is_open = target.startswith(DESCRIPTORS)
    return _Place(target, old, is_open or kind != stat.S_IFREG)


def _copy(draft: Path, target: str) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_APPEND)
    with open(descriptor, "wb") as sink, open(draft, "rb") as source:
        shutil.copyfileobj(source, sink)


def _be_like(old: os.stat_result, descriptor: int) -> None:
    with contextlib.suppress(OSError):  # it may be another user's
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


@contextmanager
def _named(path: Path, draft: Path) -> Iterator[None]:
    """Make errors name the file that the user knows, not the draft."""
    try:
        yield
    except OSError as error:
        if error.filename not in (None, os.fspath(draft)):
            raise
        raise _refusal(error.errno, path) from error


def _refusal(number: int | None, path: Path) -> OSError:
    why = os.strerror(number) if number else "it cannot be written"
    return OSError(number, why, os.fspath(path))
