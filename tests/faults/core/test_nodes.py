"""Several nodes on one machine: who gets the work, and what if one dies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import minimr as ray
from minimr.api.session import node_options, spawn_node
from minimr.net.channel import Address

T = 60
STORE_BYTES = 64 * 2**20
SCHEDULES = int(os.environ.get("MINIMR_SCHEDULES", "10"))


class Nodes:
    """A cluster; the driver's node is the head, and is left alone."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.head: Address | None = None
        for _ in range(3):
            self.add()

    def add(self) -> None:
        """Start one more node of one CPU."""
        options = node_options(1, None, None, STORE_BYTES)
        if self.head is not None:
            options["head"] = self.head
        process, address = spawn_node(options, None)
        self.head = self.head or address
        self.processes.append(process)

    def end(self, number: int, how: signal.Signals) -> None:
        """Send a signal to a node."""
        os.kill(self.processes[number].pid, how)

    def close(self) -> None:
        """End them all."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(T)


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    try:
        assert nodes.head is not None
        ray.init("{}:{}".format(*nodes.head), log_to_driver=False)
        until_there_are(3)
        yield nodes
    finally:
        ray.shutdown()
        nodes.close()


def until_there_are(number: int) -> None:
    """Wait until the head knows of so many nodes that live."""
    deadline = time.monotonic() + T
    while sum(node["Alive"] for node in ray.nodes()) != number:
        assert time.monotonic() < deadline
        time.sleep(0.02)


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


def test_more_tasks_than_one_node_can_run_use_every_node(
    nodes: Nodes,
) -> None:
    task = ray.remote(where)
    places = Counter(
        ray.get([task.remote(0.05) for _ in range(60)], timeout=T)
    )
    assert len(places) == 3
    assert min(places.values()) >= 10, places


def test_a_node_that_says_nothing_more_does_not_hold_up_the_rest(
    nodes: Nodes,
) -> None:
    task = ray.remote(where).options(scheduling_strategy="SPREAD")
    refs = [task.remote(0.2) for _ in range(30)]
    ray.wait(refs, num_returns=3, timeout=T)
    nodes.end(1, signal.SIGSTOP)  # its workers go on; it answers nobody
    assert len(ray.get(refs, timeout=T)) == 30


@ray.remote(max_retries=-1)
def make(number: int) -> Any:
    time.sleep(0.01)
    return np.full(50_000, number)


@ray.remote(max_retries=-1)
def total(*arrays: Any) -> int:
    return int(sum(array.sum() for array in arrays))


@ray.remote(max_restarts=-1, max_task_retries=-1)
class Echo:
    def call(self, number: int) -> int:
        return number


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_nodes_die_and_join_at_random_and_every_result_is_right(
    nodes: Nodes, seed: int
) -> None:
    dice = random.Random(seed)
    stop = threading.Event()

    def die_and_join() -> None:
        while not stop.wait(dice.uniform(0.2, 0.8)):
            alive = [p for p in nodes.processes[1:] if p.poll() is None]
            if len(alive) > 1:
                dice.choice(alive).kill()
            nodes.add()

    thread = threading.Thread(target=die_and_join)
    thread.start()
    try:
        for _ in range(3):
            numbers = [dice.randint(1, 99) for _ in range(30)]
            arrays = [make.remote(number) for number in numbers]
            sums = [total.remote(*arrays[i::3]) for i in range(3)]
            echo = Echo.remote()
            calls = [echo.call.remote(number) for number in numbers]
            assert sum(ray.get(sums, timeout=T)) == 50_000 * sum(numbers)
            assert ray.get(calls, timeout=T) == numbers
    finally:
        stop.set()
        thread.join()
