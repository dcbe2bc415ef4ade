"""Statistics over the points: speed-up, efficiency, Amdahl's law.

    strong   speed-up T(1) / T(N), efficiency speed-up / N
    weak     efficiency T(1) / T(N)
    CPU      efficiency C(1) / C(N), weak N C(1) / C(N), of CPU seconds
    Amdahl   T(N) = a + b / N, the serial part a / (a + b), by least squares

Gene Amdahl, "Validity of the single processor approach to achieving large
scale computing capabilities", AFIPS 1967; John Gustafson, "Reevaluating
Amdahl's law", CACM 1988, for the weak side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.common.timing import Spread
from benchmarks.scaling.store import Key, Point
from benchmarks.scaling.workloads import WORKLOADS

ABOVE = 1.02  # an efficiency that asks for its cause


@dataclass(frozen=True)
class Row:
    """One engine on one workload and a number of nodes."""

    engine: str
    workload: str
    nodes: int
    seconds: Spread
    cpu_seconds: Spread  # of all nodes
    efficiency: Spread | None  # None: no round on one node
    cpu_efficiency: Spread | None
    throughput: float
    wire_bytes: float | None  # sent by all nodes, the median of the rounds
    memory_bytes: float  # of the largest node
    exact: bool

    @property
    def speed_up(self) -> Spread | None:
        """How many times as fast as one node it is."""
        each = self.efficiency
        return each and Spread(
            each.median * self.nodes,
            each.low * self.nodes,
            each.high * self.nodes,
        )

    @property
    def is_above(self) -> bool:
        """Whether its efficiency is more than there should be."""
        return self.efficiency is not None and self.efficiency.median > ABOVE

    @property
    def share(self) -> float:
        """The part of a core that each node used."""
        whole = self.seconds.median * self.nodes
        return self.cpu_seconds.median / whole


def loads(points: Iterable[Point]) -> list[float]:
    """Return the load averages after the rounds, where they are known."""
    return [r["load"] for p in points for r in p.rounds if "load" in r]


@dataclass(frozen=True)
class Fit:
    """Amdahl's law through the points of an engine on a workload."""

    serial_seconds: float  # a
    parallel_seconds: float  # b, on one node

    @property
    def serial_part(self) -> float:
        """The part of one node's time that more nodes do not shorten."""
        whole = self.serial_seconds + self.parallel_seconds
        return self.serial_seconds / whole

    def seconds(self, nodes: int) -> float:
        """Return the predicted time on this many nodes."""
        return self.serial_seconds + self.parallel_seconds / nodes


def rows(points: Iterable[Point]) -> list[Row]:
    """Return a row per point of scaling, in the order of the workloads."""
    wanted = [point for point in points if point.key.kind == "scaling"]
    ones = {
        (p.key.engine, p.key.workload): p for p in wanted if p.key.nodes == 1
    }
    names = list(WORKLOADS)
    return sorted(
        (
            _row(point, ones.get((point.key.engine, point.key.workload)))
            for point in wanted
        ),
        key=lambda row: (names.index(row.workload), row.engine, row.nodes),
    )


def why_above(row: Row, one: Row) -> str:
    """Return which factors make an efficiency, measured, in words.

    T(1) / (N T(N)) is C(1) / C(N), if C are CPU seconds, times what each
    node used of a core, C(N) / (N T(N)), to what the one did.
    """
    assert row.efficiency is not None
    whole = row.efficiency.median
    who = f"{row.workload}, {row.engine}, {row.nodes} nodes: {whole:.2f}"
    if row.cpu_efficiency is None:
        return f"{who}, of too few CPU seconds to say why"
    work = row.cpu_efficiency.median
    return (
        f"{who} = {work:.2f} (CPU seconds: {one.cpu_seconds.median:.2f} on "
        f"one node, {row.cpu_seconds.median:.2f} on all) x "
        f"{whole / work:.2f} (of a core: {one.share:.3f} on one, "
        f"{row.share:.3f} on each)"
    )


def fit(seconds: Mapping[int, float]) -> Fit | None:
    """Return Amdahl's law for {nodes: seconds}; None: too few points."""
    if len(seconds) < 2:
        return None
    xs = [1 / nodes for nodes in seconds]
    ys = list(seconds.values())
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum(
        (x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)
    )
    slope /= spread
    if slope < 0:  # more nodes take longer: nothing is shared
        return Fit(mean_y, 0.0)
    serial = mean_y - slope * mean_x
    if serial < 0:  # faster than ideal: the best line through the origin
        through = sum(x * y for x, y in zip(xs, ys, strict=True))
        return Fit(0.0, through / sum(x * x for x in xs))
    return Fit(serial, slope)


def one_more(seconds: Mapping[int, float]) -> tuple[float, float] | None:
    """Return the time on most nodes: predicted by the others, and measured."""
    last = max(seconds)
    law = fit({n: s for n, s in seconds.items() if n != last})
    return None if law is None else (law.seconds(last), seconds[last])


def medians(
    rows: Iterable[Row], engine: str, workload: str
) -> dict[int, float]:
    """Return {nodes: median seconds} of an engine on a workload."""
    return {
        row.nodes: row.seconds.median
        for row in rows
        if (row.engine, row.workload) == (engine, workload)
    }


def _row(point: Point, one: Point | None) -> Row:
    key, seconds = point.key, Spread.of(list(_seconds(point).values()))
    uses = [each["usage"].values() for each in point.rounds]
    sent = [
        sum(used["sent_bytes"] for used in use)
        for use in uses
        if all(used["sent_bytes"] is not None for used in use)
    ]
    return Row(
        key.engine,
        key.workload,
        key.nodes,
        seconds,
        Spread.of(list(_cpu_seconds(point).values())),
        one and _efficiency(key, _seconds(one), _seconds(point), key.nodes),
        one and _efficiency(key, _cpu_seconds(one), _cpu_seconds(point), 1),
        point.units / seconds.median,
        median(sent) if sent else None,
        median(max(used["memory_bytes"] for used in use) for use in uses),
        all(each["exact"] for each in point.rounds),
    )


def _efficiency(
    key: Key, one: Mapping[int, float], many: Mapping[int, float], times: int
) -> Spread | None:
    """Return the spread over rounds: a ratio is of one and the same round.

    Args:
        times: what the cost of N nodes counts.
    """
    work = key.nodes if WORKLOADS[key.workload].weak else 1
    ratios = [
        work * one[number] / (times * cost)
        for number, cost in many.items()
        if one.get(number) and cost  # CPU time is counted in ticks: or 0
    ]
    return Spread.of(ratios) if ratios else None


def _seconds(point: Point) -> dict[int, float]:
    return {each["round"]: each["seconds"] for each in point.rounds}


def _cpu_seconds(point: Point) -> dict[int, float]:
    return {
        each["round"]: sum(u["cpu_seconds"] for u in each["usage"].values())
        for each in point.rounds
    }
