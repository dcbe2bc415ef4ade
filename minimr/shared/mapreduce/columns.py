"""Words and counts as columns of Apache Arrow, from map to reduce.

    map task                                      │ reduce task r
    blocks of text ─> count() ─> Columns ─┐       │
                                          ├─> partition() ─> R blocks
    what is not plain ─> dict ────────────┘       │  ─> add_up() ─> dict

Python touches each distinct word twice, to hash it and to put it into the
final dict, and all else is done by compiled loops. The blocks are those of
`shuffle.py`, so that either side can be another one's.

Rule: plain words are of ASCII, and were cut where `str.split` cuts. All
others go to Python, which knows the rest of Unicode.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple
from zlib import crc32

from minimr.shared.mapreduce import shuffle
from minimr.shared.mapreduce.sources import MissingPackageError

CONTROLS = re.compile(rb"[\x1c-\x1f]")  # white space to Python, not to Arrow


class Columns(NamedTuple):
    """Words in lower case, as bytes that Arrow holds, and their counts.

    A word may occur more than once.
    """

    words: Any  # pyarrow.LargeStringArray
    counts: Any  # (words,) int64


class Counts(Mapping[str, int]):
    """The counts of a map task; a dict only when somebody looks into it."""

    def __init__(self, plain: Columns, others: Mapping[str, int]) -> None:
        self.plain = plain  # distinct
        self.others = others  # they may be among the plain ones, too

    def __getitem__(self, word: str) -> int:
        return self._dict[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dict)

    def __len__(self) -> int:
        return len(self._dict)

    @cached_property
    def _dict(self) -> dict[str, int]:
        words, counts = self.plain
        found = dict(zip(words.to_pylist(), counts.tolist(), strict=True))
        for word, number in self.others.items():
            found[word] = found.get(word, 0) + number
        return found


def load() -> tuple[Any, Any, Any]:
    """Import and return pyarrow, its kernels and NumPy: it takes 0.2 s.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    try:
        import numpy
        import pyarrow
        from pyarrow import compute
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "the job arrow needs a package: pip install 'minimr[arrow]'"
        ) from error
    return pyarrow, compute, numpy


def count(blocks: list[bytes]) -> Columns:
    """Return how often each raw word occurs, in lower case. "" may be one."""
    arrow, compute, _ = load()
    parts = []
    for block in blocks:
        lowered = compute.ascii_lower(_as_one(block))
        parts.append(compute.ascii_split_whitespace(lowered).flatten())
    words = arrow.chunked_array(parts, arrow.large_string())
    counted = words.value_counts()
    return Columns(counted.field("values"), counted.field("counts").to_numpy())


def together(parts: list[Columns]) -> Columns:
    """Return each word once, with the sum of its counts."""
    arrow, _, numpy = load()
    if not parts:
        return Columns(arrow.array([], arrow.large_string()), numpy.array([]))
    words = arrow.chunked_array([part.words for part in parts])
    counts = numpy.concatenate([part.counts for part in parts])
    encoded = words.combine_chunks().dictionary_encode()
    # as floats, which are exact up to 2**53
    sums = numpy.bincount(encoded.indices.to_numpy(), counts)
    return Columns(encoded.dictionary, sums.astype(numpy.int64))


def plain(columns: Columns) -> tuple[Columns, dict[bytes, int]]:
    """Return the plain words, and the raw others."""
    arrow, compute, numpy = load()
    words, counts = columns
    if CONTROLS.search(words.buffers()[2] or b""):  # rare: Python does it all
        chosen = numpy.zeros(len(words), bool)
    else:
        some = compute.greater(compute.binary_length(words), 0)
        wanted = compute.and_(compute.string_is_ascii(words), some)
        chosen = wanted.to_numpy(zero_copy_only=False)
    raw = words.filter(arrow.array(~chosen)).cast(arrow.large_binary())
    others = dict(zip(raw.to_pylist(), counts[~chosen].tolist(), strict=True))
    others.pop(b"", None)  # before and behind white space at a block's ends
    return Columns(words.filter(arrow.array(chosen)), counts[chosen]), others


def partition(output: Any, num_partitions: int) -> list[bytes]:
    """Do what `shuffle.partition` does, by columns."""
    if not isinstance(output, Counts):
        return shuffle.partition(output, num_partitions)
    arrow, _, numpy = load()
    words, counts = output.plain
    raw = words.cast(arrow.large_binary()).to_pylist()
    hashes = numpy.fromiter(map(crc32, raw), numpy.uint32, len(raw))
    columns: list[tuple[list[str], list[int]]]
    columns = [([], []) for _ in range(num_partitions)]
    for word, number in output.others.items():
        keys, values = columns[shuffle.stable_hash(word) % num_partitions]
        keys.append(word)
        values.append(number)
    blocks = []
    for place, (keys, values) in enumerate(columns):
        chosen = hashes % num_partitions == place
        part = words.filter(arrow.array(chosen))
        joined = [_joined(part)] if len(part) else []
        blocks.append(
            shuffle.write(
                len(part) + len(keys),
                shuffle.SEPARATOR.join([*joined, *keys]),
                [*counts[chosen].tolist(), *values],
            )
        )
    return blocks


def add_up(blocks: Iterable[bytes]) -> dict[str, int]:
    """Return the sum of the counts of each word, from any blocks of them."""
    _, compute, numpy = load()
    parts, others = [], []
    for block in blocks:
        keys: Any
        number, keys, _, values = shuffle.read(block)
        try:
            text = str.encode(keys)
        except (TypeError, UnicodeEncodeError):  # a list; half a character
            others.append(block)
            continue
        if number:
            words = compute.split_pattern(_as_one(text), shuffle.SEPARATOR)
            if isinstance(values, bytes):
                values = numpy.frombuffer(values, numpy.uint8)
            parts.append(Columns(words.flatten(), numpy.asarray(values)))
    words, counts = together(parts)
    found = dict(zip(words.to_pylist(), counts.tolist(), strict=True))
    return shuffle.add_up(others, found)


def _as_one(text: bytes) -> Any:
    """Return an Arrow array with one text, which is not copied."""
    arrow, _, _ = load()
    ends = arrow.py_buffer(array("q", [0, len(text)]))
    buffers = [None, ends, arrow.py_buffer(text)]
    return arrow.Array.from_buffers(arrow.large_string(), 1, buffers)


def _joined(words: Any) -> str:
    arrow, compute, _ = load()
    whole = arrow.array([0, len(words)], arrow.int32())
    texts = arrow.ListArray.from_arrays(whole, words)
    separator = arrow.scalar(shuffle.SEPARATOR, arrow.large_string())
    return str(compute.binary_join(texts, separator)[0].as_py())
