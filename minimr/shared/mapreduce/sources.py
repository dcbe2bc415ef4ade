"""The kinds of input: text that can be cut, and text that is read whole.

    path ── look ──> Source ─┬─ UTF-8 of some size ──> Range, Range, ...
                             └─ everything else ─────> Whole

    Whole: UTF-16 or UTF-32  (a byte-order mark says so)
           gzip, bz2, xz, zstd  (their first bytes say so)
           a pipe, the standard input, a file of /proc  (read once, here)

Rules:

1. What is compressed, or not UTF-8, cannot be cut at any byte: one map task
   reads it from its beginning, block by block.
2. What can be read only once, or only by this process, is read by the
   driver and travels with its split, so that its task can run anywhere, and
   again.
3. All of them are read as blocks of UTF-8, each cut behind white space.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import IO, Any, NamedTuple

from minimr.interface.mapreduce import count

BLOCK_BYTES = 2**16  # its words fit into a processor's L2 cache
HEAD_BYTES = 8192
PIPED_BYTES = 2**28  # the most that may travel with a split
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WORD_BYTES = bytes(set(range(256)) - set(b" \t\n\r\v\f"))
NOT_UTF8 = "not UTF-8: "  # counters with this prefix name a file
STANDARD_INPUT = ("-", "/dev/stdin")
OF_A_PROCESS = ("/dev/fd/", "/proc/")  # they differ in every process

# {byte-order mark: encoding}; UTF-32's begins with UTF-16's: first match
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32-LE",
    codecs.BOM_UTF32_BE: "UTF-32-BE",
    codecs.BOM_UTF16_LE: "UTF-16-LE",
    codecs.BOM_UTF16_BE: "UTF-16-BE",
    BYTE_ORDER_MARK: "UTF-8",
}


class InputError(ValueError):
    """The input does not exist, cannot be read, or holds no text."""


class MissingPackageError(InputError):
    """The package that would read it is not installed."""


def _zstd(file: IO[bytes]) -> Any:
    for name in ("compression.zstd", "backports.zstd"):  # Python's from 3.14
        try:
            return import_module(name).ZstdFile(file)
        except ModuleNotFoundError:
            continue
    raise MissingPackageError(
        "zstd needs a package: pip install 'minimr[zstd]'"
    )


class Packing(NamedTuple):
    """A kind of compression: its first bytes, and what unpacks it."""

    magic: tuple[bytes, ...]
    open: Callable[[IO[bytes]], Any]


BZ2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")  # the first one, or the end
PACKINGS = {
    "gzip": Packing((b"\x1f\x8b\x08",), lambda f: gzip.GzipFile(fileobj=f)),
    "bz2": Packing(
        tuple(b"BZh%d" % n + b for n in range(1, 10) for b in BZ2_BLOCKS),
        bz2.BZ2File,
    ),
    "xz": Packing((b"\xfd7zXZ\0",), lzma.LZMAFile),
    "zstd": Packing((b"\x28\xb5\x2f\xfd",), _zstd),
}


@dataclass(frozen=True)
class Source:
    """A path, and what is behind it.

    Attributes:
        path: as the user gave it.
        size: in bytes, before unpacking.
        whole: why it cannot be cut, in a word; "": it can.
        content: all of it, if only the driver can read it.
    """

    path: str
    size: int
    whole: str = ""
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Whole:
    """A source that one map task reads from beginning to end."""

    path: str
    content: bytes | None = field(default=None, repr=False)

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Yield it as UTF-8, in blocks of whole words.

        Raises:
            InputError: it cannot be read, or is damaged.
        """
        with reading(self.path), self._open() as file:
            name = _packing(file.read(HEAD_BYTES))
            file.seek(0)
            if name is None:
                yield from self._words(file, block_bytes)
                return
            try:
                with PACKINGS[name].open(file) as unpacked:
                    yield from self._words(unpacked, block_bytes)
            except MissingPackageError:
                raise
            except Exception as error:  # every package has its own classes
                raise InputError(
                    f"cannot read {self.path}: it is damaged, or cut off "
                    f"({name}: {error})"
                ) from error

    def head(self) -> bytes:
        """Return the beginning of its text."""
        return next(self.blocks(HEAD_BYTES), b"")

    def _open(self) -> IO[bytes]:
        if self.content is not None:
            return io.BytesIO(self.content)
        return open(self.path, "rb")

    def _words(self, file: IO[bytes], block_bytes: int) -> Iterator[bytes]:
        head = file.read(HEAD_BYTES)
        mark, encoding = _encoding(head)
        pieces = _pieces(head[len(mark) :], file, block_bytes)
        if encoding != "UTF-8":
            pieces = self._encoded(pieces, encoding)
        return whole_words(pieces)

    def _encoded(
        self, pieces: Iterator[bytes], encoding: str
    ) -> Iterator[bytes]:
        """Yield UTF-8 instead; bytes that are no text become U+FFFD."""
        strict = codecs.getincrementaldecoder(encoding)()
        lenient = codecs.getincrementaldecoder(encoding)("replace")
        damaged = False
        for piece in pieces:
            before = strict.getstate()
            try:
                text = strict.decode(piece, final=not piece)
            except UnicodeDecodeError:
                damaged = True
                lenient.setstate(before)
                text = lenient.decode(piece, final=not piece)
                strict.setstate(lenient.getstate())
            yield text.encode()
        if damaged:
            count(NOT_UTF8 + self.path)


