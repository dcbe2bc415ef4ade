"""Parsl: apps that return futures, on its executor for many tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor

from benchmarks.arena.runtime import Runtime


class Parsl(Runtime):
    """An interchange, a manager, and a process per worker."""

    takes_futures = True

    def start(self, workers: int) -> None:
        """Start them on this machine."""
        executor = HighThroughputExecutor(
            address="127.0.0.1",
            max_workers_per_node=workers,
            encrypted=False,
        )
        parsl.load(Config([executor], usage_tracking=0))
        self.apps: dict[Callable[..., Any], Any] = {}

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call the app of a function."""
        if function not in self.apps:
            self.apps[function] = parsl.python_app(function)
        return self.apps[function](*args)

    def result(self, handle: Any) -> Any:
        """Wait for a future."""
        return handle.result()

    def stop(self) -> None:
        """Stop all processes."""
        parsl.dfk().cleanup()
        parsl.clear()
