"""`minimr.testing` on real processes: a node or a worker dies."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import minimr as ray
from minimr.cluster_utils import Cluster
from minimr.testing import disturbed

ROOT = Path(__file__).parents[3]


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


def test_what_dies_can_be_the_worker_alone(cluster: Cluster) -> None:
    task = ray.remote(max_retries=0)(square)
    with disturbed(cluster) as disturbances:
        disturbances.kill_worker(task=2, name="square")
        results = [task.remote(n) for n in range(2)]
        with pytest.raises(ray.exceptions.WorkerCrashedError):
            ray.get(results, timeout=60)
    assert len(disturbances.killed) == 1
    assert len([node for node in ray.nodes() if node["Alive"]]) == 3


ON_RAY = """
import ray
from ray.cluster_utils import Cluster
from minimr.testing import disturbed
from tests.faults.core.test_testing import square

cluster = Cluster(True, True, {"num_cpus": 0})
cluster.add_node(num_cpus=2)
task = ray.remote(square)
with disturbed(cluster) as disturbances:
    disturbances.kill_worker(task=3)
    print(ray.get([task.remote(n) for n in range(4)], timeout=200))
print(len(disturbances.killed))
ray.shutdown()
cluster.shutdown()
"""


def test_the_same_on_ray() -> None:
    """In a process of its own: one process has one Ray."""
    pytest.importorskip("ray")
    done = subprocess.run(
        [sys.executable, "-c", ON_RAY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["[0, 1, 4, 9]", "1"]


def test_what_was_not_killed_is_said(cluster: Cluster) -> None:
    def program() -> None:
        with disturbed(cluster) as disturbances:
            disturbances.kill_node(task=2)
            ray.get(ray.remote(square).remote(1), timeout=60)

    with pytest.raises(RuntimeError, match="nothing was killed"):
        program()
