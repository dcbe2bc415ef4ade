"""More objects than memory: they spill and come back, or it says so."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import minimr as ray
from minimr.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from tests.faults.core.cluster import Nodes

STORE_BYTES = 64 * 2**20
ARRAY_BYTES = 8 * 2**20  # the store has room for seven
T = 60


@pytest.fixture
def cluster() -> Iterator[None]:
    ray.init(
        num_cpus=4,
        address="local",
        object_store_memory=STORE_BYTES,
        log_to_driver=False,
    )
    yield
    ray.shutdown()


def array(number: int) -> Any:
    return np.full(ARRAY_BYTES // 8, number)


def is_whole(values: Any, number: int) -> bool:
    return len(values) == ARRAY_BYTES // 8 and bool((values == number).all())


def test_objects_beyond_the_memory_come_back_as_they_were(
    cluster: None,
) -> None:
    refs = [ray.put(array(n)) for n in range(20)]
    refs += [ray.remote(array).remote(n) for n in range(20, 40)]
    check = ray.remote(is_whole)
    for number, ref in enumerate(refs):
        assert is_whole(ray.get(ref, timeout=T), number)
    seen = [check.remote(ref, n) for n, ref in enumerate(refs)]
    assert ray.get(seen, timeout=T) == [True] * 40


def test_a_store_full_of_arrays_in_use_goes_on_on_disk(
    cluster: None,
) -> None:
    held = [ray.get(ray.put(array(n))) for n in range(7)]
    refs = [ray.put(array(7)), ray.remote(array).remote(8)]
    held += ray.get(refs, timeout=T)
    assert all(is_whole(values, n) for n, values in enumerate(held))
    held.clear()
    assert is_whole(ray.get(ray.put(array(10)), timeout=T), 10)


def test_tasks_whose_arguments_do_not_fit_together_run(
    cluster: None, tmp_path: Path
) -> None:
    @ray.remote(max_retries=0)
    def meet(number: int, *values: Any) -> bool:
        (tmp_path / str(number)).touch()
        deadline = time.monotonic() + T
        while len(list(tmp_path.iterdir())) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return all(is_whole(v, number) for v in values)

    calls = []
    for number in range(4):
        refs = [ray.put(array(number)) for _ in range(3)]
        calls.append(meet.remote(number, *refs))
    assert ray.get(calls, timeout=T) == [True] * 4


def test_what_comes_to_a_full_node_is_read_on_disk(nodes: Nodes) -> None:
    ids = {node["pid"]: node["NodeID"] for node in ray.nodes()}
    far = ids[nodes.processes[1].pid]
    there = NodeAffinitySchedulingStrategy(far, soft=False)
    make = ray.remote(array).options(scheduling_strategy=there)
    held = [ray.get(ray.put(array(n))) for n in range(7)]
    held.append(ray.get(make.remote(7), timeout=T))
    assert all(is_whole(values, n) for n, values in enumerate(held))


def test_who_finds_the_store_full_waits_for_others_to_let_go(
    cluster: None,
) -> None:
    held = [ray.get(ray.put(array(n))) for n in range(7)]
    later = threading.Timer(0.5, held.clear)
    later.start()
    assert is_whole(ray.get(ray.put(array(8)), timeout=T), 8)
    later.join()


def test_an_array_larger_than_the_store_is_on_disk(cluster: None) -> None:
    ref = ray.put(np.ones(STORE_BYTES // 4, np.int64))
    total = ray.remote(lambda values: int(values.sum()))
    assert ray.get(total.remote(ref), timeout=T) == STORE_BYTES // 4
    assert int(ray.get(ref, timeout=T).sum()) == STORE_BYTES // 4


def test_four_workers_read_one_array_without_a_copy(cluster: None) -> None:
    @ray.remote
    class Reader:
        def read(self, values: Any) -> tuple[float, bool, int, int]:
            before = psutil.Process().memory_full_info().uss
            total = float(values.sum())
            more = psutil.Process().memory_full_info().uss - before
            return total, values.flags.writeable, more, os.getpid()

    ref = ray.put(np.ones(STORE_BYTES // 16))  # half of the store
    readers = [Reader.remote() for _ in range(4)]
    seen = ray.get([r.read.remote(ref) for r in readers], timeout=T)
    totals, writeable, more, pids = zip(*seen, strict=True)
    assert totals == (STORE_BYTES // 16,) * 4
    assert not any(writeable)
    assert max(more) < STORE_BYTES // 16
    assert len(set(pids)) == 4
