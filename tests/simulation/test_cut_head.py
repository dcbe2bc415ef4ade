"""The head is cut off from all other machines, and is back some time later.

10.0.0.1: the head, and a driver    10.0.0.2: a node, and another driver
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest

import minimr as ray
from minimr.exceptions import LocalRayletDiedError
from minimr.simulation.cluster import HEAD, Cluster
from minimr.simulation.machine import Machine
from minimr.simulation.program import Program
from minimr.simulation.runs import play, prepared

HOSTS = ("10.0.0.2", "10.0.0.3")
SEEDS = 2
SILENCE_S = 25.0  # after that, a connection that is cut ends


def squares() -> list[int]:
    square = ray.remote(lambda x: x * x)
    spread = square.options(scheduling_strategy="SPREAD")
    return ray.get([spread.remote(x) for x in range(4)])


def go_on(until: float) -> str:
    """Run tasks until then, and return what has ended that."""
    while time.monotonic() < until:
        try:
            assert squares() == [0, 1, 4, 9]
        except LocalRayletDiedError as error:
            return str(error)
        time.sleep(1.0)
    return "nothing"


def beyond(said: list[str], until: float) -> None:
    """Be the other driver."""
    ray.init("{}:{}".format(*HEAD))
    said.append("joined")
    said.append(go_on(until))


def program(simulated: Machine, seconds: float) -> tuple[int, str, str]:
    """Return how many nodes are left, and what ended the two drivers."""
    said: list[str] = []
    until = time.monotonic() + min(seconds, SILENCE_S) + 8.0
    other = simulated.processes.make(
        "other driver", partial(beyond, said, until), HOSTS[0]
    )
    while not said:
        time.sleep(0.1)
    links = [(HEAD[0], host) for host in HOSTS]
    links += [(host, head) for head, host in links]
    for link in links:
        simulated.network.cut(*link)
    simulated.world.later(
        seconds, lambda: [simulated.network.mend(*link) for link in links]
    )
    here = go_on(until)
    while not other.ended:
        time.sleep(0.1)
    alive = sum(node["Alive"] for node in ray.nodes())
    return alive, here, said[-1]


def cut_for(seconds: float, seed: int) -> tuple[int, str, str]:
    whole = Program(
        "cut head", lambda simulated: program(simulated, seconds),
        cluster=Cluster(nodes=3),
        disturbed=True,
    )  # fmt: skip
    with prepared():
        outcome = play(whole, seed)
    assert outcome.verdict == "exact", outcome.why
    result: Any = outcome.result
    return result


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_short_cut_is_waited_for(seed: int) -> None:
    assert cut_for(3.0, seed) == (3, "nothing", "nothing")


@pytest.mark.parametrize("seconds", [8.0, 30.0])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_head_that_is_cut_off_goes_on_alone(
    seconds: float, seed: int
) -> None:
    alive, here, there = cut_for(seconds, seed)
    assert (alive, here) == (1, "nothing")
    assert "is gone" in there
