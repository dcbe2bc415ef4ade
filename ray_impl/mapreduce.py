"""Rung 3: MapReduce on Ray tasks.

    driver                     │ the workers of a Ray cluster
    [1] map      .remote() ────┼─> _map_task: split ─> blocks 0..R-1,
                               │   each a return value of its own
    [2] shuffle                │   the references to block r of every map
                               │   task are arguments of reduce task r
    [3] reduce   .remote() ────┼─> _reduce_task: blocks r ─> output r,
                               │   kept until somebody asks

Rules:

1. The driver handles references; the blocks stay in the object stores.
   (Ray keeps results of up to 100 KiB with their owner, which is us.)
2. Ray runs lost tasks again: `max_retries` for those under way, lineage
   for what they had made.

The module that has the verbs is a parameter: on `minimr` this file is
rung 2. Clusters, errors, progress: `ray_impl/cluster.py`, `results.py`.
Mirror: `minimr/sockets/mapreduce.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from minimr.interface import mapreduce as interface
from minimr.interface.mapreduce import Job, Progress, Stats
from minimr.shared.mapreduce.tasks import (
    TaskReport,
    add_reports,
    do_map_task,
    do_reduce_task,
)
from ray_impl.cluster import (
    address_of,
    attempt_number,
    open_cluster,
    warm_up,
)
from ray_impl.results import get_as_they_come, get_results

MAX_RETRIES = 3  # of a task, by errors and by deaths


class MapReduce(interface.MapReduce):
    """MapReduce on the tasks of Ray, or of a module with its verbs.

    Args:
        num_workers: processors of the cluster that is started.
        address: HOST:PORT of a running cluster to join instead.
            vs sockets: there workers join us.
        api: the module that has the verbs; None: `ray`.

    Raises:
        ConnectionError: nobody answers at the address.
    """

    name = "ray"

    def __init__(
        self,
        num_workers: int = 2,
        address: tuple[str, int] | None = None,
        api: Any = None,
    ) -> None:
        self._api, self._started = open_cluster(api, num_workers, address)
        self.name = self._api.__name__
        warm_up(self._api)

    @property
    def address(self) -> tuple[str, int]:
        """Where the cluster is."""
        return address_of(self._api)

    def run(
        self,
        job: Job,
        splits: Sequence[Any],
        num_reduce_tasks: int,
        progress: Progress | None = None,
    ) -> Result:
        """Run the job. Blocks: until every reduce task is done."""
        interface.check_num_reduce_tasks(num_reduce_tasks)
        api, stats, start = self._api, Stats(), time.perf_counter()
        outputs, map_reports, reduce_reports = self._all_tasks(
            job, splits, num_reduce_tasks
        )
        # When one fails, the rest is left to run out, with nobody to take
        # it: `ray.cancel` of a task that is being retried may end the
        # driver (Ray 2.60, a failed check in its task manager).
        # vs sockets: what nobody waits for any more is interrupted
        maps = get_as_they_come(api, "map", map_reports, progress)
        stats.map_seconds = time.perf_counter() - start
        reduces = get_as_they_come(api, "reduce", reduce_reports, progress)
        stats.reduce_seconds = time.perf_counter() - start - stats.map_seconds
        stats.reruns = sum(report.attempt for report in (*maps, *reduces))
        add_reports(stats, maps, reduces)
        return Result(stats, api, outputs)

    def _all_tasks(
        self, job: Job, splits: Sequence[Any], num_reduce_tasks: int
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Submit everything. Returns: references to outputs, reports."""
        api = self._api
        job_ref = api.put(job)
        # [1] map: all at once; Ray finds a worker for each
        # vs sockets: workers ask, and a slow one gets a backup
        map_task = self._remote(_map_task, num_reduce_tasks + 1)
        rows = [
            map_task.remote(api, job_ref, split, num_reduce_tasks)
            for split in splits
        ]
        # [2] shuffle: column r of the references goes to reduce task r
        # vs sockets: a reduce task is told whom to ask
        columns = [
            [row[partition] for row in rows]
            for partition in range(num_reduce_tasks)
        ]
        # [3] reduce: each begins when its arguments are there
        # vs sockets: any idle worker gets the next one
        reduce_task = self._remote(_reduce_task, 2)
        pairs = [reduce_task.remote(api, job_ref, *c) for c in columns]
        outputs = [output for output, _ in pairs]
        reduce_reports = [report for _, report in pairs]
        return outputs, [row[-1] for row in rows], reduce_reports

    def _remote(self, function: Callable[..., Any], num_returns: int) -> Any:
        return self._api.remote(function).options(
            num_returns=num_returns,
            scheduling_strategy="SPREAD",
            max_retries=MAX_RETRIES,
            retry_exceptions=True,
        )

    def close(self) -> None:
        """Stop the cluster that we started, or leave the one we joined."""
        if self._started:
            self._api.shutdown()


class Result(interface.Result):
    """The outputs, in the object stores of the cluster."""

    def __init__(self, stats: Stats, api: Any, outputs: list[Any]) -> None:
        self.stats = stats
        self._api = api
        self._outputs: list[Any] | None = outputs

    def apply(self, function: Callable[[dict[Any, Any]], Any]) -> list[Any]:
        """Run one task per output. Blocks: until all have answered."""
        if self._outputs is None:
            raise ValueError("the result is closed")
        task = self._api.remote(_apply)
        answers = [task.remote(function, output) for output in self._outputs]
        return get_results(self._api, answers)

    def close(self) -> None:
        """Let go of the references: the cluster frees the outputs."""
        self._outputs = None


def _map_task(
    api: Any, job: Job, split: Any, num_reduce_tasks: int
) -> list[Any]:
    # [1] map: one block per reduce task, each a return value of its own
    # vs sockets: they stay on the disk of the worker
    blocks, report = do_map_task(job, split, num_reduce_tasks)
    report.attempt = attempt_number(api)
    return [*blocks, report]


def _reduce_task(
    api: Any, job: Job, *blocks: bytes
) -> tuple[dict[Any, Any], TaskReport]:
    # [3] reduce: all blocks are at hand, fetched by the node
    # vs sockets: they are grouped as they come
    output, report = do_reduce_task(job, blocks)
    report.attempt = attempt_number(api)
    return output, report


def _apply(function: Callable[[Any], Any], output: Any) -> Any:
    return function(output)
