"""More objects than memory: they spill and come back, or it says so."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest

import minimr as ray
from minimr.exceptions import ObjectStoreFullError

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


def test_a_store_full_of_arrays_in_use_is_an_error_that_says_so(
    cluster: None,
) -> None:
    held = [ray.get(ray.put(array(n))) for n in range(7)]
    with pytest.raises(ObjectStoreFullError, match="Drop references"):
        ray.put(array(8))
    with pytest.raises(ObjectStoreFullError, match="Drop references"):
        ray.get(ray.remote(array).remote(9), timeout=T)
    assert all(is_whole(values, n) for n, values in enumerate(held))
    held.clear()
    assert is_whole(ray.get(ray.put(array(10)), timeout=T), 10)


def test_who_finds_the_store_full_waits_for_others_to_let_go(
    cluster: None,
) -> None:
    held = [ray.get(ray.put(array(n))) for n in range(7)]
    later = threading.Timer(0.5, held.clear)
    later.start()
    assert is_whole(ray.get(ray.put(array(8)), timeout=T), 8)
    later.join()


def test_an_array_larger_than_the_store_is_refused(cluster: None) -> None:
    with pytest.raises(ObjectStoreFullError, match="no room"):
        ray.put(np.zeros(STORE_BYTES // 8 + 1))
    assert is_whole(ray.get(ray.put(array(1)), timeout=T), 1)


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
