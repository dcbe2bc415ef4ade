"""One suite for every engine: who implements the interface is a row here.

test ── engine: the row ──> two workers, started once a session
  ^                              │
  └───────── stage <── knock ────┘ (not through the engine)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

import minimr
from minimr.interface.mapreduce import MapReduce
from minimr.serial import mapreduce as serial
from minimr.sockets import mapreduce
from minimr.sockets.cluster.tracker import Policy
from ray_impl import mapreduce as on_verbs
from tests.contract.servers import RUNGS, Rung
from tests.stage import Stage

NUM_WORKERS = 2


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """Start the one Ray of this process, and give its module."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    ray = pytest.importorskip("ray", reason="ray is not installed")
    ray.init(
        address="local",
        num_cpus=NUM_WORKERS,
        include_dashboard=False,
        logging_level="ERROR",
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
    )
    yield ray
    ray.shutdown()


@pytest.fixture(scope="session")
def minimr_cluster() -> Iterator[Any]:
    """Start a cluster of rung 2, and give its module."""
    minimr.init(num_cpus=NUM_WORKERS)
    yield minimr
    minimr.shutdown()


@contextmanager
def _ray() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        # Ray waits a second before it tries again.
        patch.setattr(on_verbs, "MAX_RETRIES", 1)
        with on_verbs.MapReduce(NUM_WORKERS) as engine:
            yield engine


def _sockets() -> MapReduce:
    # A loaded machine is no straggler: backup tasks belong to the faults.
    return mapreduce.MapReduce(NUM_WORKERS, policy=Policy(backup_after_s=60))


def _minimr() -> MapReduce:
    return on_verbs.MapReduce(NUM_WORKERS, api=minimr)


# {engine: what opens it}; one more implementation is one more row
ENGINES: dict[str, Callable[[], AbstractContextManager[MapReduce]]] = {
    "serial": serial.MapReduce,
    "sockets": _sockets,
    "minimr": _minimr,
    "ray": _ray,
}
# {name: the fixture of the cluster that it runs on}
CLUSTERS = {"minimr": "minimr_cluster", "ray": "ray_cluster"}


def only_on(*names: str) -> pytest.MarkDecorator:
    """Run a test on these engines alone."""
    return pytest.mark.parametrize("engine", names, indirect=True)


on_workers = only_on(*(name for name in ENGINES if name != "serial"))


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[MapReduce]:
    if request.param in CLUSTERS:
        request.getfixturevalue(CLUSTERS[request.param])
    with ENGINES[request.param]() as engine:
        yield engine


@pytest.fixture(scope="session", params=RUNGS)
def rung(request: pytest.FixtureRequest) -> Iterator[Rung]:
    """Give a rung of the parameter server, with servers that are reused."""
    api = None
    if request.param in CLUSTERS:
        api = request.getfixturevalue(CLUSTERS[request.param])
    with Rung(request.param, api) as rung:
        yield rung


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder to tests that make a file for each example."""
    return tmp_path_factory.mktemp("files")
