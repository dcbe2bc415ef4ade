"""Where a rung stops scaling: the cost of its one central process.

    a job of M map and R reduce tasks costs the driver, in CPU seconds,

        task * (M + R) + block * M * R + fixed

    task    to send it and to receive its result
    block   per pair of a reduce task and a map task: the all-to-all shuffle,
            as a place in a message, or as a reference
    head    the cost of a task for the head: its node and the control store
    news    the same per task and node: every node learns where room is

Everything else is spread over the nodes. So N nodes with work for t seconds
each take max(t, central(N)): the work and the control overlap, and the slower
one decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """The cost of one job, in CPU seconds."""

    nodes: int
    map_tasks: int
    reduce_tasks: int
    driver_seconds: float
    head_seconds: float


@dataclass(frozen=True)
class Costs:
    """The fitted costs of an engine, in CPU seconds."""

    task: float
    block: float
    fixed: float
    head: float  # per task
    news: float  # per task and node

    def driver(self, map_tasks: int, reduce_tasks: int) -> float:
        """Return the predicted cost of a job for the driver."""
        tasks, blocks = map_tasks + reduce_tasks, map_tasks * reduce_tasks
        return self.task * tasks + self.block * blocks + self.fixed

    def central(self, nodes: int, maps: int, reduces: int) -> float:
        """Return the predicted cost of tasks on all nodes: the busier process.

        Args:
            maps, reduces: tasks per node.
        """
        tasks = nodes * (maps + reduces)
        driver = self.driver(nodes * maps, nodes * reduces)
        return max(driver, self.at_head(nodes, tasks))

    def at_head(self, nodes: int, tasks: int) -> float:
        """Return the predicted cost of a job for the head."""
        return (self.head + self.news * nodes) * tasks

    def limit(self, seconds: float, maps: int, reduces: int) -> int:
        """Return how many nodes `seconds` of work each can keep busy."""
        most = 1
        while self.central(2 * most, maps, reduces) <= seconds:
            most *= 2
            if most >= 2**20:
                return most
        low, high = most, 2 * most
        while high - low > 1:
            middle = (low + high) // 2
            fits = self.central(middle, maps, reduces) <= seconds
            low, high = (middle, high) if fits else (low, middle)
        return low


def fit(samples: Sequence[Sample]) -> Costs:
    """Return the costs, none below zero, that fit jobs of several sizes."""
    maps = np.array([s.map_tasks for s in samples], float)
    reduces = np.array([s.reduce_tasks for s in samples], float)
    nodes = np.array([s.nodes for s in samples], float)
    tasks, one = maps + reduces, np.ones(len(samples))
    driver = np.array([s.driver_seconds for s in samples])
    # Relative errors: a large job counts no more than a small one.
    columns = {"task": tasks, "block": maps * reduces, "fixed": one}
    found = _solve({n: c / driver for n, c in columns.items()}, one)
    head = np.array([s.head_seconds for s in samples]) / tasks
    found |= _solve({"head": one, "news": nodes}, head)
    return Costs(**found)


def _solve(
    columns: dict[str, NDArray[np.float64]], wanted: NDArray[np.float64]
) -> dict[str, float]:
    """Return the factors of the columns that fit `wanted` (least squares)."""
    found, left = dict.fromkeys(columns, 0.0), dict(columns)
    while left:  # without the most negative one, until none is
        matrix = np.stack(list(left.values()), axis=1)
        values, *_ = np.linalg.lstsq(matrix, wanted, rcond=None)
        solution = dict(zip(left, values.tolist(), strict=True))
        worst = min(solution, key=lambda name: solution[name])
        if solution[worst] >= 0:
            return found | solution
        del left[worst]
    return found
