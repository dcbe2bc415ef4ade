"""How exactly a node gets its share of a core: a process spins on each.

    lab without an engine ─> spinners, all at once ─> a round of a point
                          every round of every node ─> Share, by nodes

No engine is there meanwhile, which would use some of the share itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.common.timing import Spread
from benchmarks.lab.lab import Lab
from benchmarks.lab.shell import Command
from benchmarks.scaling.store import Key, Point

QUOTA, NOBODY = "quota", "none"  # the kind of a point, and its engine
SECONDS = 2.0


@dataclass(frozen=True)
class Share:
    """What spinning processes get on so many nodes."""

    nodes: int
    asked: float  # of a core
    got: Spread  # of a core, over all nodes and rounds
    speed: Spread  # per CPU second, of the median on fewest nodes


def key(nodes: int) -> Key:
    """Return what identifies the point."""
    return Key(QUOTA, NOBODY, "spin", nodes)


def spin(lab: Lab) -> dict[str, Any]:
    """Return what processes that spin get, one on each node.

    Blocks: for `SECONDS`.
    """
    command = [sys.executable, "-m", "benchmarks.lab.spinner", str(SECONDS)]
    names = [node.name for node in lab.plan.all()]
    printed = lab.shell.run_all(
        [Command(lab.command(name, command)) for name in names]
    )
    found = map(json.loads, printed)
    return {"spinners": dict(zip(names, found, strict=True))}


def shares(points: Iterable[Point]) -> list[Share]:
    """Return a share per number of nodes that was measured."""
    mine = [point for point in points if point.key.kind == QUOTA]
    mine.sort(key=lambda point: point.key.nodes)
    fewest = median(_speeds(mine[0])) if mine else 1.0
    return [
        Share(
            point.key.nodes,
            point.arguments["cpu_share"],
            Spread.of(
                [s["cpu_seconds"] / s["seconds"] for s in _spinners(point)]
            ),
            Spread.of([speed / fewest for speed in _speeds(point)]),
        )
        for point in mine
    ]


def _spinners(point: Point) -> list[dict[str, float]]:
    return [s for each in point.rounds for s in each["spinners"].values()]


def _speeds(point: Point) -> list[float]:
    return [s["counts"] / s["cpu_seconds"] for s in _spinners(point)]
