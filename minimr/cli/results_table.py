"""What a run has cost: one row of the table, one object of the JSON."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass

from minimr.cli.console import say, show_columns
from minimr.interface.mapreduce import Stats
from minimr.system import machine
from minimr.system.files import atomic_writer


@dataclass
class Measured:
    """One engine's row. `seconds` are of the job, without the start."""

    engine: str
    job: str
    seconds: float
    startup_seconds: float
    map_seconds: float
    reduce_seconds: float
    map_tasks: int
    reduce_tasks: int
    reruns: int
    shuffle_bytes: int
    worker_peak_rss_bytes: int
    first_map_seconds: float  # from the start of this command
    words: int = 0
    distinct_words: int = 0
    input_bytes: int = 0
    identical: bool | None = None  # None: compared with nothing

    @classmethod
    def of(
        cls, engine: str, job: str, stats: Stats, startup_seconds: float
    ) -> Measured:
        """Return the row of a run."""
        return cls(
            engine=engine,
            job=job,
            seconds=stats.seconds,
            startup_seconds=startup_seconds,
            map_seconds=stats.map_seconds,
            reduce_seconds=stats.reduce_seconds,
            map_tasks=stats.map_tasks,
            reduce_tasks=stats.reduce_tasks,
            reruns=stats.reruns,
            shuffle_bytes=stats.shuffle_bytes,
            worker_peak_rss_bytes=stats.worker_peak_rss_bytes,
            first_map_seconds=_since_process_start(stats.first_map_at),
        )


def write_json(path: str, rows: list[Measured]) -> None:
    """Write a list, one object per engine: the whole file, or nothing."""
    with atomic_writer(path) as file:
        json.dump([asdict(row) for row in rows], file, indent=2)
        file.write("\n")


def table(rows: list[Measured]) -> None:
    """Print the rows side by side."""
    serial = next((r.seconds for r in rows if r.engine == "serial"), None)
    show_columns([_HEAD, *(_cells(row, serial) for row in rows)])
    say("")


_HEAD = (
    "engine",
    "start s",
    "job s",
    "words/s",
    "MB/s",
    "tasks",
    "re-runs",
    "shuffled MB",
    "worker peak MB",
    "of serial",
)


def _cells(row: Measured, serial: float | None) -> tuple[str, ...]:
    seconds = max(row.seconds, 1e-9)
    return (
        row.engine,
        f"{row.startup_seconds:.2f}",
        f"{row.seconds:.2f}",
        f"{row.words / seconds:,.0f}",
        f"{row.input_bytes / seconds / 1e6:.1f}",
        f"{row.map_tasks} + {row.reduce_tasks}",
        f"{row.reruns}",
        f"{row.shuffle_bytes / 1e6:.1f}",
        f"{row.worker_peak_rss_bytes / 1e6:.0f}",
        "-" if serial is None else f"{row.seconds / max(serial, 1e-9):.2f}",
    )


def _since_process_start(moment: float) -> float:
    return max(0.0, moment - _process_started_at()) if moment else 0.0


def _process_started_at() -> float:
    """Return the `time.time()` at which this process began."""
    try:  # exact to 10 ms; psutil is exact to a second only
        ticks = int(machine.stat_of()[machine.BORN])
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        age = now - ticks / os.sysconf("SC_CLK_TCK")
        return time.time() - age
    except (OSError, AttributeError):
        import psutil

        return float(psutil.Process().create_time())
