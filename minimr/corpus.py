"""How text becomes splits: files, folders, texts and words.

    driver                         │   worker
    sizes of files ─> M FileSplits │─> blocks() of bytes, texts()
    list of texts  ─> M lists      │─> texts_of(split)

A file is cut by its size alone, at any byte; whoever reads a range moves
both its ends to where the next word begins, by the same rule, so that
neighbours agree without talking to each other, and the driver opens no
file. (Hadoop's `TextInputFormat` does so at line ends.)

Rules:

1. A range ends only behind an ASCII white space byte. In UTF-8 such a byte
   is never part of another character, so no word and no character is cut.
2. Reading takes memory for one block, not for the range: a block grows
   only when a single word is longer.
3. A byte-order mark at the head of a file is not text. Bytes that are not
   UTF-8 become U+FFFD, and the job's counters name the file.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import BinaryIO, NoReturn

from minimr.interface import count

BLOCK_BYTES = 2**18
SPLIT_BYTES = 2**25  # the default number of splits keeps them below this
SPLITS_PER_WORKER = 4  # so that a slow worker does not hold up the rest
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WORD_BYTES = bytes(set(range(256)) - set(b" \t\n\r\v\f"))
INSTALLED = ("site-packages", "dist-packages")  # not Python's own
NOT_UTF8 = "not UTF-8: "  # counters with this prefix name a file each


class InputError(ValueError):
    """The input does not exist, cannot be read, or holds no text."""


@dataclass(frozen=True)
class Range:
    """The words that begin in `[start, end)` of a file, counted in bytes.

    The very first word of a file belongs to the range that starts at 0.
    """

    path: str
    start: int
    end: int

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Read the range piece by piece, each cut behind white space.

        Raises:
            InputError: the file cannot be read any more, or has shrunk.
        """
        try:
            with open(self.path, "rb", buffering=0) as file:
                start = _next_word(file, self.start)
                end = _next_word(file, self.end)
                file.seek(start)
                if start == 0 and file.read(3) != BYTE_ORDER_MARK:
                    file.seek(0)
                yield from _whole_words(file, end, block_bytes)
        except OSError as error:
            raise InputError(
                f"cannot read {self.path}: {error.strerror}"
            ) from error


@dataclass(frozen=True)
class FileSplit:
    """The input of one map task: ranges of one or more files."""

    ranges: tuple[Range, ...]

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Read all ranges as bytes, in blocks of whole words."""
        for part in self.ranges:
            yield from part.blocks(block_bytes)

    def texts(self) -> Iterator[str]:
        """Read all ranges as text, in blocks of whole words."""
        for part in self.ranges:
            valid = True
            for block in part.blocks():
                try:
                    yield block.decode()
                except UnicodeDecodeError:
                    valid = False
                    yield block.decode(errors="replace")
            if not valid:
                count(NOT_UTF8 + part.path)


Split = str | Sequence[str] | FileSplit


def texts_of(split: Split) -> Iterable[str]:
    """Give the texts of a split, whether it is data or ranges of files."""
    if isinstance(split, FileSplit):
        return split.texts()
    return [split] if isinstance(split, str) else split


def split_texts(texts: Sequence[str], num_splits: int) -> list[list[str]]:
    """Deal texts, or words, into consecutive lists of nearly equal length.

    Every text is in exactly one list, whatever does not divide evenly.
    """
    cuts = [len(texts) * i // num_splits for i in range(num_splits + 1)]
    return [list(texts[start:end]) for start, end in pairwise(cuts)]


def split_files(paths: Sequence[str], num_splits: int) -> list[FileSplit]:
    """Cut files into consecutive splits of nearly equal size.

    Runs in: driver; it asks for sizes and reads nothing.
    """
    sizes = [os.path.getsize(path) for path in paths]
    begins = list(accumulate(sizes, initial=0))
    total = begins[-1]
    splits = []
    first = 0  # the first file that is not yet used up
    for i in range(num_splits):
        low = total * i // num_splits
        high = total * (i + 1) // num_splits
        ranges = []
        while first < len(paths) and begins[first] < high:
            begin, end = begins[first], begins[first + 1]
            start = max(low, begin) - begin
            if max(low, begin) < min(high, end):
                ranges.append(
                    Range(paths[first], start, min(high, end) - begin)
                )
            if end > high:
                break
            first += 1
        splits.append(FileSplit(tuple(ranges)))
    return splits


def default_num_splits(total_bytes: int, num_workers: int) -> int:
    """Choose a number of map tasks: some a worker, none too large."""
    return max(num_workers * SPLITS_PER_WORKER, -(-total_bytes // SPLIT_BYTES))


def default_num_reduce_tasks(total_bytes: int, num_workers: int) -> int:
    """Choose a number of reduce tasks: each gets the words of 64 MiB."""
    return max(num_workers, -(-total_bytes // (2 * SPLIT_BYTES)))


def find_files(paths: Iterable[str]) -> list[str]:
    """List the text files that the paths name, folders with all in them.

    In a folder, hidden files and files with a NUL byte near their head are
    left out; a file that is named itself is taken as it is.

    Raises:
        InputError: a path does not exist or cannot be read, or a folder
            holds no text.
    """
    found: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            inside = [file for file in _walk(path) if _is_text(file)]
            if not inside:
                raise InputError(f"no text file in the folder {path}")
            found += inside
        elif not os.path.exists(path):
            raise InputError(f"no such file or folder: {path}")
        elif not os.path.isfile(path):  # a pipe has no size, and no end
            raise InputError(f"{path} is not a regular file")
        else:
            _head(path)  # readable?
            found.append(path)
    return found


def standard_library() -> list[str]:
    """List the source files of this Python's own library.

    The default input: text of some size that is on every machine.
    """
    files = _walk(sysconfig.get_path("stdlib"), INSTALLED)
    return [path for path in files if path.endswith(".py")]


def _next_word(file: BinaryIO, position: int) -> int:
    """Give the first place, from `position` on, behind white space."""
    if position == 0:
        return 0
    place = position - 1  # white space just before it will do
    file.seek(place)
    while block := file.read(4096):
        before = len(block) - len(block.lstrip(WORD_BYTES))
        if before < len(block):
            return place + before + 1
        place += len(block)
    return max(place, position)  # a file that has shrunk is to be noticed


def _whole_words(file: BinaryIO, end: int, size: int) -> Iterator[bytes]:
    parts: list[bytes] = []  # the beginning of a word, not yet its end
    position = file.tell()
    while position < end:
        block = file.read(min(size, end - position))
        if not block:
            raise InputError(f"{file.name} has shrunk while it was read")
        position += len(block)
        cut = len(block.rstrip(WORD_BYTES)) if position < end else len(block)
        if cut == 0:
            parts.append(block)
            continue
        yield b"".join([*parts, block[:cut]])
        parts = [block[cut:]]


def _walk(folder: str, skipped: Sequence[str] = ()) -> Iterator[str]:
    for root, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in skipped
        )
        for name in sorted(files):
            path = os.path.join(root, name)
            if name[0] != "." and os.path.isfile(path):
                yield path


def _refuse(error: OSError) -> NoReturn:
    raise InputError(
        f"cannot read {error.filename}: {error.strerror}"
    ) from error


def _is_text(path: str) -> bool:
    return b"\0" not in _head(path)


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(8192)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