def look(path: str) -> Source:
    """Return what is behind a path.

    Runs in: driver. Blocks: if it is a pipe, until that ends.

    Raises:
        InputError: it cannot be read.
    """
    with reading(path), _open_once(path) as file:
        about = os.fstat(file.fileno())
        head = file.read(HEAD_BYTES)
        lasts = stat.S_ISREG(about.st_mode) and not _is_of_a_process(path)
        if lasts and (about.st_size or not head):
            return Source(path, about.st_size, why_whole(head))
        content = head + file.read(PIPED_BYTES)
    if len(content) > PIPED_BYTES:
        raise InputError(
            f"{path} has more than {PIPED_BYTES:,} bytes: save them in a "
            "file and count that"
        )
    why = why_whole(head)
    return Source(path, len(content), f"read once {why}".strip(), content)


def why_whole(head: bytes) -> str:
    """Return why a file with this head cannot be cut; "": it can."""
    encoding = _encoding(head)[1]
    return _packing(head) or ("" if encoding == "UTF-8" else encoding)


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn an error of reading into one that names the file."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}"
        ) from error


def whole_words(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a stream in other pieces, each cut behind white space."""
    parts: list[bytes] = []  # the beginning of a word
    for piece in pieces:
        cut = len(piece.rstrip(WORD_BYTES))
        if cut == 0:
            parts.append(piece)
            continue
        yield b"".join([*parts, piece[:cut]])
        parts = [piece[cut:]]
    rest = b"".join(parts)
    if rest:
        yield rest


def _open_once(path: str) -> IO[bytes]:
    if path in STANDARD_INPUT:
        return open(os.dup(0), "rb")
    return open(path, "rb")


def _is_of_a_process(path: str) -> bool:
    return path in STANDARD_INPUT or os.path.abspath(path).startswith(
        OF_A_PROCESS
    )


def _packing(head: bytes) -> str | None:
    return next(
        (name for name, p in PACKINGS.items() if head.startswith(p.magic)),
        None,
    )


def _encoding(head: bytes) -> tuple[bytes, str]:
    found = (each for each in MARKS.items() if head.startswith(each[0]))
    return next(found, (b"", "UTF-8"))


def _pieces(head: bytes, file: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield the head, the rest, and an empty piece at the end."""
    if head:
        yield head
    while piece := file.read(size):
        yield piece
    yield b""
