"""Actors that wait for room, some in a placement group, one that may end.

    a bundle of one CPU: one actor     a CPU each: six others, in turn

All have a large argument, which a task has made. One of the six has one
life, one has two.
"""

from __future__ import annotations

import time
from typing import Any

import minimr as ray
from minimr.simulation.machine import Machine
from minimr.util import placement_group, remove_placement_group
from minimr.util.scheduling_strategies import PlacementGroupSchedulingStrategy

LIVES = (1, 2)  # of the first actors
ENDLESS = 5
LARGE = 13_000  # numbers of 8 bytes: more than travels in a message


def large(number: int) -> Any:
    """Return a large object."""
    time.sleep(0.1)
    return [number] * LARGE


class Adder:
    """Adds to a number of its own."""

    def __init__(self, numbers: list[int]) -> None:
        self.number = numbers[-1]

    def add(self, number: int) -> int:
        """Return the sum."""
        time.sleep(0.3)
        return self.number + number


def placed_actors(simulated: Machine) -> Any:
    """Call each actor once, and let it go as soon as it has answered."""
    numbers = ray.remote(large).remote(100)
    group = placement_group([{"CPU": 1}])
    inside: Any = {
        "scheduling_strategy": PlacementGroupSchedulingStrategy(group)
    }
    kind: Any = ray.remote(num_cpus=1, max_task_retries=-1)(Adder)
    ways = [{"max_restarts": lives - 1} for lives in LIVES]
    ways += [{"max_restarts": -1}] * ENDLESS
    ways[-1] = ways[-1] | inside
    made = [kind.options(**way).remote(numbers) for way in ways]
    actors = {
        actor.add.remote(number): (number, actor)
        for number, actor in enumerate(made)
    }
    del made
    sums = {}
    while actors:
        (first, *_), _ = ray.wait(list(actors))
        number = actors.pop(first)[0]  # its handle goes
        try:
            sums[number] = ray.get(first)
        except ray.exceptions.ActorDiedError:
            if number >= len(LIVES):
                raise
            sums[number] = number + 100  # it has had all its lives
    remove_placement_group(group)
    return sorted(sums.items())
