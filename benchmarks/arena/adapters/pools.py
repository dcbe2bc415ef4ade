"""`multiprocessing.Pool`, and mpire's pool, which has the same verbs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.arena.runtime import Runtime


class Pool(Runtime):
    """Python's own pool."""

    def start(self, workers: int) -> None:
        """Start the workers."""
        self.pool: Any = multiprocessing.Pool(workers)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Begin a call."""
        return self.pool.apply_async(function, args)

    def result(self, handle: Any) -> Any:
        """Wait for one."""
        return handle.get()

    def map(self, function: Callable[..., Any], items: Sequence[Any]) -> Any:
        """Use `map`, an item per task."""
        return self.pool.map(function, items, chunksize=1)

    def stop(self) -> None:
        """End the workers."""
        self.pool.terminate()
        self.pool.join()


class Mpire(Pool):
    """mpire: a faster `map`, and state of workers."""

    def start(self, workers: int) -> None:
        """Start a pool that keeps its workers between two maps."""
        from mpire import WorkerPool

        self.pool = WorkerPool(workers, keep_alive=True)
        self.map(abs, [1])  # mpire 2.10: `map` fails if the first is not one

    def map(self, function: Callable[..., Any], items: Sequence[Any]) -> Any:
        """Use `map`, an item per task."""
        return self.pool.map(function, items, chunk_size=1)
