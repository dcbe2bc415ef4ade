"""The three steps of rung 1 with no process and no socket."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from minimr.interface.mapreduce import no_progress
from minimr.shared.mapreduce.tasks import TaskReport
from minimr.shared.mapreduce.wordcount import TEXTBOOK
from minimr.sockets.cluster.coordinator import Run
from minimr.sockets.cluster.messages import (
    Attempt,
    Order,
    RunMap,
    RunReduce,
    Source,
    TaskId,
)
from minimr.sockets.cluster.tracker import Tracker
from minimr.sockets.cluster.worker_job import WorkerJob
from minimr.sockets.mapreduce import TASKS, MapReduce

ANNA, BERT = 1, 2  # workers
AT = {ANNA: ("anna", 1), BERT: ("bert", 2)}  # where they serve their blocks
SPLITS = [["a", "b"], ["b", "c"], ["c", "a", "a"]]


class Neighbours:
    """What a worker fetches from, with no connection between them."""

    def __init__(self) -> None:
        self.jobs: dict[int, WorkerJob] = {}
        self.asked: list[tuple[int, list[int]]] = []
        self.partition = -1

    def request(
        self, job_id: int, partition: int, sources: Sequence[Source]
    ) -> None:
        self.partition = partition
        self.asked += [(s.worker, s.map_tasks) for s in sources]

    def receive(self, sources: Sequence[Source]) -> Iterator[bytes]:
        for worker, _, map_tasks in sources:
            yield from self.jobs[worker].own_blocks(map_tasks, self.partition)


@pytest.fixture
def neighbours() -> Iterator[Neighbours]:
    """Two workers, each with a place for what it makes."""
    found = Neighbours()
    fetcher: Any = found
    for worker in AT:
        found.jobs[worker] = WorkerJob(TEXTBOOK, 2, worker, fetcher)
    yield found
    found.jobs.clear()  # their blocks are in files


@pytest.fixture
def run() -> Run:
    return Run(1, b"", SPLITS, Tracker(len(SPLITS), 2), no_progress)


def order(run: Run, worker: int) -> Order:
    """Give an idle worker its next task, as the driver does."""
    engine: Any = SimpleNamespace(
        _coordinator=SimpleNamespace(data_address=AT.__getitem__)
    )
    chosen = MapReduce._next_task(engine, run, worker, 0.0)
    assert chosen is not None
    return chosen


def done(run: Run, worker: int) -> Order:
    """Let a worker have its next task done at once."""
    chosen = order(run, worker)
    run.tracker.finish(worker, chosen.attempt.task, TaskReport())
    return chosen


def test_an_idle_worker_gets_the_next_split(run: Run) -> None:
    for number, worker in enumerate([ANNA, BERT, ANNA]):
        chosen = done(run, worker)
        assert isinstance(chosen, RunMap)
        assert chosen.attempt == Attempt(1, TaskId("map", number), 0)
        assert pickle.loads(chosen.split) == SPLITS[number]


def test_a_reduce_task_is_told_who_holds_its_blocks(run: Run) -> None:
    for worker in (ANNA, BERT, ANNA):
        done(run, worker)
    chosen = order(run, BERT)
    assert isinstance(chosen, RunReduce)
    assert chosen.attempt.task == TaskId("reduce", 0)
    assert chosen.sources == [
        Source(ANNA, AT[ANNA], [0, 2]),
        Source(BERT, AT[BERT], [1]),
    ]


def test_a_split_that_runs_again_is_another_attempt(run: Run) -> None:
    done(run, ANNA)
    run.tracker.lose(ANNA)
    assert order(run, BERT).attempt == Attempt(1, TaskId("map", 0), 1)


def test_a_worker_asks_the_others_for_blocks_and_never_itself(
    run: Run, neighbours: Neighbours
) -> None:
    counts: dict[str, int] = {}
    for worker in (ANNA, BERT, ANNA, BERT, ANNA):
        chosen = done(run, worker)
        here = neighbours.jobs[worker]
        report = TASKS[type(chosen)](here, chosen)
        assert (report.shuffle_bytes > 0) == isinstance(chosen, RunReduce)
    for here in neighbours.jobs.values():
        for output in here.outputs.values():
            counts |= output
    assert counts == {"a": 3, "b": 2, "c": 2}
    assert neighbours.asked == [(ANNA, [0, 2]), (BERT, [1])]
