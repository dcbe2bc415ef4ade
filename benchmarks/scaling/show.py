"""The tables of a scaling run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.common import tables
from benchmarks.common.timing import Spread
from benchmarks.scaling import quota, summary
from benchmarks.scaling.quota import Share
from benchmarks.scaling.store import Point
from benchmarks.scaling.summary import Row
from benchmarks.scaling.workloads import WORKLOADS

HEADS = ("engine", "nodes", "s", "CPU s", "efficiency",
         "efficiency\nby CPU s", "per s", "sent\nMB", "MB/\nnode",
         "exact")  # fmt: skip
FAILURE_HEADS = ("engine", "workload", "calm s", "with a death s", "times",
                 "re-runs", "exact")  # fmt: skip
SHARE_HEADS = ("nodes", "asked of a core", "got", "speed per CPU s")
SPREAD = "medians, in brackets the least and the most of the rounds"
SPUN = "A process spins on each node: what it gets of a core, and how fast"


def show(points: Sequence[Point]) -> None:
    """Print a table per workload, of the failures, and of the shares."""
    rows = summary.rows(points)
    for name, workload in WORKLOADS.items():
        mine = [row for row in rows if row.workload == name]
        if mine:
            kind = "weak" if workload.weak else "strong"
            tables.show(
                f"{workload.title} ({kind} scaling, {workload.unit} per s)",
                HEADS,
                [cells(row) for row in mine],
                [SPREAD, *above(mine)],
            )
    failures = [failure_cells(p) for p in points if p.key.kind == "failure"]
    if failures:
        title = "one node of all killed half-way"
        tables.show(title, FAILURE_HEADS, failures, [SPREAD])
    shares = [share_cells(share) for share in quota.shares(points)]
    if shares:
        tables.show(SPUN, SHARE_HEADS, shares, [SPREAD])


def cells(row: Row) -> list[str]:
    """Return the cells of a row."""
    mark = "*" if row.is_above else ""
    return [
        row.engine,
        str(row.nodes),
        spread(row.seconds, tables.seconds),
        spread(row.cpu_seconds, tables.seconds),
        mark + spread(row.efficiency),
        spread(row.cpu_efficiency),
        f"{row.throughput:,.1f}",
        tables.NOTHING
        if row.wire_bytes is None
        else f"{row.wire_bytes / 1e6:.1f}",
        tables.megabytes(row.memory_bytes),
        "yes" if row.exact else "NO",
    ]


def above(rows: Sequence[Row]) -> list[str]:
    """Return why efficiencies are above what can be."""
    ones = {(r.engine, r.workload): r for r in rows if r.nodes == 1}
    return [
        f"* {summary.why_above(row, ones[row.engine, row.workload])}"
        for row in rows
        if row.is_above
    ]


def spread(
    values: Spread | None, text: Callable[[float], str] = tables.ratio
) -> str:
    """Return the cell of a median and its interval."""
    if values is None:
        return tables.NOTHING
    low, high = text(values.low), text(values.high)
    return f"{text(values.median)} ({low}-{high})"


def times(point: Point) -> Spread:
    """Return a job with a death, of the undisturbed time."""
    return Spread.of([r["seconds"] / r["calm_seconds"] for r in point.rounds])


def share_cells(share: Share) -> list[str]:
    """Return the cells of what spinning processes got."""
    return [
        str(share.nodes),
        f"{share.asked:.3f}",
        spread(share.got, "{:.3f}".format),
        spread(share.speed),
    ]


def failure_cells(point: Point) -> list[str]:
    """Return the cells of a row of the failures."""
    calm = median(each["calm_seconds"] for each in point.rounds)
    hurt = median(each["seconds"] for each in point.rounds)
    reruns = [str(each["reruns"]) for each in point.rounds]
    exact = all(each["exact"] for each in point.rounds)
    return [
        point.key.engine,
        point.key.workload,
        tables.seconds(calm),
        tables.seconds(hurt),
        spread(times(point)),
        " ".join(reruns),
        "yes" if exact else "NO",
    ]
