"""Two more jobs to cost: one that shuffles much, and one that sorts.

index   {word: the files that have it}    hashed, many pairs per word
sort    all lines, in the order of bytes  a partition is a range of lines
"""

from __future__ import annotations

import pickle
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cached_property, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from benchmarks.wordcount.work import Work
from minimr.interface.mapreduce import Job
from minimr.shared.mapreduce.corpus import FileSplit

SAMPLE_BYTES = 2**15  # of each file, to cut the lines into equal ranges


class Index(Work):
    """An inverted index. Files are known by their numbers."""

    title = "Inverted index"

    @property
    def job(self) -> Job:
        """The job; it knows the number of each file."""
        numbers = {path: number for number, path in enumerate(self.paths)}
        return Job("index", partial(index_map, numbers), index_reduce)

    def summary(self, result: Any) -> dict[str, Any]:
        """Return a fingerprint of {word: [number of a file, ...]}."""
        total = 0
        for word, files in result.items():
            line = f"{word}\t{files}".encode("utf-8", "surrogatepass")
            digest = blake2b(line, digest_size=16).digest()
            total += int.from_bytes(digest, "big")
        return {
            "words": sum(map(len, result.values())),
            "distinct_words": len(result),
            "fingerprint": f"{total % 2**128:032x}",
        }


class Sort(Work):
    """A sort of lines. A map task sorts whole files, and cuts its lines."""

    title = "Sort"

    @property
    def job(self) -> Job:
        """The job; it knows where one range of lines ends."""
        return Job(
            "sort",
            sorted_lines,
            sort_reduce,
            partition=partial(cut, self._bounds),
            reduce_blocks=merged_lines,
        )

    @cached_property
    def splits(self) -> list[Any]:
        """Whole files, dealt out: a range of bytes could cut a line."""
        deals = (
            self.paths[n :: self.map_tasks] for n in range(self.map_tasks)
        )
        return [deal for deal in deals if deal]

    @cached_property
    def _bounds(self) -> list[bytes]:
        """The first lines of all ranges but one, from a sample."""
        sample: list[bytes] = []
        for path in self.paths:
            with open(path, "rb") as file:
                sample += file.read(SAMPLE_BYTES).split(b"\n")
        sample.sort()
        number = self.reduce_tasks
        return [sample[len(sample) * n // number] for n in range(1, number)]

    def summary(self, result: Any) -> dict[str, Any]:
        """Return a fingerprint of the lines in their order."""
        if isinstance(result, Mapping):  # {range: its lines}
            result = b"\n".join(result[place] for place in sorted(result))
        digest = blake2b(result, digest_size=16).hexdigest()
        return {"words": result.count(b"\n") + 1, "fingerprint": digest}


def index_map(
    numbers: Mapping[str, int], split: FileSplit
) -> Iterator[tuple[str, int]]:
    """Yield (word, number of the file) for each word of each file."""
    for part in split.ranges:
        words: set[str] = set()
        for text in FileSplit((part,)).texts():
            words.update(text.lower().split())
        number = numbers[part.path]
        for word in words:
            yield word, number


def index_reduce(word: str, numbers: list[int]) -> list[int]:
    """Return the files in order; one that was cut comes more than once."""
    return sorted(set(numbers))


def lines_of(path: str) -> list[bytes]:
    """Return the lines of a file without their ends."""
    content = Path(path).read_bytes()
    return content.removesuffix(b"\n").split(b"\n") if content else []


def sorted_lines(paths: Iterable[str]) -> Any:
    """Return all lines of files, sorted."""
    lines: list[bytes] = []
    for path in paths:
        lines += lines_of(path)
    lines.sort()
    return lines


def cut(bounds: list[bytes], lines: list[bytes], number: int) -> list[bytes]:
    """Return a block of lines per range."""
    assert number == len(bounds) + 1
    ends = [0, *(bisect_left(lines, b) for b in bounds), len(lines)]
    return [
        pickle.dumps((place, lines[ends[place] : ends[place + 1]]))
        for place in range(number)
    ]


def merged_lines(blocks: Iterable[bytes]) -> dict[int, bytes]:
    """Return {range: its lines}. They come in sorted runs, which is quick."""
    found: list[bytes] = []
    place = 0
    for block in blocks:
        place, lines = pickle.loads(block)
        found += lines
    found.sort()
    return {place: b"\n".join(found)} if found else {}


def sort_reduce(place: int, lines: list[bytes]) -> bytes:
    """Return the lines of a range in order."""
    return b"\n".join(sorted(lines))


KINDS: dict[str, type[Work]] = {"words": Work, "index": Index, "sort": Sort}


def of_kind(kind: str, work: Work) -> Work:
    """Return other work on the same files, by as many tasks."""
    about = {each.name: getattr(work, each.name) for each in fields(work)}
    return KINDS[kind](**about)
