"""What is simulated of rung 2: programs of tasks, actors and objects.

    tasks         24 tasks, and a tree of sums
    objects       the same, of large objects
    nested        tasks that wait for tasks of their own, and share an object
    borrowed      an actor keeps the only reference to an object
    actors        that restart: one call at a time, several, asynchronous
    named-actors  two drivers call one actor by its name
    placed-actors that wait for room: `placed_actors.py`
    wordcount-minimr, dqn

Each runs as the driver of a cluster of three nodes. They sleep as programs
of users do, on the virtual clock, and return what no death may change.
"""

from __future__ import annotations

import asyncio
import gc
import time
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

import minimr as ray
from minimr.interface.mapreduce import Job, JobError
from minimr.interface.parameter_server import ParameterServerError
from minimr.simulation.cluster import HEAD, Cluster
from minimr.simulation.machine import Machine
from minimr.simulation.placed_actors import placed_actors
from minimr.simulation.program import Program
from minimr.simulation.words import splits, total, words_of

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
SAYS = (
    r"the worker died while it ran \w+\(\)",
    "the owner of object .* has died",
    "is lost: its node died",
    "has no retry left",
    "did not come back, and may have run",
    "the actor is being restarted",
    "the actor .* has died",
    "the node at .* is gone",
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
    time.sleep(0.02)
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
    time.sleep(0.1)
    others = [ray.put(np.zeros(LARGE)) for _ in range(TASKS)]
    del others  # nothing of this is where the sum is
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


class Keeper:
    """Keeps references to objects of others."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def keep(self, references: list[Any]) -> None:
        """Take references, for the rest of this life."""
        self.kept = references

    def read(self) -> list[float]:
        """Return what they stand for."""
        return [float(array[0]) for array in ray.get(self.kept)]


def borrowed(simulated: Machine) -> Any:
    """Let an actor read what only it refers to, if it still does."""
    again: Any = {"max_restarts": -1, "max_task_retries": -1}
    actor = ray.remote(Keeper).options(**again).remote()
    ray.get(actor.keep.remote([ray.remote(block).remote(7)]))
    time.sleep(0.3)
    return ray.get(actor.read.remote()) in ([], [7.0])


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
        first = [*dict.fromkeys(calls)]  # one that runs again comes late
        if first != sorted(first) or calls[-1] != number:
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


def wordcount(simulated: Machine) -> Any:
    """Count words on rung 2, and look at the result in two ways."""
    module = import_module("ray_impl.mapreduce")
    engine = module.MapReduce(api=ray)
    result = engine.run(Job("words", words_of, total), splits(), 3)
    time.sleep(0.2)  # whoever dies now has outputs
    return sorted(result.merged().items()), result.top(5)


ROUNDS = 2


def settings() -> Any:
    """Return those of a training that takes a moment."""
    return import_module("dqn.settings").Settings(
        environment="CartPole-v1",
        num_agents=2,
        num_cpus=0.5,
        share="weights",
        batch_size=8,
        num_steps_agents_train=20,
        num_envs=2,
        hidden=(8,),
        learning_starts=10,
        test_games=1,
    )


def trained(engine: str, told: list[str]) -> dict[str, bytes]:
    """Return the weights after two rounds."""
    engines = import_module("dqn.distributed.engines")
    experience = import_module("dqn.distributed.experience")
    address = "local" if engine == "serial" else None
    with engines.open_engine(engine, address=address) as opened:
        team = experience.make_team(settings(), *opened, tell=told.append)
        try:
            for _ in range(ROUNDS):
                team.train()
            weights = team.latest().weights
            return {name: w.tobytes() for name, w in weights.items()}
        finally:
            team.close()


@cache
def undisturbed() -> dict[str, bytes]:
    """Return the weights that the for loop ends with."""
    return trained("serial", [])


def dqn(simulated: Machine) -> Any:
    """Train by two agents; if none is lost, to the bits of the for loop."""
    told: list[str] = []
    weights = trained("minimr", told)
    gc.collect()  # a team is in a circle, and has the handles of its actors
    lost = any("is replaced" in line for line in told)
    if weights != undisturbed() and not lost:
        raise AssertionError("other weights, though no agent was lost")
    return sorted(weights)


ERRORS = {
    "wordcount-minimr": (JobError, *DEATHS),
    "dqn": (ParameterServerError, *DEATHS),
}
ALSO_SAYS = {
    # An owner cannot tell a borrower whose connection breaks from a dead one.
    "borrowed": ("was freed by its owner",),
    "dqn": (
        "server [0-9]+ at .*: (it is silent|it ends every|nobody answers)",
    ),
}
ON_CORE = {
    name: Program(
        name,
        main,
        ERRORS.get(name, DEATHS),
        SAYS + ALSO_SAYS.get(name, ()),
        cluster=Cluster(),
    )
    for name, main in (
        ("tasks", tasks),
        ("objects", objects),
        ("nested", nested),
        ("borrowed", borrowed),
        ("actors", actors),
        ("named-actors", named_actors),
        ("placed-actors", placed_actors),
        ("wordcount-minimr", wordcount),
        ("dqn", dqn),
    )
}
