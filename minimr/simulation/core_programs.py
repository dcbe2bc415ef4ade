"""What is simulated of rung 2: programs of tasks, actors and objects.

    tasks         24 tasks, and a tree of sums
    objects       the same, of large objects
    nested        tasks that wait for tasks of their own, and share an object
    actors        that restart: one call at a time, several, asynchronous
    named-actors  two drivers call one actor by its name

Each runs as the driver of a cluster of three nodes. They sleep as programs
of users do, on the virtual clock, and return what no death may change.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np

import minimr as ray
from minimr.simulation.cluster import HEAD, Cluster
from minimr.simulation.machine import Machine
from minimr.simulation.program import Program

TASKS = 24
LARGE = 13_000  # numbers of 8 bytes: more than travels in a message
# How a program may end that a death has hit too often, or that has lost the
# node which it is connected to.
DEATHS = (
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.RayActorError,
    ray.exceptions.ObjectLostError,
    ray.exceptions.LocalRayletDiedError,
)


def square(number: int) -> int:
    """Return a square."""
    time.sleep(0.3)
    return number * number


def block(number: int) -> Any:
    """Return a large array."""
    time.sleep(0.3)
    return np.full(LARGE, number, np.float64)


def add(left: Any, right: Any) -> Any:
    """Add up two of them."""
    time.sleep(0.1)
    return left + right


def tree_of_sums(leaves: list[Any]) -> Any:
    """Add up in pairs, and pairs of pairs. Blocks: until it is done."""
    task, level = ray.remote(add), leaves
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        rest = level[len(level) // 2 * 2 :]
        level = [task.remote(*pair) for pair in pairs] + rest
    return ray.get(level[0])


def tasks(simulated: Machine) -> Any:
    """Sum up squares."""
    task = ray.remote(square)
    return tree_of_sums([task.remote(number) for number in range(TASKS)])


def objects(simulated: Machine) -> Any:
    """Sum up large arrays."""
    task = ray.remote(block)
    total = tree_of_sums([task.remote(number) for number in range(TASKS)])
    return len(total), float(total.min()), float(total.max())


def leaf(number: int, shared: list[Any]) -> float:
    """Multiply by what an object of somebody else says."""
    time.sleep(0.2)
    return number * float(ray.get(shared[0])[0])


def parent(number: int, shared: list[Any]) -> Any:
    """Wait for tasks of its own, and hand the object back."""
    task = ray.remote(leaf)
    values = [task.remote(number + n, shared) for n in range(4)]
    return sum(ray.get(values)), shared


def nested(simulated: Machine) -> Any:
    """Run tasks that run tasks, and read what they refer to."""
    task, shared = ray.remote(parent), [ray.put(np.full(LARGE, 2.0))]
    sums = ray.get([task.remote(number, shared) for number in range(6)])
    del shared
    return [(total, float(ray.get(back[0])[0])) for total, back in sums]


class Counter:
    """Counts its calls."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def call(self, number: int) -> list[int]:
        """Return the numbers of the calls of this life."""
        time.sleep(0.1)
        self.calls.append(number)
        return self.calls


class AsyncCounter:
    """Counts its calls, many at a time."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    async def call(self, number: int) -> list[int]:
        """Return the numbers of the calls of this life."""
        await asyncio.sleep(0.1)
        self.calls.append(number)
        return self.calls


def actors(simulated: Machine) -> Any:
    """Call actors that restart; each call is answered, in its order."""
    again: Any = {"max_restarts": -1, "max_task_retries": -1}
    made = [
        ray.remote(Counter).options(**again).remote(),
        ray.remote(Counter).options(max_concurrency=4, **again).remote(),
        ray.remote(AsyncCounter).options(**again).remote(),
    ]
    answers = [
        [actor.call.remote(number) for number in range(8)] for actor in made
    ]
    lives = [ray.get(calls) for calls in answers]
    for number, calls in enumerate(lives[0]):
        if calls != sorted(calls) or calls[-1] != number:
            raise AssertionError(f"call {number} came after {calls}")
    return [len(calls) for calls in lives]


NAME, SPACE = "counter", "shared"


def other_driver(told: list[Any]) -> None:
    """Call the actor that another driver has named."""
    ray.init("{}:{}".format(*HEAD), namespace=SPACE)
    try:
        actor = ray.get_actor(NAME)
        told.append(len(ray.get([actor.call.remote(n) for n in range(5)])))
    except DEATHS as error:
        told.append(error)


def named_actors(simulated: Machine) -> Any:
    """Call one actor from two drivers, and end it by its name."""
    told: list[Any] = []
    actor = (
        ray.remote(Counter)
        .options(
            name=NAME,
            namespace=SPACE,
            lifetime="detached",
            max_restarts=-1,
            max_task_retries=-1,
        )
        .remote()
    )
    ray.get(actor.call.remote(0))
    other = simulated.processes.make(
        "other driver", lambda: other_driver(told), HEAD[0]
    )
    other.spared = True
    mine = ray.get([actor.call.remote(n) for n in range(5)])
    while not other.ended:
        time.sleep(0.1)
    ray.kill(ray.get_actor(NAME, namespace=SPACE))
    for error in told:
        if isinstance(error, Exception):
            raise error
    return len(mine), told


ON_CORE = {
    name: Program(name, main, DEATHS, cluster=Cluster())
    for name, main in (
        ("tasks", tasks),
        ("objects", objects),
        ("nested", nested),
        ("actors", actors),
        ("named-actors", named_actors),
    )
}
