"""Several nodes on one machine: who gets the work, and what if one dies."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import minimr as ray
from minimr.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from tests.faults.core.cluster import Nodes, T, eventually

LONG = 1500  # deeper than Python's stack
SCHEDULES = int(os.environ.get("MINIMR_SCHEDULES", "2"))


def where(seconds: float) -> str:
    time.sleep(seconds)
    return str(ray.get_runtime_context().get_node_id())


def test_spread_tasks_use_every_node_alike(nodes: Nodes) -> None:
    task = ray.remote(where).options(scheduling_strategy="SPREAD")
    places = Counter(
        ray.get([task.remote(0.05) for _ in range(60)], timeout=T)
    )
    assert len(places) == 3
    assert min(places.values()) >= 10, places


def meet(folder: Path, number: int) -> str:
    """Keep a CPU until so many have come, and return the node."""
    (folder / str(os.getpid())).touch()
    eventually(lambda: len(os.listdir(folder)) >= number)
    return str(ray.get_runtime_context().get_node_id())


def test_more_tasks_than_one_node_can_run_use_every_node(
    nodes: Nodes, tmp_path: Path
) -> None:
    task = ray.remote(meet)
    refs = [task.remote(tmp_path, 3) for _ in range(3)]
    assert len(set(ray.get(refs, timeout=T))) == 3


def test_a_node_that_says_nothing_more_does_not_hold_up_the_rest(
    nodes: Nodes,
) -> None:
    task = ray.remote(where).options(scheduling_strategy="SPREAD")
    refs = [task.remote(0.2) for _ in range(30)]
    ray.wait(refs, num_returns=3, timeout=T)
    nodes.end(1, signal.SIGSTOP)  # its workers go on; it answers nobody
    assert len(ray.get(refs, timeout=T)) == 30


def test_a_long_lineage_is_run_again_from_its_begin(nodes: Nodes) -> None:
    """What an iterative program loses with a node is all of its steps."""
    homes = {node["NodeManagerPort"]: node["NodeID"] for node in ray.nodes()}
    soft = NodeAffinitySchedulingStrategy(homes[nodes.ports[1]], soft=True)

    @ray.remote(scheduling_strategy=soft)
    def step(array: Any) -> Any:
        if array is None:
            array = np.zeros(20_000)
        return array + 1  # above 100 KiB: in the store of that node

    ref = step.remote(None)
    for _ in range(LONG):
        ref = step.remote(ref)
    ray.wait([ref], timeout=T)
    nodes.end(1, signal.SIGKILL)
    assert ray.get(ref, timeout=T)[0] == LONG + 1


@ray.remote(max_retries=-1, scheduling_strategy="SPREAD")
def large(number: int) -> Any:
    return np.full(600_000, number)


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_workers_die_while_they_write_large_results(
    nodes: Nodes, seed: int
) -> None:
    dice, stop = random.Random(seed), threading.Event()

    deaths: list[int] = []

    def die() -> None:
        while len(deaths) < 12 and not stop.wait(dice.uniform(0.05, 0.15)):
            node = psutil.Process(dice.choice(nodes.processes).pid)
            for worker in node.children()[:1]:
                with suppress(psutil.NoSuchProcess):  # it has ended
                    worker.kill()
                    deaths.append(worker.pid)

    thread = threading.Thread(target=die)
    thread.start()
    try:
        while thread.is_alive():
            arrays = ray.get([large.remote(n) for n in range(6)], timeout=T)
            assert [int(array[-1]) for array in arrays] == list(range(6))
    finally:
        stop.set()
        thread.join()
