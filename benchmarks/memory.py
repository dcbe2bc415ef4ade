"""`python -m benchmarks memory`: what a larger file costs a worker.

    for each size: generate a file ─> for each job: fresh workers, one run
                   ─> the largest worker's peak ─> delete the file

A worker reads its split in blocks, so its peak should depend on the split
and on the distinct words, and not on the file.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import asdict, dataclass
from typing import Any

import click

from benchmarks.common import tables
from benchmarks.common.generate import write_text
from benchmarks.common.options import AT_LEAST_ONE, output_file, tell
from benchmarks.wordcount.work import BOTH, Work, plan
from minimr.shared.mapreduce.wordcount import JOBS
from minimr.sockets.mapreduce import MapReduce

UNITS = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
HEADS = ("job", "file MB", "Mwords", "distinct", "map tasks", "reduce tasks",
         "split MB", "seconds", "MB/s", "worker peak MB",
         "of the smallest's")  # fmt: skip


@dataclass(frozen=True)
class Footprint:
    """One run."""

    job: str
    file_bytes: int
    words: int
    distinct_words: int
    map_tasks: int
    reduce_tasks: int
    split_bytes: int
    seconds: float
    worker_peak_rss_bytes: int


def sizes(
    context: click.Context, option: click.Parameter, value: str
) -> list[int]:
    """Return the sizes in `64MB,1GB`, in ascending order."""
    found = []
    for part in value.split(","):
        match = re.fullmatch(r"(\d+)(kB|MB|GB|)", part)
        if match is None or int(match[1]) == 0:
            raise click.BadParameter(f"{part!r} is not a size such as 64MB")
        found.append(int(match[1]) * UNITS[match[2]])
    return sorted(found)


@click.command()
@click.option(
    "--sizes",
    "file_sizes",
    default="64MB,256MB,1GB",
    show_default=True,
    callback=sizes,
)
@click.option(
    "--job",
    "job_name",
    default="both",
    show_default=True,
    type=click.Choice([*JOBS, "both"]),
)
@click.option("--workers", default=2, show_default=True, type=AT_LEAST_ONE)
@click.option("--seed", default=0, show_default=True, help="Of the text.")
@output_file("--json", "Write machine and every run.")
def memory(**chosen: Any) -> None:
    """Show how the memory of workers depends on the size of a file.

    The files are generated in a temporary folder and deleted. Numbers of
    tasks are those that `minimr wordcount` chooses.
    """
    jobs = list(BOTH) if chosen["job_name"] == "both" else [chosen["job_name"]]
    footprints = []
    for size in chosen["file_sizes"]:
        with tempfile.TemporaryDirectory(prefix="minimr-") as folder:
            path = os.path.join(folder, "words.txt")
            words = write_text(path, size, chosen["seed"])
            tell(f"wrote {tables.megabytes(size)} MB, {words:,} words")
            for job_name in jobs:
                work = plan(job_name, [path], chosen["workers"])
                footprints.append(measure(work, words))
                tell(_in_words(footprints[-1]))
    footprints.sort(key=lambda f: (f.job, f.file_bytes))
    tables.show(
        f"engine minimr, {chosen['workers']} workers, fresh for each run",
        HEADS,
        [_cells(each, footprints) for each in footprints],
    )
    if chosen["json"]:
        results = list(map(asdict, footprints))
        tables.write_json(
            chosen["json"], "memory", settings=chosen, results=results
        )


def measure(work: Work, words: int) -> Footprint:
    """Count with workers that have done nothing yet.

    Raises:
        ClickException: the counts do not add up to the words.
    """
    with MapReduce(work.workers) as engine:
        result = engine.run(work.job, work.splits, work.reduce_tasks)
        totals = result.apply(_totals)
        result.close()
    counted = sum(total for total, _ in totals)
    if counted != words:
        raise click.ClickException(f"{counted:,} words counted, not {words:,}")
    return Footprint(
        work.job_name,
        work.total_bytes,
        words,
        sum(distinct for _, distinct in totals),
        work.map_tasks,
        work.reduce_tasks,
        work.total_bytes // work.map_tasks,
        result.stats.seconds,
        result.stats.worker_peak_rss_bytes,
    )


def _totals(output: dict[str, int]) -> tuple[int, int]:
    return sum(output.values()), len(output)


def _in_words(footprint: Footprint) -> str:
    peak = tables.megabytes(footprint.worker_peak_rss_bytes)
    return f"{footprint.job}: {footprint.seconds:.1f} s, worker peak {peak} MB"


def _cells(footprint: Footprint, all_of_them: list[Footprint]) -> list[str]:
    smallest = next(f for f in all_of_them if f.job == footprint.job)
    peak = footprint.worker_peak_rss_bytes
    return [
        footprint.job,
        tables.megabytes(footprint.file_bytes),
        f"{footprint.words / 1e6:.1f}",
        f"{footprint.distinct_words:,}",
        str(footprint.map_tasks),
        str(footprint.reduce_tasks),
        f"{footprint.split_bytes / 1e6:.1f}",
        tables.seconds(footprint.seconds),
        f"{footprint.file_bytes / footprint.seconds / 1e6:.1f}",
        tables.megabytes(peak),
        tables.ratio(peak / smallest.worker_peak_rss_bytes),
    ]
