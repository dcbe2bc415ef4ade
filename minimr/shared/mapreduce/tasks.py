"""What a map task and a reduce task compute, the same on every rung.

`minimr/sockets/mapreduce.py` and `ray_impl/mapreduce.py` show where they run,
and how blocks get from one to the other.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from minimr.interface.mapreduce import Job, Stats, task_counters
from minimr.shared.mapreduce.shuffle import group, partition
from minimr.system import machine

# A task makes millions of small lists and hardly any cycles: looking for
# cycles at the usual rate doubles the time of a reduce task.
RELAXED_GC = (200_000, 10, 10)


@dataclass
class TaskReport:
    """What one attempt of a task cost. Travels with its result."""

    pid: int = field(default_factory=lambda: machine.pid())
    started_at: float = field(default_factory=lambda: machine.time())
    seconds: float = 0.0
    shuffle_bytes: int = 0  # blocks that a reduce task read
    peak_rss_bytes: int = 0  # of the process, since it began
    attempt: int = 0  # 0 the first time
    counters: Counter[str] = field(default_factory=Counter)


def do_map_task(
    job: Job, split: Any, num_reduce_tasks: int
) -> tuple[list[bytes], TaskReport]:
    """Apply the map function to a split; return a block per reduce task."""
    with _measured() as report:
        to_blocks = job.partition or partition
        blocks = to_blocks(job.map_function(split), num_reduce_tasks)
    return blocks, report


def do_reduce_task(
    job: Job, blocks: Iterable[bytes]
) -> tuple[dict[Any, Any], TaskReport]:
    """Group the blocks of a partition by key; return each key's result."""
    with _measured() as report:
        weighed = _weighed(blocks, report)
        if job.reduce_blocks is not None:
            output = job.reduce_blocks(weighed)
        else:
            output = {
                key: job.reduce_function(key, values)
                for key, values in group(weighed).items()
            }
    return output, report


def add_reports(
    stats: Stats, maps: Iterable[TaskReport], reduces: Iterable[TaskReport]
) -> None:
    """Add up the attempts that counted, one report per task."""
    maps, reduces = list(maps), list(reduces)
    stats.map_tasks, stats.reduce_tasks = len(maps), len(reduces)
    started = [report.started_at for report in maps]
    stats.first_map_at = min(started, default=0.0)
    for report in (*maps, *reduces):
        stats.shuffle_bytes += report.shuffle_bytes
        stats.counters.update(report.counters)
        stats.worker_peak_rss_bytes = max(
            stats.worker_peak_rss_bytes, report.peak_rss_bytes
        )


@contextmanager
def _measured() -> Iterator[TaskReport]:
    report = TaskReport()
    usual = gc.get_threshold()
    gc.set_threshold(*RELAXED_GC)
    token = task_counters.set(report.counters)
    start = machine.monotonic()
    try:
        yield report
    finally:
        task_counters.reset(token)
        gc.set_threshold(*usual)
        report.seconds = machine.monotonic() - start
        report.peak_rss_bytes = machine.peak_rss_bytes()


def _weighed(blocks: Iterable[bytes], report: TaskReport) -> Iterator[bytes]:
    for block in blocks:
        report.shuffle_bytes += len(block)
        yield block


def say_nothing(seconds: float) -> None:
    """Sleep. A task that loads this module, and keeps its worker busy."""
    machine.sleep(seconds)
