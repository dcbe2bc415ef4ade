"""How text becomes splits: files, folders, texts and words.

    driver                         │   worker
    sizes of files ─> M FileSplits │─> blocks() of bytes, texts()
    list of texts  ─> M lists      │─> texts_of(split)

A file is cut by its size alone, at any byte. The reader of a range moves both
its ends to where the next word begins, by the same rule, so that the readers
of neighbouring ranges agree without communication. (Hadoop's
`TextInputFormat` does the same at line ends.) What cannot be cut is read
whole, by one map task: see `minimr/shared/mapreduce/sources.py`.

Rules:

1. A range ends only behind an ASCII white space byte. In UTF-8 such a byte
   is never part of another character, so no word and no character is cut.
2. Reading takes memory for one block, not for the range: a block grows
   only if a single word is longer. However long the word is, each of its
   bytes is read a fixed number of times, not once per range.
3. A byte-order mark at the start of a file is not text. Bytes that are not
   UTF-8 become U+FFFD, and the job's counters name the file.
"""

from __future__ import annotations

import os
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import BinaryIO

from minimr.interface.mapreduce import count
from minimr.shared.mapreduce.sources import BLOCK_BYTES as BLOCK_BYTES
from minimr.shared.mapreduce.sources import (
    BYTE_ORDER_MARK,
    HEAD_BYTES,
    STANDARD_INPUT,
    WORD_BYTES,
    MissingPackageError,
    Source,
    Whole,
    look,
    reading,
    whole_words,
    why_whole,
)
from minimr.shared.mapreduce.sources import NOT_UTF8 as NOT_UTF8
from minimr.shared.mapreduce.sources import InputError as InputError

SPLIT_BYTES = 2**25  # the default number of splits keeps them below this
SPLITS_PER_WORKER = 4  # so that a slow worker does not hold up the rest
INSTALLED = ("site-packages", "dist-packages")  # not Python's own

LeaveOut = Callable[[str, str], None]  # called with a path, and why


@dataclass(frozen=True)
class Range:
    """The words that begin in `[start, end)` of a file, counted in bytes.

    The very first word of a file belongs to the range that starts at 0.
    """

    path: str
    start: int
    end: int

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Yield the range piece by piece, each cut behind white space.

        Raises:
            InputError: the file cannot be read any more, or has shrunk.
        """
        with reading(self.path), open(self.path, "rb", buffering=0) as file:
            start = _next_word(file, self.start, self.end)
            if self.start < self.end <= start:
                return  # all of it is inside one word
            end = _next_word(file, self.end)
            file.seek(start)
            if start == 0 and file.read(3) != BYTE_ORDER_MARK:
                file.seek(0)
            yield from whole_words(_until(file, end, block_bytes))


@dataclass(frozen=True)
class FileSplit:
    """The input of one map task: ranges of one or more files."""

    ranges: tuple[Range | Whole, ...]

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Yield all ranges as bytes, in blocks of whole words."""
        for part in self.ranges:
            yield from part.blocks(block_bytes)

    def texts(self) -> Iterator[str]:
        """Yield all ranges as text, in blocks of whole words."""
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
    """Return the texts of a split, be it data or ranges of files."""
    if isinstance(split, FileSplit):
        return split.texts()
    return [split] if isinstance(split, str) else split


