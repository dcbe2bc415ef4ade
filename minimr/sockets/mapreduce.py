"""Rung 1: MapReduce by hand, on processes and sockets.

    driver                     │ worker 1 ... worker N
    [1] map      RunMap ───────┼─> do_map_task: split ─> blocks 0..R-1,
                               │   kept on the worker's own disk
    [2] shuffle                │   block r of every map task goes straight
                               │   from worker to worker
    [3] reduce   RunReduce ────┼─> do_reduce_task: blocks r ─> output r,
                               │   kept until somebody asks

Rules:

1. Nothing but orders and reports passes through the driver.
2. Whatever a dead worker held is made again, also after the run.

The paper: Dean and Ghemawat, OSDI 2004. Mirror: `ray_impl/mapreduce.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from minimr.interface import mapreduce as interface
from minimr.interface.mapreduce import Job, Progress, Stats
from minimr.net.channel import Address
from minimr.net.token import load_token
from minimr.shared.mapreduce.tasks import add_reports
from minimr.sockets.cluster.coordinator import Coordinator, Run
from minimr.sockets.cluster.membership import Timing
from minimr.sockets.cluster.tracker import Policy


class MapReduce(interface.MapReduce):
    """MapReduce on worker processes that dial in.

    Args:
        num_workers: processes to start on this machine.
        address: where others may join, with `minimr worker --address`.
            vs Ray: there a cluster runs already, and we join it.
        policy: when to try again, and when to give up.
        timing: how long to wait for workers.
        restart_workers: replace a local worker that dies.

    Raises:
        OSError: the address cannot be listened at.
        TokenError: the token file cannot be used.
    """

    name = "sockets"

    def __init__(
        self,
        num_workers: int = 2,
        address: Address | None = None,
        policy: Policy | None = None,
        timing: Timing | None = None,
        restart_workers: bool = True,
    ) -> None:
        self._coordinator = Coordinator(
            load_token(),
            num_workers,
            address or ("127.0.0.1", 0),
            policy,
            timing,
            restart_workers,
        )
        try:
            self._coordinator.start(num_workers)
        except BaseException:
            self._coordinator.close()
            raise

    @property
    def address(self) -> tuple[str, int]:
        """Where workers join."""
        return self._coordinator.address

    def run(
        self,
        job: Job,
        splits: Sequence[Any],
        num_reduce_tasks: int,
        progress: Progress | None = None,
    ) -> Result:
        """Run the job. Blocks: until every reduce task is done."""
        interface.check_num_reduce_tasks(num_reduce_tasks)
        stats = Stats()
        start = time.perf_counter()
        run = self._coordinator.submit(
            job, splits, num_reduce_tasks, progress or interface.no_progress
        )
        try:
            # [1] map: any idle worker takes the next split
            # vs Ray: all tasks are submitted at once, and Ray places them
            self._coordinator.drive(run, lambda: run.tracker.maps_done)
            stats.map_seconds = time.perf_counter() - start
            # [2] shuffle: a reduce task is told who holds its blocks
            # vs Ray: references among its arguments say so
            # [3] reduce: any idle worker takes the next partition
            self._coordinator.drive(run, lambda: run.tracker.done)
        except BaseException:
            self._coordinator.forget(run)
            raise
        elapsed = time.perf_counter() - start
        stats.reduce_seconds = elapsed - stats.map_seconds
        tracker = run.tracker
        stats.reruns = tracker.reruns
        add_reports(
            stats,
            [task.report for task in tracker.maps if task.report],
            [task.report for task in tracker.reduces if task.report],
        )
        return Result(stats, self._coordinator, run)

    def close(self) -> None:
        """End the workers, in well under a second."""
        self._coordinator.close()


class Result(interface.Result):
    """The outputs, in the workers that made them."""

    def __init__(
        self, stats: Stats, coordinator: Coordinator, run: Run
    ) -> None:
        self.stats = stats
        self._coordinator = coordinator
        self._run = run

    def apply(self, function: Callable[[dict[Any, Any]], Any]) -> list[Any]:
        """Ask the workers. Blocks: until all have answered."""
        return self._coordinator.ask(self._run, function)

    def close(self) -> None:
        """Let the workers forget the job."""
        self._coordinator.forget(self._run)
