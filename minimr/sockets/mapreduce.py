"""Rung 1: MapReduce by hand, on processes and sockets.

    driver                     │ worker 1 ... worker N
    [1] map      RunMap ───────┼─> _map_task: split ─> blocks 0..R-1,
                               │   kept on the worker's own disk
    [2] shuffle  sources ──────┼─> _fetch_blocks: block r of every map
                               │   task, straight from worker to worker
    [3] reduce   RunReduce ────┼─> _reduce_task: blocks r ─> output r,
                               │   kept until somebody asks

Rules:

1. Nothing but orders and reports passes through the driver.
2. What a dead worker held is made again, even after the run.

Who is there, who has died, what travels: `minimr/sockets/cluster/`.
The paper: Dean and Ghemawat, OSDI 2004. Mirror: `ray_impl/mapreduce.py`.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from minimr.interface import mapreduce as interface
from minimr.interface.mapreduce import Job, Progress, Stats
from minimr.net.channel import Address
from minimr.net.token import load_token
from minimr.shared.mapreduce.tasks import (
    TaskReport,
    add_reports,
    do_map_task,
    do_reduce_task,
)
from minimr.sockets.cluster.coordinator import Coordinator, Run
from minimr.sockets.cluster.membership import Timing
from minimr.sockets.cluster.messages import (
    Attempt,
    Order,
    RunMap,
    RunReduce,
    Source,
)
from minimr.sockets.cluster.tracker import Policy
from minimr.sockets.cluster.worker_job import WorkerJob
from minimr.system import machine, pickling


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
            self._next_task,
            load_token(),
            num_workers,
            address,
            policy,
            timing,
            restart_workers,
        )
        self._coordinator.start(num_workers)

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
        stats, start = Stats(), machine.monotonic()
        run = self._coordinator.submit(job, splits, num_reduce_tasks, progress)
        try:
            self._coordinator.drive(run, lambda: run.tracker.maps_done)
            stats.map_seconds = machine.monotonic() - start
            self._coordinator.drive(run, lambda: run.tracker.done)
        except BaseException:
            # vs Ray: tasks that nobody waits for any more run to their end
            self._coordinator.forget(run)
            raise
        stats.reduce_seconds = machine.monotonic() - start - stats.map_seconds
        stats.reruns = run.tracker.reruns
        add_reports(stats, *run.tracker.reports())
        return Result(stats, self._coordinator, run)

    def _next_task(self, run: Run, worker: int, now: float) -> Order | None:
        """Choose what an idle worker does next. None: it waits."""
        task = run.tracker.assign(worker, now)
        if task is None:
            return None
        attempt = Attempt(run.id, task.id, task.started - 1)
        number = task.id.number
        if task.id.kind == "map":
            # [1] map: any idle worker gets the next split
            # vs Ray: all tasks are submitted at once, and Ray places them
            split = pickling.dumps(run.splits[number], f"split {number}")
            return RunMap(attempt, split)
        # [2] shuffle: a reduce task is told who holds its blocks
        # vs Ray: references among its arguments say so
        sources = [
            Source(holder, self._coordinator.data_address(holder), map_tasks)
            for holder, map_tasks in run.tracker.sources().items()
        ]
        # [3] reduce: any idle worker gets the next partition
        # vs Ray: a reduce task begins when its arguments are there
        return RunReduce(attempt, sources)

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

    def trace(self) -> list[dict[str, Any]]:
        """Return the lines of a trace: who ran what, and when."""
        return self._run.history.lines()

    def close(self) -> None:
        """Let the workers forget the job."""
        self._coordinator.forget(self._run)


def _map_task(here: WorkerJob, order: RunMap) -> TaskReport:
    """Runs in: a worker; `here` is what it has of the job."""
    # [1] map: one block per reduce task, on the disk of this worker
    # vs Ray: each is a return value, in the object store of its node
    split = pickle.loads(order.split)
    blocks, report = do_map_task(here.job, split, here.num_reduce_tasks)
    for partition, block in enumerate(blocks):
        here.keep(order.attempt.task.number, partition, block)
    return report


def _fetch_blocks(here: WorkerJob, order: RunReduce) -> Iterator[bytes]:
    # [2] shuffle: all others are asked at once; our own blocks are at hand
    # vs Ray: the node that runs a task fetches its arguments
    job_id, (_, partition), _ = order.attempt
    others = [s for s in order.sources if s.worker != here.worker_id]
    here.fetcher.request(job_id, partition, others)
    for source in order.sources:
        if source.worker == here.worker_id:
            yield from here.own_blocks(source.map_tasks, partition)
    yield from here.fetcher.receive(others)


def _reduce_task(here: WorkerJob, order: RunReduce) -> TaskReport:
    # [3] reduce: blocks are grouped as they come; the output stays here
    # vs Ray: it begins with all blocks at hand
    output, report = do_reduce_task(here.job, _fetch_blocks(here, order))
    here.outputs[order.attempt.task.number] = output
    return report


# {what the driver orders: what a worker does}
TASKS: dict[type[Order], Callable[[WorkerJob, Any], TaskReport]] = {
    RunMap: _map_task,
    RunReduce: _reduce_task,
}
