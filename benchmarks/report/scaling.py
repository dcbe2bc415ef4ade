"""The sections of a scaling run: how fast, what it costs, who dies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.report import draw
from benchmarks.report.content import Figure, Section, Table
from benchmarks.scaling import show, summary
from benchmarks.scaling.store import Point
from benchmarks.scaling.summary import Row
from benchmarks.scaling.workloads import WORKLOADS, Workload
from benchmarks.timing import Spread

LIMIT = 1.6  # times the undisturbed time, when one of five nodes dies


def sections(points: Sequence[Point]) -> Iterator[Section]:
    """Give the overview, a section a workload, and the failures."""
    rows = summary.rows(points)
    if rows:
        yield _overview(rows, points)
    for name, workload in WORKLOADS.items():
        mine = [row for row in rows if row.workload == name]
        if mine:
            yield _workload(workload, mine)
    failures = [point for point in points if point.key.kind == "failure"]
    if failures:
        yield _failures(failures)


def _overview(rows: Sequence[Row], points: Sequence[Point]) -> Section:
    most = max(row.nodes for row in rows)
    groups: dict[str, dict[str, Spread]] = {}
    for row in rows:
        if row.nodes == most and row.efficiency is not None:
            scale = row.efficiency * row.seconds.median
            group = groups.setdefault(_short(row.workload), {})
            group[row.engine] = Spread(
                row.efficiency,
                scale / row.seconds.high,
                scale / row.seconds.low,
            )
    labs = sorted({point.lab for point in points})
    section = Section(f"From one node to {most}")
    section.notes = [f"The nodes: {'; '.join(labs)}."]
    if most > 1 and groups:
        title = f"Efficiency on {most} nodes (1 is ideal)"
        png = draw.bars(groups, title, "efficiency", 1.0)
        section.figures.append(Figure("efficiency", _best(groups, most), png))
    return section


def _short(workload: str) -> str:
    """Name a workload below its bars, its second half in a second line."""
    head, _, tail = workload.partition("-")
    return f"{head}:{tail.replace('-', ' ')}" if tail else head


def _best(groups: dict[str, dict[str, Spread]], most: int) -> str:
    parts = []
    for name, group in groups.items():
        each = ", ".join(f"{e} {v.median:.2f}" for e, v in group.items())
        parts.append(f"{name.replace(':', ' ')}: {each}")
    return f"What is left of {most} nodes' speed; {'; '.join(parts)}."


def _workload(workload: Workload, rows: Sequence[Row]) -> Section:
    kind = "weak scaling" if workload.weak else "strong scaling"
    title = f"{workload.title[0].upper()}{workload.title[1:]}: {kind}"
    section = Section(title)
    engines = list(dict.fromkeys(row.engine for row in rows))
    seconds = {e: {r.nodes: r.seconds for r in rows if r.engine == e}
               for e in engines}  # fmt: skip
    if len({row.nodes for row in rows}) > 1:
        png = draw.lines(_panels(workload, rows, seconds), title)
        sentence = _sentence(workload, rows)
        section.figures.append(Figure(workload.name, sentence, png))
    section.tables.append(
        Table(show.HEADS, [show.cells(row, rows) for row in rows])
    )
    if not workload.weak:
        section.notes += filter(None, (_law(rows, e) for e in engines))
    return section


def _panels(
    workload: Workload,
    rows: Sequence[Row],
    seconds: dict[str, dict[int, Spread]],
) -> list[draw.Panel]:
    nodes = sorted({row.nodes for row in rows})
    time = draw.Panel(
        "seconds (median, min-max)",
        [draw.Line(engine, points) for engine, points in seconds.items()],
    )
    faster = []
    for engine, points in seconds.items():
        mine = [row for row in rows if row.engine == engine and row.speed_up]
        medians = {n: spread.median for n, spread in points.items()}
        law = None if workload.weak else summary.fit(medians)
        one = medians.get(1)
        fitted = (
            {n: one / law.seconds(n) for n in nodes} if law and one else {}
        )
        faster.append(draw.Line(engine, {r.nodes: _speed(r) for r in mine},
                                fitted))  # fmt: skip
    ideal = {n: float(n) for n in nodes}
    dotted = "" if workload.weak else ", dotted: Amdahl"
    title = f"speed-up (dashed: ideal{dotted})"
    return [time, draw.Panel(title, faster, ideal)]


def _speed(row: Row) -> Spread:
    assert row.speed_up is not None
    scale = row.speed_up * row.seconds.median
    return Spread(
        row.speed_up, scale / row.seconds.high, scale / row.seconds.low
    )


def _sentence(workload: Workload, rows: Sequence[Row]) -> str:
    most = max(row.nodes for row in rows)
    last = [r for r in rows if r.nodes == most and r.speed_up is not None]
    each = ", ".join(
        f"{row.engine} {row.speed_up:.2f} times as fast" for row in last
    )
    what = "as one does a part of it" if workload.weak else "as one"
    return f"{most} nodes against one: {each} ({what}); {most} is ideal."


def _law(rows: Sequence[Row], engine: str) -> str:
    medians = summary.medians(rows, engine, rows[0].workload)
    law = summary.fit(medians)
    if law is None:
        return ""
    text = (
        f"{engine}: Amdahl's law fits with {law.serial_seconds:.3f} s that "
        f"do not shrink, {law.serial_part:.1%} of one node's time"
    )
    more = summary.one_more(medians) if len(medians) > 2 else None
    if more is not None:
        text += (
            f"; from the points before, it predicts {more[0]:.2f} s for "
            f"{max(medians)} nodes, and {more[1]:.2f} s were measured"
        )
    return f"{text}."


def _failures(points: Sequence[Point]) -> Section:
    section = Section("One node killed half-way")
    groups: dict[str, dict[str, Spread]] = {}
    for point in points:
        times = [
            each["seconds"] / each["calm_seconds"] for each in point.rounds
        ]
        group = groups.setdefault(point.key.workload, {})
        group[point.key.engine] = Spread.of(times)
    title = "Time with one node killed half-way, of the undisturbed time"
    png = draw.bars(groups, title, "times", LIMIT)
    nodes = max(point.key.nodes for point in points)
    ideal = f"{0.5 + 0.5 * nodes / (nodes - 1):.2f}" if nodes > 1 else "?"
    worst = {e: max(g[e].median for g in groups.values() if e in g)
             for e in {point.key.engine for point in points}}  # fmt: skip
    each = ", ".join(f"{e} at most {t:.2f}" for e, t in sorted(worst.items()))
    section.figures.append(
        Figure(
            "failures",
            f"A job that loses one of {nodes} nodes half-way takes at least "
            f"{ideal} times as long; in the median {each}; the dashed line "
            f"is at {LIMIT}.",
            png,
        )
    )
    section.tables.append(
        Table(show.FAILURE_HEADS, [show.failure_cells(p) for p in points])
    )
    left = median(
        sum(1 for each in point.rounds if not each["killed"])
        for point in points
    )
    if left:
        section.notes.append("Some jobs had ended before their node died.")
    return section
