"""Rules of rung 2 after steps: each finds a bug that breaks it, by its name.

What a bug does to a result comes later, and not always.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minimr.core.messages import Stored
from minimr.core.node.arena import Arena
from minimr.core.node.resources import Pool
from minimr.core.node.worker_pool import Worker, WorkerState
from minimr.core.process.leases import Leases
from minimr.core.process.ownership import Objects
from minimr.core.process.records import Lease, Task
from minimr.core.process.tasks import Tasks
from minimr.simulation import PROGRAMS, Faults, play
from minimr.simulation.runs import prepared

Plant = Callable[[pytest.MonkeyPatch], None]
WITHIN = 10  # seeds


def half_given_back(patch: pytest.MonkeyPatch) -> None:
    give = Pool.give

    def give_half(self: Pool, amounts: Any) -> None:
        give(
            self, [(n, have / 2 if have > 0 else have) for n, have in amounts]
        )

    patch.setattr(Pool, "give", give_half)


def still_idle(patch: pytest.MonkeyPatch) -> None:
    move = Worker.move

    def stay(self: Worker, state: WorkerState) -> None:
        if state is not WorkerState.LEASED:
            move(self, state)

    patch.setattr(Worker, "move", stay)


def kept_by_both(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leases, "_forget", lambda self, lease: None)


def never_counted(patch: pytest.MonkeyPatch) -> None:
    free = Arena.free

    def free_less(self: Arena, begin: int, size: int) -> None:
        free(self, begin, size)
        self.used += 1

    patch.setattr(Arena, "free", free_less)


def freed_by_the_first(patch: pytest.MonkeyPatch) -> None:
    unborrow = Objects._on_unborrow

    def free(self: Objects, peer: Any, message: Any) -> None:
        unborrow(self, peer, message)
        for id in message.ids:
            entry = self.table.get(id)
            if entry is not None and isinstance(entry.value, Stored):
                self.free(id, entry.value.places)

    patch.setattr(Objects, "_on_unborrow", free)


def not_counted(patch: pytest.MonkeyPatch) -> None:
    def on_borrow(self: Objects, peer: Any, borrow: Any, reply: Any) -> None:
        reply(None)

    patch.setattr(Objects, "_on_borrow", on_borrow)


def last_come(patch: pytest.MonkeyPatch) -> None:
    submit = Tasks.submit

    def submit_first(self: Tasks, task: Task) -> None:
        submit(self, task)
        if task.queue is not None and task.queue.tasks:
            task.queue.tasks.rotate(1)

    patch.setattr(Tasks, "submit", submit_first)


def uncharged(patch: pytest.MonkeyPatch) -> None:
    interrupted = Tasks.interrupted

    def uncharged(self: Tasks, lease: Lease, why: str, begun: int) -> None:
        interrupted(self, lease, why, 0)

    patch.setattr(Tasks, "interrupted", uncharged)


def queued_twice(patch: pytest.MonkeyPatch) -> None:
    interrupted = Tasks.interrupted

    def twice(self: Tasks, lease: Lease, why: str, begun: int) -> None:
        interrupted(self, lease, why, begun)
        lease.queue.tasks.extend(lease.inflight.values())

    patch.setattr(Tasks, "interrupted", twice)


@pytest.mark.parametrize(
    ("program", "plant", "rule"),
    [
        ("tasks", half_given_back, "are all there is: CPU"),
        ("tasks", still_idle, "a worker has one lease at a time"),
        ("nested", kept_by_both, "a worker is leased to one owner"),
        ("objects", never_counted, "has room for all but its objects"),
        ("nested", freed_by_the_first, "with a reference is not freed"),
        ("borrowed", not_counted, "its owner keeps what a process borrows"),
        ("actors", last_come, "the order of their caller"),
        ("tasks", uncharged, "an attempt of a task begins once"),
        ("tasks", queued_twice, "a task is in one place at a time"),
    ],
    ids=lambda part: getattr(part, "__name__", None),
)
def test_a_rule_finds_what_breaks_it(
    program: str, plant: Plant, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with prepared():
        found = set()
        for seed in range(WITHIN):
            why = play(PROGRAMS[program], seed, Faults(kill=2)).why
            if rule in why:
                return
            found.add(why[:200])
    pytest.fail(f"found instead: {found}")
