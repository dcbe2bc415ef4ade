"""OpenGRIS Scaler: a scheduler, a store of objects, and workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scaler import Client, SchedulerClusterCombo

from benchmarks.arena.runtime import Runtime
from benchmarks.arena.work import increment, total


class Scaler(Runtime):
    """Chains and fan-ins are graphs, as of Dask."""

    takes_futures = True  # in a graph

    def start(self, workers: int) -> None:
        """Start everything on this machine."""
        self.cluster = SchedulerClusterCombo(n_workers=workers)
        self.client = Client(address=self.cluster.get_address())

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a task on its arguments as they are now.

        `submit` sends what an array was the first time.
        """
        return self.client.submit_verbose(function, args, {}, reserialize=True)

    def result(self, handle: Any) -> Any:
        """Wait for one."""
        return handle.result()

    def chain(self, length: int) -> int:
        """Submit a graph: 0 -> 1 -> ..."""
        graph: dict[str, Any] = {
            str(n): (increment, str(n - 1)) for n in range(1, length + 1)
        }
        last = str(length)
        return int(self.client.get({"0": 0, **graph}, [last])[last])

    def fan_in(self, width: int) -> int:
        """Submit a graph: all -> the sum."""
        numbers = range(width)
        graph = {f"in{n}": n for n in numbers}
        parts = {f"out{n}": (increment, f"in{n}") for n in numbers}
        graph = {**graph, **parts, "sum": (total, *parts)}
        return int(self.client.get(graph, ["sum"])["sum"])

    def stop(self) -> None:
        """Stop everything."""
        self.client.disconnect()
        self.cluster.shutdown()
