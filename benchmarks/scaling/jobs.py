"""The jobs that the driver in the lab runs, on any engine.

Every function returns the seconds of the job itself and a check: numbers that
must be the same on every engine, whichever nodes have died meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from minimr.interface.mapreduce import Job, MapReduce
from minimr.shared.mapreduce.corpus import split_files
from minimr.shared.mapreduce.wordcount import COMBINED

Check = dict[str, int]
PIECES_PER_REDUCE_TASK = 4


def count_words(
    engine: MapReduce, paths: list[str], map_tasks: int, reduce_tasks: int
) -> dict[str, Any]:
    """Count the words of files; the counts stay on the workers."""
    splits = split_files(paths, map_tasks)
    return _timed(engine, COMBINED, splits, reduce_tasks, check_counts)


def sleep(engine: MapReduce, tasks: int, seconds: float) -> dict[str, Any]:
    """Run map tasks that only sleep."""
    job = Job("sleep", _slept, _total)
    return _timed(engine, job, [seconds] * tasks, 1, check_numbers)


def shuffle(
    engine: MapReduce, size: int, map_tasks: int, reduce_tasks: int
) -> dict[str, Any]:
    """Send bytes from all map tasks to all reduce tasks."""
    pieces = PIECES_PER_REDUCE_TASK * reduce_tasks
    length = size // (map_tasks * pieces)
    job = Job("shuffle", Pieces(pieces, length), _lengths)
    splits = list(range(map_tasks))
    return _timed(engine, job, splits, reduce_tasks, check_numbers)


@dataclass(frozen=True)
class Pieces:
    """A map function that makes pieces of bytes for every reduce task."""

    number: int
    length: int

    def __call__(self, split: int) -> Iterator[tuple[int, bytes]]:
        """Yield pairs (number of the piece, bytes)."""
        for piece in range(self.number):
            yield piece, bytes(self.length)


def check_counts(counts: Mapping[str, int]) -> Check:
    """Return sums over counts, which add up over partitions."""
    lines = (
        f"{word}\t{number}".encode("utf-8", "surrogatepass")
        for word, number in counts.items()
    )
    return {
        "words": sum(counts.values()),
        "distinct": len(counts),
        "hashes": sum(map(crc32, lines)),
    }


def check_numbers(output: Mapping[Any, int]) -> Check:
    """Return the sum of results that are numbers."""
    return {"sum": sum(output.values())}


def add_up(checks: Sequence[Check]) -> Check:
    """Return the checks of all partitions as one."""
    return {name: sum(c[name] for c in checks) for name in checks[0]}


def _timed(
    engine: MapReduce,
    job: Job,
    splits: Sequence[Any],
    reduce_tasks: int,
    check: Callable[[Any], Check],
) -> dict[str, Any]:
    start, used = time.perf_counter(), time.process_time()
    result = engine.run(job, splits, reduce_tasks)
    seconds = time.perf_counter() - start
    used = time.process_time() - used
    checked = add_up(result.apply(check))
    result.close()
    stats = result.stats
    return {
        "seconds": seconds,
        "driver_cpu_seconds": used,
        "check": checked,
        "map_seconds": stats.map_seconds,
        "reruns": stats.reruns,
        "shuffle_bytes": stats.shuffle_bytes,
    }


def _slept(seconds: float) -> Mapping[str, int]:
    time.sleep(seconds)
    return {"slept": 1}


def _total(key: str, ones: list[int]) -> int:
    return sum(ones)


def _lengths(key: int, pieces: list[bytes]) -> int:
    return sum(map(len, pieces))
