"""The results of a run as Markdown, for a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.common import tables
from benchmarks.common.machine import in_words
from benchmarks.common.timing import Spread
from benchmarks.scaling import quota, show, summary
from benchmarks.scaling.store import Point
from benchmarks.scaling.summary import Row
from benchmarks.scaling.workloads import WORKLOADS


def markdown(points: Sequence[Point]) -> str:
    """Return the tables of one node and of most, and how they were made."""
    rows = summary.rows(points)
    most = max((row.nodes for row in rows), default=1)
    times = {
        (p.key.engine, p.key.workload): show.times(p)
        for p in points
        if p.key.kind == "failure"
    }
    heads = (
        "work", "engine", "1 node s", f"{most} nodes s", "1 node CPU s",
        f"{most} nodes CPU s", "efficiency", "efficiency by CPU s",
        "a node killed half-way, of undisturbed",
    )  # fmt: skip
    table = tables.markdown(heads, _rows(rows, most, times))
    lines = [*_origin(points), "", *table]
    wrong = sum(not r.get("exact", True) for p in points for r in p.rounds)
    checked = f"{wrong} results were WRONG" if wrong else "All results exact"
    lines += ["", f"{show.SPREAD.capitalize()}. {checked}."]
    shown = [row for row in rows if row.nodes in (1, most)]
    notes = [f"- {note}" for note in show.above(shown)]
    lines += ["", *notes] if notes else []
    shares = [show.share_cells(share) for share in quota.shares(points)]
    if shares:
        lines += ["", f"{show.SPUN}:", ""]
        lines += tables.markdown(show.SHARE_HEADS, shares)
    return "\n".join(lines)


def _rows(
    rows: Sequence[Row], most: int, times: dict[tuple[str, str], Spread]
) -> Iterator[list[str]]:
    ones = {(r.engine, r.workload): r for r in rows if r.nodes == 1}
    for row in rows:
        key = row.engine, row.workload
        if row.nodes == most and key in ones:
            one = ones[key]
            yield [
                WORKLOADS[row.workload].title,
                f"`{row.engine}`",
                show.spread(one.seconds, tables.seconds),
                show.spread(row.seconds, tables.seconds),
                show.spread(one.cpu_seconds, tables.seconds),
                show.spread(row.cpu_seconds, tables.seconds),
                ("*" if row.is_above else "") + show.spread(row.efficiency),
                show.spread(row.cpu_efficiency),
                show.spread(times.get(key)),
            ]


def _origin(points: Sequence[Point]) -> Iterator[str]:
    if not points:
        return
    machine = points[0].machine
    loads = summary.loads(points)
    counts = sorted({len(point.rounds) for point in points})
    versions = machine["packages"].items()
    yield (
        f"`{machine['command']}` on {machine['date'][:10]}: "
        f"{in_words(machine)}, "
        + ", ".join(f"{name} {version}" for name, version in versions)
        + f"; load average after a round, ours included, {min(loads):.1f} "
        f"to {max(loads):.1f}; "
        f"rounds of a point: {' or '.join(map(str, counts))}."
    )
