"""The part of `ray.util` that minimr has."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from minimr.core.api.left_out import missing
from minimr.core.api.session import own_host, session
from minimr.core.messages import Query
from minimr.util.actor_pool import ActorPool
from minimr.util.placement_group import (
    get_current_placement_group,
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from minimr.util.serializability import inspect_serializability
from minimr.util.unordered import as_completed, map_unordered

# Loaded when they are asked for.
MODULES = (
    "executor",
    "joblib",
    "multiprocessing",
    "queue",
    "scheduling_strategies",
    "state",
)

__all__ = [
    "ActorPool",
    "as_completed",
    "get_current_placement_group",
    "get_node_ip_address",
    "get_placement_group",
    "inspect_serializability",
    "list_named_actors",
    "map_unordered",
    "placement_group",
    "placement_group_table",
    "remove_placement_group",
]


def get_node_ip_address() -> str:
    """Return the address of this node. Ray: the same."""
    return own_host()


def list_named_actors(all_namespaces: bool = False) -> list[Any]:
    """Return the names of living actors. Ray: the same."""
    runtime = session()
    rows = runtime.ask_head(Query("actors"))
    named = [row for row in rows if row["name"] and row["state"] != "DEAD"]
    if all_namespaces:
        return [
            {"name": row["name"], "namespace": row["ray_namespace"]}
            for row in named
        ]
    here = runtime.job.namespace
    return [row["name"] for row in named if row["ray_namespace"] == here]


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return import_module(f"minimr.util.{name}")
    raise missing(__name__, name)
