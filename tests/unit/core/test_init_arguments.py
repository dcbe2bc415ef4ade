"""What `init` refuses before it starts anything, and what it returns."""

from __future__ import annotations

from typing import Any

import pytest

import minimr as ray
from minimr.core.api import session, spawn


@pytest.mark.parametrize(
    "given",
    [
        {"num_cpus": -1},
        {"num_cpus": 1.5},
        {"num_gpus": -1},
        {"resources": {"CPU": 2}},
        {"resources": {"GPU": 2}},
        {"resources": {"disk": 1e-5}},
        {"store_directory": "/no/such/disk"},
        {"spill_directory": "/no/such/disk"},
    ],
)
def test_what_no_node_can_have_is_refused(given: dict[str, Any]) -> None:
    nothing = dict.fromkeys(("num_cpus", "num_gpus", "resources"))
    with pytest.raises(ValueError, match=r"CPU|GPU|disk|num_"):
        spawn.node_options(**{**nothing, **given}, object_store_memory=None)


@pytest.mark.parametrize(
    ("namespace", "error"), [(123, TypeError), ("", ValueError)]
)
def test_a_wrong_namespace_is_refused(
    monkeypatch: pytest.MonkeyPatch, namespace: Any, error: type[Exception]
) -> None:
    monkeypatch.setattr(session, "is_initialized", lambda: False)
    with pytest.raises(error, match="namespace"):
        ray.init(namespace=namespace)


def test_a_with_block_of_init_ends_with_shutdown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(session, "shutdown", lambda: ended.append(1))
    with session.RayContext(node_id="1") as context:
        assert context["node_id"] == context.address_info["node_id"] == "1"
        assert context.dashboard_url == ""
    assert ended == [1]


def test_modules_of_util_need_no_import_of_their_own() -> None:
    strategies = ray.util.scheduling_strategies
    assert strategies.NodeAffinitySchedulingStrategy is not None
    with pytest.raises(AttributeError, match=r"util\.collective out"):
        ray.util.collective  # noqa: B018
