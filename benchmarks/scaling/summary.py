"""Statistics over the points: speed-up, efficiency, Amdahl's law.

    strong   speed-up T(1) / T(N), efficiency speed-up / N
    weak     efficiency T(1) / T(N)
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
from benchmarks.scaling.store import Point
from benchmarks.scaling.workloads import WORKLOADS


@dataclass(frozen=True)
class Row:
    """One engine on one workload and a number of nodes."""

    engine: str
    workload: str
    nodes: int
    seconds: Spread
    efficiency: float | None  # None: one node was not measured
    speed_up: float | None
    throughput: float
    wire_bytes: float | None  # sent by all nodes, the median of the rounds
    cpu_seconds: float  # of all nodes
    memory_bytes: float  # of the largest node
    exact: bool


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
        (p.key.engine, p.key.workload): _seconds(p).median
        for p in wanted
        if p.key.nodes == 1
    }
    names = list(WORKLOADS)
    return sorted(
        (_row(point, ones) for point in wanted),
        key=lambda row: (names.index(row.workload), row.engine, row.nodes),
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


def _row(point: Point, ones: Mapping[tuple[str, str], float]) -> Row:
    key, seconds = point.key, _seconds(point)
    one = ones.get((key.engine, key.workload))
    speed_up = None if one is None else one / seconds.median
    weak = WORKLOADS[key.workload].weak
    if weak and speed_up is not None:
        speed_up *= key.nodes  # of the work done in the same time
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
        None if speed_up is None else speed_up / key.nodes,
        speed_up,
        point.units / seconds.median,
        median(sent) if sent else None,
        median(sum(used["cpu_seconds"] for used in use) for use in uses),
        median(max(used["memory_bytes"] for used in use) for use in uses),
        all(each["exact"] for each in point.rounds),
    )


def _seconds(point: Point) -> Spread:
    return Spread.of([each["seconds"] for each in point.rounds])
