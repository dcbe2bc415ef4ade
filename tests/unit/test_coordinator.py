"""Deaths that the coordinator hears of at an awkward moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from minimr.shared.mapreduce.tasks import TaskReport
from minimr.shared.mapreduce.wordcount import COMBINED
from minimr.sockets.cluster.coordinator import Coordinator, Run
from minimr.sockets.cluster.membership import Event, Member, News, Timing
from minimr.sockets.cluster.messages import (
    Attempt,
    Done,
    FetchFailed,
    RunMap,
    TaskId,
)
from minimr.sockets.cluster.tracker import IDLE, Policy

AT_ONCE = Policy(backup_after_s=0, backup_factor=0, backup_blind_s=0)
ANNA, BERT = 1, 2


class Peer:
    """A connection that goes nowhere."""

    host = "127.0.0.1"
    closed = True  # so that a hub has nothing to close

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, message: Any) -> None:
        self.sent.append(message)


def next_map(run: Run, worker: int, now: float) -> RunMap | None:
    task = run.tracker.assign(worker, now)
    return task and RunMap(Attempt(run.id, task.id, task.started - 1), b"")


@pytest.fixture
def coordinator() -> Iterator[Coordinator]:
    """One with two workers, on other machines as it seems."""
    coordinator = Coordinator(
        next_map,
        bytes(32),
        0,
        policy=AT_ONCE,
        timing=Timing(silence_timeout_s=1e-6),
    )
    for worker in (ANNA, BERT):
        coordinator._members._table[worker] = Member(
            id=worker,
            peer=Peer(),  # type: ignore[arg-type]
            pid=0,
            data_address=("127.0.0.1", 1),
            name=None,
            last_heard=time.monotonic(),
        )
    yield coordinator
    coordinator.close()


def submit(coordinator: Coordinator, splits: list[str]) -> Run:
    run = coordinator.submit(COMBINED, splits, 1, None)
    coordinator._assign(run)
    return run


def done(worker: Member) -> News:
    assert worker.attempt is not None
    return News(worker, Done(worker.attempt, TaskReport()))


def test_a_rival_dies_just_when_its_task_is_finished(
    coordinator: Coordinator,
) -> None:
    run = submit(coordinator, ["a"])
    members = coordinator._members
    anna, bert = members
    assert anna.attempt is not None
    assert bert.attempt is not None  # the backup
    members._events.append(done(anna))
    members.lose(bert, "its connection has ended")
    coordinator._handle(members.news())  # both, in one batch
    assert run.tracker.maps_done


def test_a_worker_that_holds_blocks_is_given_up(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit(coordinator, ["a", "b"])
    members = coordinator._members
    anna, bert = members
    news = iter(
        [
            [done(bert)],  # it gets a backup of Anna's task
            [done(anna)],  # and cannot be cancelled
            [],
            [],
        ]
    )

    def poll(timeout_s: float) -> list[Event]:
        return [*members.news(), *next(news)]

    monkeypatch.setattr(members, "poll", poll)
    lost = run.tracker.task(TaskId("map", 1))
    coordinator.drive(
        run, lambda: bert not in list(members) and lost.holder is None
    )
    assert lost.state is IDLE or ANNA in lost.attempts


def test_what_a_refused_worker_held_is_lost_before_the_next_order(
    coordinator: Coordinator,
) -> None:
    """Or the next reduce task would be told to fetch from it."""
    run = submit(coordinator, ["a"])
    anna, bert = coordinator._members
    message = done(anna)
    coordinator._handle([message, done(bert)])
    assert run.tracker.maps_done
    coordinator._handle([message])  # it was not given the task again
    assert list(coordinator._members) == [bert]
    assert not run.tracker.maps_done


def test_who_cannot_fetch_tells_which_map_tasks_run_again(
    coordinator: Coordinator,
) -> None:
    run = submit(coordinator, ["a", "b"])
    anna, bert = coordinator._members
    coordinator._handle([done(bert)])
    assert anna.attempt is not None
    failed = FetchFailed(anna.attempt, BERT, "it is gone")
    coordinator._handle([News(anna, failed)])
    texts = [line["text"] for line in run.history.lines() if "text" in line]
    told = f"cannot fetch from worker {BERT}: map tasks 1 run again"
    assert any(told in text for text in texts)
