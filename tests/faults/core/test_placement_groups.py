"""Bundles on several nodes, one of which dies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import minimr as ray
from minimr.cluster_utils import Cluster
from minimr.util.placement_group import (
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from minimr.util.scheduling_strategies import (
    PlacementGroupSchedulingStrategy,
)
from tests.faults.core.cluster import eventually

T = 30
NODE = {"num_cpus": 2, "object_store_memory": 64 * 2**20}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(True, True, NODE)
    for _ in range(3):
        cluster.add_node(**NODE)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)
class Lodger:
    def node(self) -> Any:
        return ray.get_runtime_context().get_node_id()


def lodgers(group: Any) -> list[Any]:
    return [
        Lodger.options(
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, index)
        ).remote()
        for index in range(group.bundle_count)
    ]


def nodes_of(actors: list[Any]) -> list[Any]:
    return ray.get([actor.node.remote() for actor in actors], timeout=T)


@pytest.mark.parametrize(
    ("strategy", "bundles", "nodes"),
    [
        ("STRICT_SPREAD", 4, 4),
        ("SPREAD", 4, 4),
        ("STRICT_PACK", 2, 1),
        ("PACK", 3, 2),
    ],
)
def test_actors_are_where_their_bundles_are(
    cluster: Cluster, strategy: str, bundles: int, nodes: int
) -> None:
    group = placement_group([{"CPU": 1}] * bundles, strategy)
    where = nodes_of(lodgers(group))
    table = placement_group_table(group)["bundles_to_node_id"]
    assert where == [table[index] for index in range(bundles)]
    assert len(set(where)) == nodes


def test_a_bundle_moves_when_its_node_dies(cluster: Cluster) -> None:
    group = placement_group([{"CPU": 1}] * 3, "STRICT_SPREAD")
    actors = lodgers(group)
    before = nodes_of(actors)
    victim = next(n for n in cluster.worker_nodes if n.node_id in before)
    gone = victim.node_id
    cluster.remove_node(victim, allow_graceful=False)
    after = nodes_of(actors)
    moved = [old for old, new in zip(before, after, strict=True) if old != new]
    assert moved == [gone]
    assert len(set(after)) == 3
    del actors
    remove_placement_group(group)
    eventually(lambda: ray.available_resources().get("CPU") == 6)
    assert not [n for n in ray.cluster_resources() if "_group_" in n]


def test_a_group_ends_with_the_driver_that_made_it(cluster: Cluster) -> None:
    group = placement_group([{"CPU": 2}] * 4, "STRICT_SPREAD")
    assert group.wait(T)
    ray.shutdown()
    ray.init(address=cluster.address)
    eventually(lambda: ray.available_resources().get("CPU") == 8)
