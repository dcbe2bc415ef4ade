"""Runtimes that are `concurrent.futures.Executor`s."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks.arena.runtime import Runtime


class Executors(Runtime):
    """Whatever has `submit` and futures."""

    @abstractmethod
    def make(self, workers: int) -> Any:
        """Return an executor."""

    def start(self, workers: int) -> None:
        """Start it."""
        self.executor = self.make(workers)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Begin a call."""
        return self.executor.submit(function, *args)

    def result(self, handle: Any) -> Any:
        """Wait for a future."""
        return handle.result()

    def map(self, function: Callable[..., Any], items: Sequence[Any]) -> Any:
        """Use `map`, an item per task."""
        return list(self.executor.map(function, items))

    def stop(self) -> None:
        """End the workers."""
        self.executor.shutdown()


class ProcessPool(Executors):
    """Python's own."""

    def make(self, workers: int) -> Any:
        """Return a pool of processes."""
        return ProcessPoolExecutor(workers)


class Loky(Executors):
    """joblib's, which survives its workers."""

    def make(self, workers: int) -> Any:
        """Return a pool of processes."""
        from loky import ProcessPoolExecutor as Pool

        return Pool(workers)


class Executorlib(Executors):
    """For the nodes of a supercomputer; here on one, its workers kept."""

    takes_futures = True

    def make(self, workers: int) -> Any:
        """Return a pool of processes."""
        from executorlib import SingleNodeExecutor

        return SingleNodeExecutor(
            max_workers=workers,
            block_allocation=True,
            hostname_localhost=True,
        )


class MinimrExecutor(Executors):
    """minimr's, on tasks."""

    def make(self, workers: int) -> Any:
        """Return an executor on a cluster of this machine."""
        import minimr
        from minimr.util.executor import TaskPoolExecutor

        minimr.init(address="local", num_cpus=workers)
        return TaskPoolExecutor(workers)

    def stop(self) -> None:
        """Stop the cluster too."""
        import minimr

        super().stop()
        minimr.shutdown()
