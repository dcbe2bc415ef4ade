"""The tables of a scaling run."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.common import tables
from benchmarks.scaling import summary
from benchmarks.scaling.store import Point
from benchmarks.scaling.summary import Row
from benchmarks.scaling.workloads import WORKLOADS

HEADS = ("engine", "nodes", "s", "min-max", "speed-up", "efficiency", "Amdahl",
         "per s", "sent MB", "CPU s", "MB/node", "exact")  # fmt: skip
FAILURE_HEADS = ("engine", "workload", "calm s", "with a death s", "times",
                 "re-runs", "exact")  # fmt: skip


def show(points: Sequence[Point]) -> None:
    """Print a table per workload, and one of the failures."""
    rows = summary.rows(points)
    for name, workload in WORKLOADS.items():
        mine = [row for row in rows if row.workload == name]
        if mine:
            kind = "weak" if workload.weak else "strong"
            tables.show(
                f"{workload.title} ({kind} scaling, {workload.unit} per s)",
                HEADS,
                [cells(row, rows) for row in mine],
            )
    failures = [failure_cells(p) for p in points if p.key.kind == "failure"]
    if failures:
        tables.show("one node of all killed half-way", FAILURE_HEADS, failures)


def cells(row: Row, rows: Sequence[Row]) -> list[str]:
    """Return the cells of a row."""
    law = summary.fit(summary.medians(rows, row.engine, row.workload))
    weak = WORKLOADS[row.workload].weak
    return [
        row.engine,
        str(row.nodes),
        tables.seconds(row.seconds.median),
        "-".join(map(tables.seconds, (row.seconds.low, row.seconds.high))),
        tables.ratio(row.speed_up),
        tables.ratio(row.efficiency),
        tables.NOTHING
        if law is None or weak
        else tables.seconds(law.seconds(row.nodes)),
        f"{row.throughput:,.1f}",
        tables.NOTHING
        if row.wire_bytes is None
        else f"{row.wire_bytes / 1e6:.1f}",
        f"{row.cpu_seconds:.2f}",
        tables.megabytes(row.memory_bytes),
        "yes" if row.exact else "NO",
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
        tables.ratio(hurt / calm),
        " ".join(reruns),
        "yes" if exact else "NO",
    ]
