"""Deaths that the coordinator hears of at an awkward moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from minimr.interface.mapreduce import no_progress
from minimr.shared.mapreduce.tasks import TaskReport
from minimr.shared.mapreduce.wordcount import COMBINED
from minimr.sockets.cluster.coordinator import Coordinator, Run
from minimr.sockets.cluster.membership import Member, Timing
from minimr.sockets.cluster.messages import Done, TaskId
from minimr.sockets.cluster.tracker import Policy

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


@pytest.fixture
def coordinator() -> Iterator[Coordinator]:
    """One with two workers, on other machines as it seems."""
    coordinator = Coordinator(
        bytes(32), 0, policy=AT_ONCE, timing=Timing(silence_timeout_s=1e-6)
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
    run = coordinator.submit(COMBINED, splits, 1, no_progress)
    coordinator._assign(run)
    return run


def done(run: Run, number: int) -> Done:
    return Done(run.id, TaskId("map", number), TaskReport())


def test_a_rival_dies_just_when_its_task_is_finished(
    coordinator: Coordinator,
) -> None:
    run = submit(coordinator, ["a"])
    members = coordinator._members
    anna, bert = members
    assert anna.task is not None
    assert bert.task is not None  # the backup
    members._events.append((anna, done(run, 0)))
    members.lose(bert, "its connection has ended")
    coordinator._handle(members._events)  # both, in one batch
    assert run.tracker.maps_done


def test_a_worker_that_holds_blocks_is_given_up(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit(coordinator, ["a", "b"])
    members = coordinator._members
    anna, bert = members
    news = iter(
        [
            [(bert, done(run, 1))],  # it gets a backup of Anna's task
            [(anna, done(run, 0))],  # and cannot be cancelled
            [],
            [],
        ]
    )

    def poll(timeout_s: float) -> list[Any]:
        lost = list(members._events)
        members._events.clear()
        return [*lost, *next(news)]

    monkeypatch.setattr(members, "poll", poll)
    lost = run.tracker.task(TaskId("map", 1))
    coordinator.drive(
        run, lambda: bert not in list(members) and lost.holder is None
    )
    assert lost.idle or ANNA in lost.attempts
