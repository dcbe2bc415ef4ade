"""The bytes of a file that is still downloading, and of which version.

    restart ─> append ─> append ─┬─> finish ─fsync, rename─> pg11.txt
                  ^              │
                  └── next run <─┴─> .pg11.txt.part, .pg11.txt.part.version

Rules:

1. A file with the final name is complete. All others are hidden, so that
   nobody counts the words of half a book.
2. Bytes of two versions are never joined. The length and the ETag or date,
   which identify a version, are written before the first byte; a `.part`
   without them is ignored.
3. The size on the disk is the only record of how far the download got.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from minimr.system.files import put


class FolderError(Exception):
    """The folder for the files cannot be written."""


class IncompleteError(Exception):
    """The bytes that came are not the whole file."""


class Version(NamedTuple):
    """What identifies a version of a file on a server."""

    length: int  # bytes
    validator: str  # a strong ETag, else Last-Modified, else nothing


class PartialFile:
    """The bytes of a file so far, and the version that they are of."""

    def __init__(self, path: Path) -> None:
        self._folder, self._path = path.parent, path
        target = path.resolve()  # a file moves within one disk only
        self._part = target.with_name(f".{target.name}.part")
        self._note = target.with_name(f".{target.name}.part.version")
        with folder_errors(self._folder):
            self.version = self._read_version()
            size = self._size_on_disk()
        self.size = size if size <= (self.length or 0) else 0

    @property
    def length(self) -> int | None:
        """How many bytes the whole file has, if that is known."""
        return self.version.length if self.version else None

    def is_whole(self) -> bool:
        """Return whether only the final name is missing."""
        return self.size > 0 and self.size == self.length

    def restart(self, version: Version | None) -> None:
        """Begin an empty file. Without a version it cannot be resumed."""
        self.discard()
        self.version = version
        if version:
            text = f"{version.length}\n{version.validator}\n"
            with folder_errors(self._folder):
                self._note.write_text(text, encoding="utf-8")

    def append(self, chunk: bytes) -> None:
        """Add bytes. They are not lost if this process is killed after it."""
        with folder_errors(self._folder), open(self._part, "ab") as file:
            file.write(chunk)
        self.size += len(chunk)

    def finish(self) -> None:
        """Rename the file to its final name, if all of it has arrived.

        Raises:
            IncompleteError: it is empty, too short or too long.
        """
        with folder_errors(self._folder):
            size = self._size_on_disk()
        length = size if self.length is None else self.length
        if size < length:
            raise IncompleteError(f"cut off at {size} of {length} bytes")
        if size == 0 or size > length:
            self.discard()
            raise IncompleteError(f"{size} bytes came, {length} announced")
        with folder_errors(self._folder):
            self._note.unlink(missing_ok=True)  # first: never left alone
            put(self._part, self._path)

    def discard(self) -> None:
        """Forget all bytes; the next request is for the whole file."""
        with folder_errors(self._folder):
            self._note.unlink(missing_ok=True)  # first: rule 2
            self._part.unlink(missing_ok=True)
        self.version, self.size = None, 0

    def _read_version(self) -> Version | None:
        try:
            text = self._note.read_text(encoding="utf-8")
            length, validator, _ = text.split("\n")
            return Version(int(length), validator)
        except (FileNotFoundError, ValueError):  # none, or half-written
            return None

    def _size_on_disk(self) -> int:
        try:
            return self._part.stat().st_size
        except FileNotFoundError:
            return 0


@contextmanager
def folder_errors(folder: Path) -> Iterator[None]:
    """Turn an error of the file system into a FolderError."""
    try:
        yield
    except OSError as error:
        raise FolderError(
            f"cannot write into {folder}: {error.strerror}"
        ) from error
