"""Dask's distributed scheduler, on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from distributed import Client, LocalCluster

from benchmarks.arena.runtime import Runtime


class Dask(Runtime):
    """A process per worker, and the scheduler in the driver."""

    takes_futures = has_actors = True
    keeps_order = False  # calls of an actor overtake each other

    def start(self, workers: int) -> None:
        """Start workers of one thread each."""
        self.cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            memory_limit=0,
        )
        self.client = Client(self.cluster)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a task, also if the same one has run before."""
        return self.client.submit(function, *args, pure=False)

    def result(self, handle: Any) -> Any:
        """Wait for one."""
        return handle.result()

    def map(self, function: Callable[..., Any], items: Sequence[Any]) -> Any:
        """Use `map`, and gather all results at once."""
        return self.results(self.client.map(function, items, pure=False))

    def results(self, handles: list[Any]) -> list[Any]:
        """Gather them, or wait for the calls of an actor."""
        if handles and not hasattr(handles[0], "key"):
            return super().results(handles)
        gathered: list[Any] = self.client.gather(handles)
        return gathered

    def actor(self, kind: type) -> Any:
        """Start an actor on a worker."""
        return self.client.submit(kind, actor=True, pure=False).result()

    def call(self, actor: Any, method: str, *args: Any) -> Any:
        """Call an actor."""
        return getattr(actor, method)(*args)

    def stop(self) -> None:
        """Stop the cluster."""
        self.client.close()
        self.cluster.close()
