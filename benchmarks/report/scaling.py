"""The sections of a scaling run: speed, cost, failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.common import tables
from benchmarks.common.timing import Spread
from benchmarks.report import draw
from benchmarks.report.content import Figure, Section, Table
from benchmarks.scaling import quota, show, summary
from benchmarks.scaling.store import Point
from benchmarks.scaling.summary import Row
from benchmarks.scaling.workloads import ENGINES, WORKLOADS, Workload

LAW = (
    "Amdahl's law, T(N) = a + b / N, through the points before the last: "
    "what it says of the last node, what that brought, and what one more "
    "would bring by the law through all points."
)
LAW_HEADS = ("workload", "engine", "a, s", "b, s", "a / (a + b)", "nodes",
             "predicted s", "measured s", "one more s")  # fmt: skip
LIMIT = 1.6  # times the undisturbed time, when one of five nodes dies


def sections(points: Sequence[Point]) -> Iterator[Section]:
    """Yield the overview, a section per workload, and the failures."""
    rows = summary.rows(points)
    if rows:
        yield _overview(rows, points)
    for name, workload in WORKLOADS.items():
        mine = [row for row in rows if row.workload == name]
        if mine:
            yield _workload(workload, mine, _work(points, name))
    law = _one_node_more(rows)
    if law.rows:
        yield Section("One node more, and Amdahl's law", [LAW], tables=[law])
    failures = [point for point in points if point.key.kind == "failure"]
    if failures:
        yield _failures(sorted(failures, key=_place))


def _place(point: Point) -> tuple[int, int]:
    """Return the sort key of a point: usual order of workloads, engines."""
    names = list(WORKLOADS)
    return names.index(point.key.workload), ENGINES.index(point.key.engine)


def _overview(rows: Sequence[Row], points: Sequence[Point]) -> Section:
    most = max(row.nodes for row in rows)
    last = [row for row in rows if row.nodes == most > 1]
    section = Section(f"From one node to {most}")
    section.notes = [f"The ground: {ground}." for ground in _grounds(points)]
    section.notes += [f"Everywhere: {draw.WHISKERS}.", _load(points)]
    for name, what, values in (
        ("efficiency", "seconds", [row.efficiency for row in last]),
        ("cpu-efficiency", "CPU s", [row.cpu_efficiency for row in last]),
    ):
        groups: dict[str, dict[str, Spread]] = {}
        for row, value in zip(last, values, strict=True):
            if value is not None:
                group = groups.setdefault(_short(row.workload), {})
                group[row.engine] = value
        if groups:
            title = f"Efficiency of {most} nodes by {what} (1 is ideal)"
            png = draw.bars(groups, title, "efficiency", 1.0)
            section.figures.append(Figure(name, _best(groups, what), png))
    shares = [show.share_cells(share) for share in quota.shares(points)]
    if shares:
        section.tables.append(Table(show.SHARE_HEADS, shares, show.SPUN))
    return section


def _load(points: Sequence[Point]) -> str:
    loads = summary.loads(points)
    if not loads:
        return ""
    return (
        f"The load average after a round, which counts our own processes: "
        f"{min(loads):.1f} to {max(loads):.1f}."
    )


def _grounds(points: Sequence[Point]) -> list[str]:
    """Return what the nodes were, once for all numbers of them."""
    numbers: dict[str, set[int]] = {}
    for point in points:
        _, _, rest = point.lab.partition(" ")  # "5 network namespaces ..."
        numbers.setdefault(rest, set()).add(point.key.nodes)
    return [
        f"{min(known)} to {max(known)} {rest}"
        for rest, known in numbers.items()
    ]


def _short(workload: str) -> str:
    """Return the label of a workload, its second half after a colon."""
    head, _, tail = workload.partition("-")
    return f"{head}:{tail.replace('-', ' ')}" if tail else head


def _best(groups: dict[str, dict[str, Spread]], what: str) -> str:
    engines = dict.fromkeys(e for group in groups.values() for e in group)
    parts = []
    for engine in engines:
        mine = {w: g[engine].median for w, g in groups.items() if engine in g}
        least = min(mine, key=lambda name: mine[name])
        parts.append(
            f"{engine} {median(mine.values()):.0%} in the median of the "
            f"workloads, and {mine[least]:.0%} at least "
            f"({least.replace(':', ' ')})"
        )
    return f"By {what}, the higher the better: {'; '.join(parts)}."


def _work(points: Sequence[Point], workload: str) -> str:
    """Return how much work there was, on the largest number of nodes."""
    largest = max(
        (p for p in points if p.key.workload == workload),
        key=lambda point: point.key.nodes,
    )
    parts = [
        f"{len(value)} files" if name == "paths"
        else f"{name.replace('_', ' ')} {value:,}"
        for name, value in largest.arguments.items()
    ]  # fmt: skip
    what = f"{largest.units:,.1f} {WORKLOADS[workload].unit}"
    return (
        f"The work on {largest.key.nodes} nodes: {what} ({', '.join(parts)})."
    )


def _workload(workload: Workload, rows: Sequence[Row], work: str) -> Section:
    kind = "weak scaling" if workload.weak else "strong scaling"
    title = f"{workload.title[0].upper()}{workload.title[1:]}: {kind}"
    section = Section(title, [work])
    engines = list(dict.fromkeys(row.engine for row in rows))
    seconds = {e: {r.nodes: r.seconds for r in rows if r.engine == e}
               for e in engines}  # fmt: skip
    used = {e: {r.nodes: r.cpu_seconds for r in rows if r.engine == e}
            for e in engines}  # fmt: skip
    if len({row.nodes for row in rows}) > 1:
        png = draw.lines(_panels(workload, rows, seconds, used), title)
        sentence = _sentence(workload, rows)
        section.figures.append(Figure(workload.name, sentence, png))
    section.tables.append(Table(show.HEADS, [show.cells(row) for row in rows]))
    section.notes += show.above(rows)
    if not workload.weak:
        section.notes += filter(None, (_law(rows, e) for e in engines))
    return section


def _panels(
    workload: Workload,
    rows: Sequence[Row],
    seconds: dict[str, dict[int, Spread]],
    used: dict[str, dict[int, Spread]],
) -> list[draw.Panel]:
    nodes = sorted({row.nodes for row in rows})
    panels = [
        draw.Panel(name, [draw.Line(e, each) for e, each in values.items()])
        for name, values in (("seconds", seconds), ("CPU seconds", used))
    ]
    faster = []
    for engine, points in seconds.items():
        mine = [row for row in rows if row.engine == engine]
        medians = {n: spread.median for n, spread in points.items()}
        law = None if workload.weak else summary.fit(medians)
        one = medians.get(1)
        fitted = (
            {n: one / law.seconds(n) for n in nodes} if law and one else {}
        )
        known = {r.nodes: r.speed_up for r in mine if r.speed_up is not None}
        faster.append(draw.Line(engine, known, fitted))
    ideal = {n: float(n) for n in nodes}
    dotted = "" if workload.weak else " (dotted: Amdahl)"
    return [*panels, draw.Panel(f"speed-up{dotted}", faster, ideal)]


def _sentence(workload: Workload, rows: Sequence[Row]) -> str:
    most = max(row.nodes for row in rows)
    last = [row for row in rows if row.nodes == most]
    each = ", ".join(
        f"{row.engine} {row.speed_up.median:.2f} times as fast"
        for row in last
        if row.speed_up is not None
    )
    what = ", each with as much work as the one" if workload.weak else ""
    return f"{most} nodes against one{what}: {each}; {most} is ideal."


def _one_node_more(rows: Sequence[Row]) -> Table:
    cells = []
    for workload, engine in dict.fromkeys(
        (r.workload, r.engine) for r in rows
    ):
        seconds = summary.medians(rows, engine, workload)
        law, more = summary.fit(seconds), None
        if len(seconds) > 2 and not WORKLOADS[workload].weak:
            more = summary.one_more(seconds)
        if law is not None and more is not None:
            last = max(seconds)
            times = (*more, law.seconds(last + 1))
            cells.append(
                [WORKLOADS[workload].title, engine,
                 tables.seconds(law.serial_seconds),
                 tables.seconds(law.parallel_seconds),
                 f"{law.serial_part:.1%}", str(last),
                 *map(tables.seconds, times)]
            )  # fmt: skip
    return Table(LAW_HEADS, cells)


def _law(rows: Sequence[Row], engine: str) -> str:
    medians = summary.medians(rows, engine, rows[0].workload)
    law = summary.fit(medians)
    if law is None:
        return ""
    return (
        f"{engine}: Amdahl's law fits with {law.serial_seconds:.3f} s that "
        f"do not shrink, {law.serial_part:.1%} of one node's time."
    )


def _failures(points: Sequence[Point]) -> Section:
    section = Section("One node killed half-way")
    groups: dict[str, dict[str, Spread]] = {}
    for point in points:
        group = groups.setdefault(point.key.workload, {})
        group[point.key.engine] = show.times(point)
    title = "Time with one node killed half-way, of the undisturbed time"
    png = draw.bars(groups, title, "times", LIMIT, logarithmic=True)
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
