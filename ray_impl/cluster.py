"""The module that has the verbs, and a cluster for it to work on."""

from __future__ import annotations

import os
from typing import Any


def open_cluster(api: Any) -> tuple[Any, bool]:
    """Give the module, `ray` where there is none; start it if need be.

    Returns: the module, and whether it was us who started a cluster.
    """
    if api is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # What an actor raised is told once, in our own error.
        os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
        import ray as api  # here, for it takes a second
    started = not api.is_initialized()
    if started and api.__name__ == "ray":
        # "local": not the cluster that may run on this machine already
        api.init(
            address="local", include_dashboard=False, logging_level="ERROR"
        )
    elif started:
        api.init()
    return api, started
