"""Rung 0: the for loop. What is computed, with nothing distributed.

    for split in splits: map ─> blocks
    for r in range(R):   reduce blocks r of all

Every other rung gives the same result: this one is the oracle of the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minimr.interface import mapreduce as interface
from minimr.interface.mapreduce import Job, JobError, Progress, Stats
from minimr.shared.mapreduce.tasks import (
    add_reports,
    do_map_task,
    do_reduce_task,
)
from minimr.system import machine


class MapReduce(interface.MapReduce):
    """Runs every task in the driver, one after the other."""

    name = "serial"

    def run(
        self,
        job: Job,
        splits: Sequence[Any],
        num_reduce_tasks: int,
        progress: Progress | None = None,
    ) -> Result:
        """Run the job. Blocks: until it is done."""
        interface.check_num_reduce_tasks(num_reduce_tasks)
        progress = progress or interface.no_progress
        stats = Stats()
        start = machine.monotonic()
        # [1] map: every split becomes one block per reduce task
        maps = []
        for number, split in enumerate(splits):
            maps.append(_attempt(do_map_task, job, split, num_reduce_tasks))
            progress("map", number + 1, len(splits))
        stats.map_seconds = machine.monotonic() - start
        # [2] shuffle: nothing to move, a reduce task picks its blocks
        shuffled = [
            [blocks[partition] for blocks, _ in maps]
            for partition in range(num_reduce_tasks)
        ]
        # [3] reduce: group a partition by key and fold each group
        reduces = []
        for number, blocks in enumerate(shuffled):
            reduces.append(_attempt(do_reduce_task, job, blocks))
            progress("reduce", number + 1, num_reduce_tasks)
        elapsed = machine.monotonic() - start
        stats.reduce_seconds = elapsed - stats.map_seconds
        add_reports(
            stats,
            [report for _, report in maps],
            [report for _, report in reduces],
        )
        return Result(stats, [output for output, _ in reduces])

    def close(self) -> None:
        """Nothing was started."""


class Result(interface.Result):
    """The outputs, in the driver's own memory."""

    def __init__(self, stats: Stats, outputs: list[dict[Any, Any]]) -> None:
        self.stats = stats
        self._outputs: list[dict[Any, Any]] | None = outputs

    def apply(self, function: Callable[[dict[Any, Any]], Any]) -> list[Any]:
        """Call the function on one output after the other."""
        if self._outputs is None:
            raise ValueError("the result is closed")
        try:
            return [function(output) for output in self._outputs]
        except Exception as error:  # it may raise anything
            raise JobError(f"asking for the result: {error!r}") from error

    def close(self) -> None:
        """Forget the outputs."""
        self._outputs = None


def _attempt(task: Callable[..., Any], job: Job, *arguments: Any) -> Any:
    try:
        return task(job, *arguments)
    except Exception as error:  # a task may raise anything
        raise JobError(f"{task.__name__} of {job.name}: {error!r}") from error
