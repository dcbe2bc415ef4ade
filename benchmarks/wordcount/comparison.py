"""Statistics of a word count benchmark, contender by contender."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.common.tables import NOTHING, megabytes, ratio, seconds
from benchmarks.common.timing import Outcome, Spread

REFERENCE = "loop"  # all counts are compared with its
RIVAL = "ray"

HEADS = ("engine", "run s", "min-max", "merged s", "min-max", "run\n/loop",
         "merged\n/loop", "run\n/ray", "merged\n/ray", "Mwords/s", "MB/s",
         "peak MB", "identical")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A contender in numbers; the ratios are of medians."""

    engine: str
    startup_seconds: float
    run: Spread
    merged: Spread
    run_to_loop: float | None
    merged_to_loop: float | None
    run_to_ray: float | None
    merged_to_ray: float | None
    words_per_second: float
    bytes_per_second: float
    worker_peak_rss_bytes: int
    identical: bool | None  # None: no loop to compare with


def compare(
    outcome: Outcome,
    names: Iterable[str],
    startup: Mapping[str, float],
    total_bytes: int,
) -> list[Row]:
    """Return a row per contender that has not failed, the fastest first."""
    fit = [
        name
        for name in names
        if name in startup and name not in outcome.failures
    ]
    rows = []
    for name in fit:
        run = outcome.spread(name, "run")
        merged = outcome.spread(name, "merged")
        facts = [sample.facts for sample in outcome.samples(name)]
        loop, ray = (
            (outcome.spread(other, "run"), outcome.spread(other, "merged"))
            if other in fit
            else (None, None)
            for other in (REFERENCE, RIVAL)
        )
        rows.append(
            Row(
                name,
                startup[name],
                run,
                merged,
                _quotient(run, loop[0]),
                _quotient(merged, loop[1]),
                _quotient(run, ray[0]),
                _quotient(merged, ray[1]),
                facts[0]["words"] / run.median,
                total_bytes / run.median,
                max(fact["peak_rss_bytes"] for fact in facts),
                _identical(outcome, name, REFERENCE in fit),
            )
        )
    return sorted(rows, key=lambda row: row.run.median)


def cells(row: Row) -> list[str]:
    """Return the cells of a row of the table."""
    return [
        row.engine,
        seconds(row.run.median),
        _range(row.run),
        seconds(row.merged.median),
        _range(row.merged),
        ratio(row.run_to_loop),
        ratio(row.merged_to_loop),
        ratio(row.run_to_ray),
        ratio(row.merged_to_ray),
        f"{row.words_per_second / 1e6:.2f}",
        f"{row.bytes_per_second / 1e6:.1f}",
        megabytes(row.worker_peak_rss_bytes),
        {True: "yes", False: "NO", None: NOTHING}[row.identical],
    ]


def _quotient(spread: Spread, other: Spread | None) -> float | None:
    return None if other is None else spread.median / other.median


def _range(spread: Spread) -> str:
    return f"{seconds(spread.low)}-{seconds(spread.high)}"


def _identical(outcome: Outcome, name: str, known: bool) -> bool | None:
    if not known:
        return None
    prints = {
        measurement.sample.facts["fingerprint"]
        for measurement in outcome.measurements
        if measurement.contender in (name, REFERENCE)
    }
    return len(prints) == 1
