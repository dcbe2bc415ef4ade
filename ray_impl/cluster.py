"""The module that has the verbs, and a cluster for it to work on."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

RAY_TOKEN = Path.home() / ".ray" / "auth_token"


def load_ray(joining: bool = False) -> Any:
    """Import Ray, and tell it to be quiet."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What a task or an actor raised is told once, in our own error.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    if joining and RAY_TOKEN.exists():  # Ray looks at this when imported
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray  # here, for it takes a second

    return ray


def is_ray(api: Any) -> bool:
    """Tell whether this module with the verbs is Ray itself."""
    return bool(api.__name__ == "ray")


def quiet(api: Any) -> dict[str, Any]:
    """Give the options of `init` that only Ray needs."""
    if not is_ray(api):
        return {}
    return {"include_dashboard": False, "logging_level": "ERROR"}


def at_home(api: Any) -> Any:
    """Give the option that keeps an actor on the driver's node.

    Not a soft one: of that Ray takes no notice where no CPU is asked for.
    """
    name = f"{api.__name__}.util.scheduling_strategies"
    affinity = import_module(name).NodeAffinitySchedulingStrategy
    return affinity(api.get_runtime_context().get_node_id(), soft=False)


def open_cluster(api: Any) -> tuple[Any, bool]:
    """Give the module, `ray` where there is none; start it if need be.

    Returns: the module, and whether it was us who started a cluster.
    """
    api = api or load_ray()
    started = not api.is_initialized()
    if started and is_ray(api):
        # "local": not the cluster that may run on this machine already
        api.init(address="local", **quiet(api))
    elif started:
        api.init()
    return api, started
