"""A cluster of three nodes, for the tests that need no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import minimr as ray
from tests.faults.core.cluster import Nodes, until_there_are


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
