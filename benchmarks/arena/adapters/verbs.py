"""Ray and minimr: the same verbs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from benchmarks.arena.runtime import Runtime

OPTIONS: dict[str, dict[str, Any]] = {
    "ray": {
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
        "logging_level": "ERROR",
        "log_to_driver": False,
    },
    "minimr": {},
}


class Verbs(Runtime):
    """Tasks and actors by `remote`, on a cluster of this machine."""

    takes_futures = has_actors = True
    module: str

    def start(self, workers: int) -> None:
        """Start a cluster."""
        self.ray = importlib.import_module(self.module)
        options = OPTIONS[self.module]
        self.ray.init(address="local", num_cpus=workers, **options)
        self.remote: dict[Callable[..., Any], Any] = {}

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a task."""
        if function not in self.remote:
            self.remote[function] = self.ray.remote(function)
        return self.remote[function].remote(*args)

    def result(self, handle: Any) -> Any:
        """Get one."""
        return self.ray.get(handle)

    results = result

    def actor(self, kind: type) -> Any:
        """Start an actor that needs no CPU while it waits."""
        return self.ray.remote(num_cpus=0)(kind).remote()

    def call(self, actor: Any, method: str, *args: Any) -> Any:
        """Call an actor."""
        return getattr(actor, method).remote(*args)

    def stop(self) -> None:
        """Stop the cluster."""
        self.ray.shutdown()


class Minimr(Verbs):
    """Rung 2 of this tree."""

    module = "minimr"


class Ray(Verbs):
    """Ray, without what nobody uses here."""

    module = "ray"
