"""Processes die and stand still at random: any work has its only result."""

from __future__ import annotations

import contextlib
import random
import signal
from collections import Counter
from typing import Any

import numpy as np

import minimr as ray
from minimr.interface.mapreduce import Job
from minimr.simulation import Faults, Program, simulate
from minimr.simulation.cluster import Cluster
from minimr.simulation.machine import Machine
from minimr.simulation.program import DRIVER
from minimr.simulation.words import total, words_of
from minimr.sockets.cluster.membership import Timing
from minimr.sockets.mapreduce import MapReduce
from minimr.system import machine

WORDS = ["the", "quick", "brown", "fox", "jumps", "over"]
WORD_S = 0.02
TROUBLE = Faults(kill=2, slow=1)
SILENCE_S = Timing().silence_timeout_s
NOTICED_S = 5.0  # that a worker has died and another one has started
CLUSTER = Cluster()
T = 60


def check(program: Program, seeds: int, faults: Faults) -> None:
    summary = simulate(program, range(seeds), faults)
    assert [(f.seed, f.why) for f in summary.findings] == []
    assert summary.exact == seeds


def count_words(simulated: Machine) -> None:
    """Count words of as many splits in as many parts as the seed says."""
    chance = simulated.world.random
    texts = [
        chance.choices(WORDS, k=chance.randint(0, 9))
        for _ in range(chance.randint(1, 16))
    ]
    splits = [(" ".join(text), WORD_S) for text in texts]
    expected = Counter(word for text in texts for word in text)
    work_s = sum(expected.values()) * WORD_S
    bound_s = work_s + TROUBLE.number * (SILENCE_S + NOTICED_S + work_s)
    with MapReduce(3, (DRIVER, 0)) as engine:
        begin = machine.monotonic()
        job = Job("words", words_of, total)
        result = engine.run(job, splits, chance.randint(1, 6))
        assert result.merged() == expected
        assert machine.monotonic() - begin <= bound_s


def test_a_count_of_any_shape_is_exact_and_not_beyond_its_bound() -> None:
    check(Program("counts", count_words), 40, TROUBLE)


def run_tasks(chance: random.Random) -> None:
    """Make large objects and add them up, as often as it takes."""
    make = ray.remote(max_retries=-1)(lambda n: np.full(n, n))
    add = ray.remote(max_retries=-1)(
        lambda *arrays: int(sum(array.sum() for array in arrays))
    )
    sizes = [chance.randint(1, 40_000) for _ in range(12)]
    arrays = [make.remote(n) for n in sizes]
    halves = [add.remote(*arrays[:6]), add.remote(*arrays[6:])]
    assert sum(ray.get(halves, timeout=T)) == sum(n * n for n in sizes)


class Echo:
    def call(self, number: int) -> int:
        machine.sleep(0.05)
        return number


def run_calls(retries: int, *errors: type[Exception]) -> None:
    """Call an actor that starts again, whose calls may fail as documented."""
    echo: Any = ray.remote(max_restarts=-1, max_task_retries=retries)(Echo)
    actor = echo.remote()
    for n, ref in enumerate([actor.call.remote(n) for n in range(20)]):
        with contextlib.suppress(*errors):
            assert ray.get(ref, timeout=T) == n


def run_tasks_and_calls(simulated: Machine) -> None:
    """Call what is tried again without end, and what is not."""
    run_tasks(simulated.world.random)
    run_calls(2, ray.exceptions.RayActorError)


def test_tasks_are_right_and_calls_too_or_an_error_says_so() -> None:
    program = Program("tasks and calls", run_tasks_and_calls, cluster=CLUSTER)
    check(program, 12, Faults(kill=6, during_s=1.5))


def come_and_go(simulated: Machine) -> None:
    """Work, while nodes are killed and others join."""
    chance = simulated.world.random
    over = machine.event()

    def trouble() -> None:
        number = CLUSTER.nodes
        while not over.wait(chance.uniform(0.1, 0.4)):
            running = simulated.processes.running.values()
            nodes = [p for p in running if p.name.startswith("node")]
            if len(nodes) > 1:
                victim = chance.choice(nodes)
                simulated.processes.end(victim, -signal.SIGKILL)
            number += 1
            CLUSTER.add(simulated, number)

    thread = machine.thread(target=trouble)
    thread.start()
    try:
        for _ in range(3):
            run_tasks(chance)
            run_calls(-1)
    finally:
        over.set()
        thread.join()


def test_nodes_die_and_join_and_every_result_is_right() -> None:
    program = Program(
        "come and go", come_and_go, cluster=CLUSTER, disturbed=True
    )
    check(program, 6, Faults())
