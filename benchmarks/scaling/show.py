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

HEADS = ("engine", "nodes", "s", "min-max", "CPU s", "min-max", "speed-up",
         "efficiency", "min-max", "of CPU s", "min-max", "Amdahl", "per s",
         "sent MB", "MB/node", "exact")  # fmt: skip
FAILURE_HEADS = ("engine", "workload", "calm s", "with a death s", "times",
                 "min-max", "re-runs", "exact")  # fmt: skip
SHARE_HEADS = ("nodes", "asked of a core", "got", "min-max",
               "speed per CPU s", "min-max")  # fmt: skip
SPREAD = "min-max: the least and the most of the rounds; the rest are medians"
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
                [cells(row, rows) for row in mine],
                [SPREAD, *above(mine)],
            )
    failures = [failure_cells(p) for p in points if p.key.kind == "failure"]
    if failures:
        title = "one node of all killed half-way"
        tables.show(title, FAILURE_HEADS, failures, [SPREAD])
    shares = [share_cells(share) for share in quota.shares(points)]
    if shares:
        tables.show(SPUN, SHARE_HEADS, shares, [SPREAD])


def cells(row: Row, rows: Sequence[Row]) -> list[str]:
    """Return the cells of a row."""
    law = summary.fit(summary.medians(rows, row.engine, row.workload))
    weak = WORKLOADS[row.workload].weak
    mark = "*" if row.is_above else ""
    return [
        row.engine,
        str(row.nodes),
        *spread(row.seconds, tables.seconds),
        *spread(row.cpu_seconds, tables.seconds),
        spread(row.speed_up)[0],
        mark + spread(row.efficiency)[0],
        spread(row.efficiency)[1],
        *spread(row.cpu_efficiency),
        tables.NOTHING
        if law is None or weak
        else tables.seconds(law.seconds(row.nodes)),
        f"{row.throughput:,.1f}",
        tables.NOTHING
        if row.wire_bytes is None
        else f"{row.wire_bytes / 1e6:.1f}",
        tables.megabytes(row.memory_bytes),
        "yes" if row.exact else "NO",
    ]


def above(rows: Sequence[Row]) -> list[str]:
    """Return why efficiencies of a workload are above what can be."""
    ones = {row.engine: row for row in rows if row.nodes == 1}
    return [
        f"* {summary.why_above(row, ones[row.engine])}"
        for row in rows
        if row.is_above
    ]


def spread(
    values: Spread | None, text: Callable[[float], str] = tables.ratio
) -> tuple[str, str]:
    """Return the cells of a median, and of its interval."""
    if values is None:
        return tables.NOTHING, tables.NOTHING
    return text(values.median), f"{text(values.low)}-{text(values.high)}"


def times(point: Point) -> Spread:
    """Return a job with a death, of the undisturbed time."""
    return Spread.of([r["seconds"] / r["calm_seconds"] for r in point.rounds])


def share_cells(share: Share) -> list[str]:
    """Return the cells of what spinning processes got."""
    return [
        str(share.nodes),
        f"{share.asked:.3f}",
        *spread(share.got, "{:.3f}".format),
        *spread(share.speed),
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
        *spread(times(point)),
        " ".join(reruns),
        "yes" if exact else "NO",
    ]