def split_texts(texts: Sequence[str], num_splits: int) -> list[list[str]]:
    """Cut texts, or words, into consecutive lists of nearly equal length.

    Every text is in exactly one list, even if they do not divide evenly.
    """
    cuts = [len(texts) * i // num_splits for i in range(num_splits + 1)]
    return [list(texts[start:end]) for start, end in pairwise(cuts)]


def split_files(
    paths: Sequence[str | Source], num_splits: int
) -> list[FileSplit]:
    """Cut files into consecutive splits of nearly equal size.

    What cannot be cut is in the split that its first byte belongs to.
    Runs in: driver; it reads only the first bytes of files.
    """
    sources = [p if isinstance(p, Source) else look(p) for p in paths]
    begins = list(accumulate((s.size for s in sources), initial=0))
    total = begins[-1]
    splits = []
    first = 0  # the first source that is not yet used up
    for i in range(num_splits):
        low = total * i // num_splits
        high = total * (i + 1) // num_splits
        ranges: list[Range | Whole] = []
        while first < len(sources) and begins[first] < high:
            source = sources[first]
            begin, end = begins[first], begins[first + 1]
            start, stop = max(low, begin), min(high, end)
            if source.whole and low <= begin < end:
                ranges.append(Whole(source.path, source.content))
            elif not source.whole and start < stop:
                ranges.append(Range(source.path, start - begin, stop - begin))
            if end > high:
                break
            first += 1
        splits.append(FileSplit(tuple(ranges)))
    return splits


def default_num_splits(total_bytes: int, num_workers: int) -> int:
    """Return a number of map tasks: a few per worker, none too large."""
    return max(num_workers * SPLITS_PER_WORKER, -(-total_bytes // SPLIT_BYTES))


def default_num_reduce_tasks(total_bytes: int, num_workers: int) -> int:
    """Return a number of reduce tasks: one per 64 MiB, or per worker."""
    return max(num_workers, -(-total_bytes // (2 * SPLIT_BYTES)))


def find_files(
    paths: Iterable[str], leave_out: LeaveOut = lambda path, why: None
) -> list[str]:
    """Return the text files that the paths name, those in folders included.

    In a folder, hidden files and files with a NUL byte near their start are
    left out. A file that is named itself is taken as it is.

    Args:
        paths: of files, folders, pipes; "-" is the standard input.
        leave_out: called with each path in a folder that is left out, and
            why.

    Raises:
        InputError: a path does not exist or cannot be read, or a folder
            holds no text.
    """
    found: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            inside, left_out = _inside(path, leave_out)
            if not inside:
                hint = f": {tell_left_out(left_out)}" if left_out else ""
                raise InputError(f"no text file in the folder {path}{hint}")
            found += inside
        elif path in STANDARD_INPUT:
            found.append(path)
        elif not os.path.exists(path):
            raise InputError(f"no such file or folder: {path}")
        else:
            if os.path.isfile(path):
                _head(path)  # readable?
            found.append(path)
    return found


def tell_left_out(left_out: Sequence[tuple[str, str]]) -> str:
    """Return a line that counts what was left out, with an example each."""
    numbers = Counter(why for _, why in left_out)
    examples = dict(reversed([(why, path) for path, why in left_out]))
    parts = [
        f"{number:,} {why} ({examples[why]}{', ...' if number > 1 else ''})"
        for why, number in numbers.items()
    ]
    return f"left out {', '.join(parts)}"


def standard_library() -> list[str]:
    """Return the source files of this Python's own library.

    The default input: a large text that is on every machine.
    """
    folder = sysconfig.get_path("stdlib")
    files = _walk(folder, lambda path, why: None, INSTALLED)
    return [path for path in files if path.endswith(".py")]


def _next_word(file: BinaryIO, position: int, limit: int | None = None) -> int:
    """Return the first place, from `position` on, behind white space.

    The search stops at `limit`, and returns a place that is not before it.
    """
    if position == 0:
        return 0
    place = position - 1  # white space just before it will do
    file.seek(place)
    while block := file.read(4096):
        before = len(block) - len(block.lstrip(WORD_BYTES))
        if before < len(block):
            return place + before + 1
        place += len(block)
        if limit is not None and place >= limit:
            break
    return max(place, position)  # so that a file that has shrunk is noticed


def _until(file: BinaryIO, end: int, size: int) -> Iterator[bytes]:
    position = file.tell()
    while position < end:
        block = file.read(min(size, end - position))
        if not block:
            raise InputError(f"{file.name} has shrunk while it was read")
        position += len(block)
        yield block


def _inside(
    folder: str, leave_out: LeaveOut
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the text files in a folder, and all that is left out."""
    found: list[str] = []
    left_out: list[tuple[str, str]] = []

    def note(path: str, why: str) -> None:
        left_out.append((path, why))
        leave_out(path, why)

    for path in _walk(folder, note):
        try:
            is_text = b"\0" not in _head(path)
        except MissingPackageError as error:
            note(path, str(error))
            continue
        if is_text:
            found.append(path)
        else:
            note(path, "not text")
    return found, left_out


def _walk(
    folder: str, leave_out: LeaveOut, skipped: Sequence[str] = ()
) -> Iterator[str]:
    """Yield all files below a folder, its own before those of subfolders."""
    folders = [folder]
    while folders:
        below: list[str] = []
        for entry in _entries(folders.pop()):
            if entry.name[0] == ".":
                leave_out(entry.path, "hidden")
            elif entry.is_dir(follow_symlinks=False):
                if entry.name not in skipped:
                    below.append(entry.path)
            elif entry.is_file():
                yield entry.path
            elif entry.is_dir():
                leave_out(entry.path, "link to a folder")
            else:
                leave_out(entry.path, "neither file nor folder")
        folders += reversed(below)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with reading(folder), os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _head(path: str) -> bytes:
    """Return the beginning of a file's text."""
    with reading(path), open(path, "rb", buffering=0) as file:
        head = file.read(HEAD_BYTES)
    return Whole(path).head() if why_whole(head) else head
