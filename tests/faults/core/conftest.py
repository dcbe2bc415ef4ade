"""Clusters of three nodes, or of one, for the tests that need no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import minimr as ray
from tests.faults.core.cluster import Nodes, until_there_are


@pytest.fixture(scope="module")
def one_cpu() -> Iterator[None]:
    """Be the driver of a node with one CPU, which a module's tests share."""
    ray.init(num_cpus=1, address="local", log_to_driver=False)
    yield
    ray.shutdown()


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
