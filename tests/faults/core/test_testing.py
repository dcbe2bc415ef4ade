"""`minimr.testing` on real processes: the node of a task dies."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import minimr as ray
from minimr.cluster_utils import Cluster
from minimr.testing import disturbed


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(True, True, {"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


def square(number: int) -> int:
    time.sleep(0.3)
    return number * number


def test_a_program_survives_the_node_of_its_third_task(
    cluster: Cluster,
) -> None:
    task = ray.remote(square)
    with disturbed(cluster) as disturbances:
        disturbances.kill_node(task=3)
        found = ray.get([task.remote(n) for n in range(6)], timeout=60)
    assert found == [n * n for n in range(6)]
    assert len(disturbances.killed) == 1


def test_what_was_not_killed_is_said(cluster: Cluster) -> None:
    def program() -> None:
        with disturbed(cluster) as disturbances:
            disturbances.kill_node(task=2)
            ray.get(ray.remote(square).remote(1), timeout=60)

    with pytest.raises(RuntimeError, match="no node was killed"):
        program()
