"""Workers, actors and stores die at random; results are right or documented.

Each schedule is a seed: what fails can be run again.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest

import minimr as ray
from minimr import exceptions

SCHEDULES = int(os.environ.get("MINIMR_SCHEDULES", "6"))
T = 60


@pytest.fixture(scope="module")
def cluster() -> Iterator[psutil.Process]:
    ray.init(num_cpus=4, address="local", log_to_driver=False)
    keepers = [c for c in psutil.Process().children() if "minimr" in _line(c)]
    (node,) = keepers[-1].children()
    yield node
    ray.shutdown()


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> None:
    """Take the place of the check after each test: the cluster is shared."""


def _line(process: psutil.Process) -> str:
    return " ".join(process.cmdline())


def killer(node: psutil.Process, seed: int, stop: threading.Event) -> None:
    """Kill a worker every now and then."""
    dice = random.Random(seed)
    while not stop.wait(dice.uniform(0.05, 0.4)):
        workers = node.children()
        if workers:
            os.kill(dice.choice(workers).pid, signal.SIGKILL)


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_every_result_is_right_or_an_error_that_says_so(
    cluster: psutil.Process, seed: int
) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=killer, args=(cluster, seed, stop))
    thread.start()
    try:
        check_tasks(seed)
        check_actors()
    finally:
        stop.set()
        thread.join()


def check_tasks(seed: int) -> None:
    @ray.remote(max_retries=-1)
    def make(n: int) -> Any:
        return np.full(n, n)

    @ray.remote(max_retries=-1)
    def total(*arrays: Any) -> int:
        return int(sum(array.sum() for array in arrays))

    sizes = [random.Random(seed).randint(1, 40_000) for _ in range(12)]
    arrays = [make.remote(n) for n in sizes]
    halves = [total.remote(*arrays[:6]), total.remote(*arrays[6:])]
    assert sum(ray.get(halves, timeout=T)) == sum(n * n for n in sizes)


def check_actors() -> None:
    @ray.remote(max_restarts=-1, max_task_retries=2)
    class Echo:
        def call(self, n: int) -> int:
            return n

    echo = Echo.remote()
    for n, ref in enumerate([echo.call.remote(n) for n in range(20)]):
        with contextlib.suppress(exceptions.RayActorError):
            assert ray.get(ref, timeout=T) == n
