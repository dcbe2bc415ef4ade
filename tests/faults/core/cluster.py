"""A cluster of several nodes, and work whose results are known.

Whatever dies meanwhile: tasks and calls are tried again without end, so
that every result has to be right.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import minimr as ray
from minimr.core.api.spawn import NodeProcess, node_options, spawn_node
from minimr.net.channel import Address

T = 60
DEADLINE_S = 20
STORE_BYTES = 64 * 2**20


class Nodes:
    """A cluster; the driver's node is the head, and is left alone."""

    def __init__(self, cpus: int = 1, number: int = 3) -> None:
        self.cpus = cpus
        self.processes: list[NodeProcess] = []
        self.ports: list[int] = []
        self.head: Address | None = None
        self.add()
        with ThreadPoolExecutor() as pool:
            starts = [pool.submit(self._spawn) for _ in range(number - 1)]
        for start in starts:
            self._note(*start.result())

    def add(self) -> None:
        """Start one more node."""
        self._note(*self._spawn())

    def _spawn(self) -> tuple[NodeProcess, Address]:
        options = node_options(self.cpus, None, None, STORE_BYTES)
        if self.head is not None:
            options["head"] = self.head
        return spawn_node(options, None)

    def _note(self, process: NodeProcess, address: Address) -> None:
        self.head = self.head or address
        self.processes.append(process)
        self.ports.append(address[1])

    def end(self, number: int, how: signal.Signals) -> None:
        """Send a signal to a node."""
        os.kill(self.processes[number].pid, how)

    def close(self) -> None:
        """End them all."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(T)


def until_there_are(number: int) -> None:
    """Wait until the head knows of so many nodes that live."""
    deadline = time.monotonic() + T
    while sum(node["Alive"] for node in ray.nodes()) != number:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def eventually(condition: Callable[[], Any]) -> None:
    """Ask until it is true: nobody tells when the system has cleaned up."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, in_use()
        time.sleep(0.02)


def in_use() -> dict[str, float]:
    """Tell what of the nodes' CPUs and stores is in use; {}: nothing."""
    if not ray.is_initialized():
        return {}
    free = ray.available_resources()
    total = ray.cluster_resources()
    used = {name: total[name] - free.get(name, 0.0) for name in total}
    return {name: amount for name, amount in used.items() if amount}


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


def work_once(dice: random.Random) -> None:
    """Run tasks and calls on large arrays, and look at every result."""
    numbers = [dice.randint(1, 99) for _ in range(30)]
    arrays = [make.remote(number) for number in numbers]
    sums = [total.remote(*arrays[i::3]) for i in range(3)]
    echo = Echo.remote()
    calls = [echo.call.remote(number) for number in numbers]
    assert sum(ray.get(sums, timeout=T)) == 50_000 * sum(numbers)
    assert ray.get(calls, timeout=T) == numbers
