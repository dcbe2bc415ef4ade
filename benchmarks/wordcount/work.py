"""The input of a word count, and its numbers of workers and tasks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, ClassVar

from minimr.interface.mapreduce import Job
from minimr.shared.mapreduce.corpus import (
    FileSplit,
    default_num_reduce_tasks,
    default_num_splits,
    find_files,
    split_files,
    standard_library,
)
from minimr.shared.mapreduce.wordcount import (
    COMBINED,
    JOBS,
    TEXTBOOK,
    job_named,
)

BOTH = (TEXTBOOK.name, COMBINED.name)  # what `--job both` means


@dataclass(frozen=True)
class Work:
    """A job on files. Travels to every contender."""

    job_name: str
    paths: tuple[str, ...]
    workers: int
    map_tasks: int
    reduce_tasks: int

    title: ClassVar[str] = "Word count"

    @property
    def job(self) -> Job:
        """The job, looked up where it runs."""
        return JOBS[self.job_name]

    @cached_property
    def splits(self) -> list[FileSplit]:
        """The same splits for everyone that takes splits."""
        return split_files(self.paths, self.map_tasks)

    @cached_property
    def total_bytes(self) -> int:
        """The size of all files."""
        return sum(map(os.path.getsize, self.paths))

    def summary(self, result: Any) -> dict[str, Any]:
        """Return what is compared of a result, once it is in the driver."""
        return summary(result)


def plan(
    job_name: str,
    paths: Sequence[str],
    workers: int,
    map_tasks: int | None = None,
    reduce_tasks: int | None = None,
) -> Work:
    """Return the work; defaults are chosen as `minimr wordcount` does.

    Raises:
        InputError: there is nothing to count, or a package is missing.
    """
    job_named(job_name)
    files = tuple(find_files(paths) if paths else standard_library())
    size = sum(map(os.path.getsize, files))
    return Work(
        job_name,
        files,
        workers,
        map_tasks or default_num_splits(size, workers),
        reduce_tasks or default_num_reduce_tasks(size, workers),
    )


def summary(counts: Mapping[str, int]) -> dict[str, Any]:
    """Return sums over counts, and a fingerprint to compare them by.

    The fingerprint is a sum of hashes, which does not depend on the order.
    So no sorted copy is needed, which would count in the peak of memory.
    """
    total = 0
    for word, number in counts.items():
        line = f"{word}\t{number}".encode("utf-8", "surrogatepass")
        total += int.from_bytes(blake2b(line, digest_size=16).digest(), "big")
    return {
        "words": sum(counts.values()),
        "distinct_words": len(counts),
        "fingerprint": f"{total % 2**128:032x}",
    }
