"""The results of a word count benchmark: table, JSON and picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.common import machine, picture, tables
from benchmarks.common.picture import Bar, Panel
from benchmarks.common.timing import Outcome
from benchmarks.wordcount import comparison
from benchmarks.wordcount.comparison import REFERENCE, Row
from benchmarks.wordcount.work import Work

PARTS = ("counted", "and brought to the driver")
OWN = ("sockets", "minimr")


@dataclass(frozen=True)
class Measured:
    """All about one job."""

    work: Work
    rounds: int
    load_before: float  # what else ran: the load average of a minute
    startup: dict[str, float]
    outcome: Outcome
    rows: list[Row]

    @property
    def is_sound(self) -> bool:
        """Nobody failed, and all counts are identical to the loop's."""
        different = any(row.identical is False for row in self.rows)
        return not (different or self.outcome.failures)


def report(measured: Measured) -> None:
    """Print the table of a job, and notes below it."""
    tables.show(
        f"job {measured.work.job_name}: {_setting(measured)}",
        comparison.HEADS,
        map(comparison.cells, measured.rows),
        _notes(measured),
    )


def as_json(measured: Measured) -> dict[str, Any]:
    """Return all measurements, the warm-up (round 0) included."""
    work, outcome = measured.work, measured.outcome
    return {
        "job": work.job_name,
        "load_before": measured.load_before,
        "files": len(work.paths),
        "bytes": work.total_bytes,
        "workers": work.workers,
        "map_tasks": work.map_tasks,
        "reduce_tasks": work.reduce_tasks,
        "summary": [asdict(row) for row in measured.rows],
        "failures": outcome.why_failed(),
        "measurements": [
            {
                "engine": measurement.contender,
                "round": measurement.round,
                "run_seconds": measurement.sample.seconds["run"],
                "merged_seconds": measurement.sample.seconds["merged"],
                **measurement.sample.facts,
            }
            for measurement in outcome.measurements
        ],
    }


def draw(path: str, measured: Sequence[Measured]) -> None:
    """Draw the medians of all jobs."""
    first = measured[0]
    title = (
        f"Word count: {_input(first.work)}, {first.work.workers} workers, "
        f"median of {first.rounds} rounds\n{machine.in_words(machine.facts())}"
    )
    panels = [_panel(each) for each in measured if each.rows]
    if panels:
        picture.draw(path, title, panels, PARTS)


def _panel(measured: Measured) -> Panel:
    bars = [
        Bar(row.engine, row.run, row.merged, _remark(row), row.engine in OWN)
        for row in measured.rows
    ]
    loops = [row for row in measured.rows if row.engine == REFERENCE]
    loop = loops[0].merged.median if loops else None
    return Panel(f"job {measured.work.job_name}", bars, loop, "loop = 1×")


def _remark(row: Row) -> str:
    if row.identical is False:
        return "  (other counts!)"
    if row.run_to_loop is None or row.engine == REFERENCE:
        return ""
    return f"  ({row.run_to_loop:.2f}×)"


def _notes(measured: Measured) -> Iterator[str]:
    yield (
        "run: until the counts are final; merged: until they are a dict in "
        "the driver too. Ratios, Mwords/s and MB/s are of medians; rates, "
        "of run. peak: memory of the largest worker."
    )
    started = [f"{name} {s:.2f} s" for name, s in measured.startup.items()]
    yield f"started, once, in: {', '.join(started)}"
    yield f"load average before: {measured.load_before:.2f}"
    for name, error in measured.outcome.failures.items():
        yield f"{name} failed: {error}"
    if any(row.identical is False for row in measured.rows):
        yield "identical: NO means counts other than the loop's."


def _setting(measured: Measured) -> str:
    work = measured.work
    return (
        f"{_input(work)}, {work.workers} workers, {work.map_tasks} map and "
        f"{work.reduce_tasks} reduce tasks, {measured.rounds} rounds"
    )


def _input(work: Work) -> str:
    size = tables.megabytes(work.total_bytes)
    return f"{len(work.paths):,} files, {size} MB"
