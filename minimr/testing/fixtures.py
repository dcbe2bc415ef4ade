"""The same for pytest: `pytest_plugins = ["minimr.testing.fixtures"]`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from minimr.testing.simulation import Simulated
from minimr.testing.simulation import simulated as make


@pytest.fixture(name="simulated")
def simulated_fixture() -> Iterator[Simulated]:
    """Return a simulated cluster of three nodes with two CPUs each."""
    with make() as cluster:
        yield cluster
