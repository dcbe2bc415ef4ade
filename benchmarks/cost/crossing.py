"""Which number of workers beats a single thread, if any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.common.timing import Spread

Times = Mapping[int, Spread]  # {workers: seconds}


class Crossing(NamedTuple):
    """The fewest workers with which an engine beats a thread."""

    engine: str
    thread: str
    workers: int | None  # None: no number that was measured does


def crossings(
    threads: Mapping[str, Spread], engines: Mapping[str, Times]
) -> list[Crossing]:
    """Return one crossing per engine and thread. Medians are compared."""
    return [
        Crossing(engine, thread, _fewest(times, threads[thread]))
        for thread in threads
        for engine, times in engines.items()
    ]


def _fewest(times: Times, thread: Spread) -> int | None:
    faster = (n for n, each in times.items() if each.median < thread.median)
    return min(faster, default=None)
