"""What a worker had stored when it died, and nobody heard of, goes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minimr as ray
from minimr.exceptions import ActorDiedError, WorkerCrashedError
from tests.faults.core.cluster import Nodes, T, eventually, in_use

LARGE = 1_000_000  # numbers


class Dies:
    """Kills who pickles it."""

    def __reduce__(self) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


def _halves() -> tuple[Any, Any]:
    return np.ones(LARGE), Dies()  # the first is stored before the second


@ray.remote(num_returns=2, max_retries=0)
def halves() -> tuple[Any, Any]:
    return _halves()


@ray.remote(num_cpus=0)
class Actor:
    @ray.method(num_returns=2)
    def halves(self) -> tuple[Any, Any]:
        return _halves()


@ray.remote(max_retries=1, scheduling_strategy="SPREAD")
def dies_once(directory: str) -> Any:
    yield np.ones(LARGE)
    first = Path(directory, "first")
    if not first.exists():
        first.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    yield 1


def test_half_the_results_of_a_task_that_failed(nodes: Nodes) -> None:
    for ref in (results := halves.remote()):
        with pytest.raises(WorkerCrashedError):
            ray.get(ref, timeout=T)
    eventually(lambda: not in_use())
    assert len(results) == 2  # the references are still here


def test_half_the_results_of_an_actor_that_died(nodes: Nodes) -> None:
    actor = Actor.remote()
    for ref in (results := actor.halves.remote()):
        with pytest.raises(ActorDiedError):
            ray.get(ref, timeout=T)
    eventually(lambda: not in_use())
    assert len(results) == 2


def test_items_of_a_generator_that_yielded_them_twice(
    nodes: Nodes, tmp_path: Path
) -> None:
    items = dies_once.remote(str(tmp_path))
    array, last = list(items)
    assert ray.get(array, timeout=T).sum() == LARGE
    assert ray.get(last, timeout=T) == 1
    del array, items
    eventually(lambda: not in_use())
