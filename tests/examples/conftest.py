"""One minimr and one Ray for all programs, as large as the largest asks for.

programs ──> CLUSTER of each ──> the most of everything ──> init, once
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from inspect import signature
from typing import Any

import pytest

from examples.command import DEFAULT_CLUSTER
from examples.listing import programs
from minimr.ladder import WITH_VERBS
from ray_impl.cluster import load_ray, start_cluster


def most(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the smallest cluster that has what two ask for."""
    both = {**one, **other}
    for name in one.keys() & other.keys():
        join = most if isinstance(one[name], dict) else max
        both[name] = join(one[name], other[name])
    return both


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> None:
    """Take the place of the check after each test of other suites.

    The programs share clusters, which keep workers and links.
    """


@pytest.fixture(scope="session")
def engines() -> Iterator[dict[str, Any]]:
    """Start both engines."""
    cluster = dict(DEFAULT_CLUSTER)
    for program in programs().values():
        try:
            module = importlib.import_module(program.module)
        except ModuleNotFoundError:  # its own test says so
            continue
        cluster = most(cluster, getattr(module, "CLUSTER", {}))
    apis = {
        name: load_ray() if name == "ray" else importlib.import_module(name)
        for name in WITH_VERBS
    }
    for api in apis.values():
        start_cluster(api, **cluster)
    yield apis
    for api in apis.values():
        api.shutdown()


@pytest.fixture(scope="session")
def result_of(
    engines: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Any]:
    """Run a program on an engine, or return what it returned before."""

    @cache
    def run(name: str, engine: str) -> Any:
        program = pytest.importorskip(programs()[name].module)
        out = {}
        if "out" in signature(program.main).parameters:
            out["out"] = tmp_path_factory.mktemp(name)
        return program.main(engines[engine], **out)

    return run
