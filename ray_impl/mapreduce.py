"""Rung 3: MapReduce on Ray tasks.

    driver                     │ the workers of a Ray cluster
    [1] map      .remote() ────┼─> do_map_task: split ─> blocks 0..R-1,
                               │   each a return value of its own
    [2] shuffle                │   the references to block r of every map
                               │   task are arguments of reduce task r
    [3] reduce   .remote() ────┼─> do_reduce_task: blocks r ─> output r,
                               │   kept until somebody asks

Rules:

1. The driver handles references; the blocks stay in the object stores.
   (Ray keeps results of up to 100 KiB with their owner, which is us.)
2. Ray runs lost tasks again: `max_retries` for those under way, lineage
   for what they had made.

The module that has the verbs is a parameter: on `minimr` this file is rung
2. Mirror: `minimr/sockets/mapreduce.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from minimr.interface import mapreduce as interface
from minimr.interface.mapreduce import Job, JobError, Progress, Stats
from minimr.shared.mapreduce.tasks import (
    TaskReport,
    add_reports,
    do_map_task,
    do_reduce_task,
    say_nothing,
)
from ray_impl.cluster import is_ray, join_cluster, load_ray, start_cluster

MAX_RETRIES = 3  # of a task, by errors and by deaths
STEPS = 20  # how often a phase reports progress
WARM_UP_S = 0.05


class MapReduce(interface.MapReduce):
    """MapReduce on the tasks of Ray, or of a module with its verbs.

    Args:
        num_workers: processors of the cluster that is started.
        address: HOST:PORT of a running cluster to join instead.
            vs minimr: there workers join us.
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
        self._api = api = api or load_ray(joining=address is not None)
        self.name = api.__name__
        self._started = not api.is_initialized()
        if self._started and address is not None:
            join_cluster(api, "{}:{}".format(*address))
            num_workers = int(api.cluster_resources().get("CPU", num_workers))
        elif self._started:
            start_cluster(api, num_workers)
        warm = api.remote(say_nothing)
        api.get([warm.remote(WARM_UP_S) for _ in range(2 * num_workers)])

    @property
    def address(self) -> tuple[str, int]:
        """Where the cluster is."""
        host, _, port = self._api.get_runtime_context().gcs_address.rpartition(
            ":"
        )
        return host, int(port)

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
        job_ref = api.put(job)
        # [1] map: all at once; Ray finds a worker for each
        # vs minimr: workers ask, and a slow one gets a backup
        map_task = self._task(_flat_map_task, num_reduce_tasks + 1)
        rows = [
            map_task.remote(api, job_ref, split, num_reduce_tasks)
            for split in splits
        ]
        # [2] shuffle: column r of the references goes to reduce task r
        # vs minimr: a reduce task is told whom to ask
        columns = [
            [row[partition] for row in rows]
            for partition in range(num_reduce_tasks)
        ]
        # [3] reduce: each begins when its arguments are there
        reduce_task = self._task(_flat_reduce_task, 2)
        pairs = [reduce_task.remote(api, job_ref, *c) for c in columns]
        map_reports = [row[-1] for row in rows]
        reduce_reports = [report for _, report in pairs]
        # When one fails, the rest is left to run out, with nobody to take
        # it: `ray.cancel` of a task that is being retried may end the
        # driver (Ray 2.60, a failed check in its task manager).
        # vs minimr: what nobody waits for any more is interrupted
        maps = self._collect("map", map_reports, progress)
        stats.map_seconds = time.perf_counter() - start
        reduces = self._collect("reduce", reduce_reports, progress)
        stats.reduce_seconds = time.perf_counter() - start - stats.map_seconds
        stats.reruns = sum(report.attempt for report in (*maps, *reduces))
        add_reports(stats, maps, reduces)
        return Result(stats, api, [output for output, _ in pairs])

    def close(self) -> None:
        """Stop the cluster that we started, or leave the one we joined."""
        if self._started:
            self._api.shutdown()

    def _task(self, function: Callable[..., Any], num_returns: int) -> Any:
        return self._api.remote(function).options(
            num_returns=num_returns,
            scheduling_strategy="SPREAD",
            max_retries=MAX_RETRIES,
            retry_exceptions=True,
        )

    def _collect(
        self, phase: str, refs: list[Any], progress: Progress | None
    ) -> list[TaskReport]:
        waiting, step = refs, max(1, len(refs) // STEPS)
        while waiting and progress is not None:
            _, waiting = self._api.wait(
                waiting, num_returns=min(step, len(waiting))
            )
            progress(phase, len(refs) - len(waiting), len(refs))
        return _get(self._api, refs)


class Result(interface.Result):
    """The outputs, in the object stores of the cluster."""

    def __init__(self, stats: Stats, api: Any, outputs: list[Any]) -> None:
        self.stats = stats
        self._api = api
        self._outputs: list[Any] | None = outputs

    def apply(self, function: Callable[[dict[Any, Any]], Any]) -> list[Any]:
        """Run a task an output. Blocks: until all have answered."""
        if self._outputs is None:
            raise ValueError("the result is closed")
        task = self._api.remote(_apply)
        return _get(
            self._api, [task.remote(function, ref) for ref in self._outputs]
        )

    def close(self) -> None:
        """Let go of the references: the cluster frees the outputs."""
        self._outputs = None


def _flat_map_task(
    api: Any, job: Job, split: Any, num_reduce_tasks: int
) -> list[Any]:
    blocks, report = do_map_task(job, split, num_reduce_tasks)
    report.attempt = _attempt_number(api)
    return [*blocks, report]


def _flat_reduce_task(
    api: Any, job: Job, *blocks: bytes
) -> tuple[dict[Any, Any], TaskReport]:
    output, report = do_reduce_task(job, blocks)
    report.attempt = _attempt_number(api)
    return output, report


def _apply(function: Callable[[Any], Any], output: Any) -> Any:
    return function(output)


def _attempt_number(api: Any) -> int:
    context = api.get_runtime_context()
    if not is_ray(api):
        return int(context.get_attempt_number())
    # Ray has no public name for it.
    return int(context.worker.core_worker.get_current_task_attempt_number())


def _get(api: Any, refs: list[Any]) -> list[Any]:
    try:
        return list(api.get(refs))
    except api.exceptions.RayTaskError as error:
        raise JobError(f"a task failed:\n{error}") from error.cause
    except api.exceptions.RayError as error:
        raise JobError(f"the job cannot finish: {error}") from error
