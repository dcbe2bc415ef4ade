"""What a dead worker held is made again, whoever waits for it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from minimr.sockets.cluster.fetch import Fetcher
from minimr.sockets.cluster.messages import RunMap
from tests.faults.play import (
    PATIENT,
    SOON_LATE,
    SOON_SILENT,
    FakeWorker,
    kill,
    kill_now,
    on,
    when,
)
from tests.stage import Knock, knock
from tests.table import Table


def test_a_worker_is_killed_that_holds_finished_partitions(
    start: Any,
) -> None:
    play = start(policy=PATIENT)
    end = when("map", 6, lambda: kill_now(play.ran("map 0")[-1]))
    assert play.run(end).stats.reruns >= 1
    assert play.stage.names().count("map 0") == 2


def test_a_worker_stalls_that_holds_finished_partitions(start: Any) -> None:
    play = start(policy=PATIENT, timing=SOON_SILENT)
    end = when(
        "map", 6, lambda: os.kill(play.ran("map 0")[-1], signal.SIGSTOP)
    )
    play.run(end)
    assert play.stage.names().count("map 0") == 2


def test_a_worker_stalls_that_never_had_anything_to_do(start: Any) -> None:
    def stop_the_other(knock: Knock) -> str:
        for pid in play.pids():
            if pid != knock.pid:
                os.kill(pid, signal.SIGSTOP)
        return "go"

    play = start(policy=PATIENT, timing=SOON_SILENT, maps=1)
    play.stage.script = on("map 0", stop_the_other)
    play.run()


class PausingTable(Table):
    """Knocks when the first block of another worker has come."""

    def map(self, split: int) -> Iterator[Any]:
        """Put the pause into the worker that we are in."""
        receive = Fetcher.receive

        def pausing(fetcher: Fetcher, sources: Any) -> Iterator[bytes]:
            for number, block in enumerate(receive(fetcher, sources)):
                yield block
                if number == 0:  # never, where one worker has all blocks
                    knock(self.address, "first block")

        if receive.__module__ == Fetcher.__module__:
            Fetcher.receive = pausing  # type: ignore[method-assign]
        yield from super().map(split)


def test_a_worker_is_killed_while_it_serves_a_fetch(start: Any) -> None:
    pair: list[Knock] = []

    def kill_the_source(knock: Knock) -> str | None:
        if knock.times == 1 and knock.name.startswith("map"):
            pair.append(knock)  # each worker is to hold half of them
            if len(pair) == 1:
                return None
            pair.pop(0).answer()
            pair.clear()
        if knock.name == "first block" and knock.times == 1:
            kill_now(*(pid for pid in play.pids() if pid != knock.pid))
        return "go"

    # More than the buffers of a socket take: it is in the middle.
    play = start(
        maps=8, reduces=2, payload_bytes=2**22, table_type=PausingTable
    )
    play.stage.script = kill_the_source
    assert play.run().stats.reruns >= 1
    assert "first block" in play.stage.names()


def test_outputs_that_die_with_their_worker_are_made_again(
    start: Any,
) -> None:
    play = start()
    result = play.run()
    kill_now(play.pids()[0])
    assert result.merged() == play.table.expected()
    kill_now(*play.pids())
    assert result.apply(len) == [1, 1, 1]
    assert result.stats.counters["map attempts"] == 6


def test_a_worker_is_killed_by_the_question_itself(start: Any) -> None:
    play = start()
    result = play.run()
    address = play.stage.address

    def ask(output: dict[int, list[int]]) -> list[int]:
        knock(address, "ask")
        return sorted(output)

    play.stage.script = on("ask", kill)
    assert result.apply(ask) == [[0], [1], [2]]


@pytest.mark.parametrize("restart", [True, False])
def test_all_workers_but_one_are_killed(start: Any, restart: bool) -> None:
    def kill_the_others(knock: Knock) -> str:
        kill_now(*(pid for pid in play.pids() if pid != knock.pid))
        return "go"

    play = start(workers=3, restart=restart)
    play.stage.script = on("reduce 0", kill_the_others)
    play.run()
    left = 3 if restart else 1
    play.run_again(left)
    assert len(play.pids()) == left


@pytest.mark.parametrize("task", ["map 3", "reduce 2"])
def test_all_workers_are_killed_at_once_and_replaced(
    start: Any, task: str
) -> None:
    def kill_all(knock: Knock) -> str:
        kill_now(*play.pids())
        return "go"

    play = start(workers=3)
    play.stage.script = on(task, kill_all)
    play.run()
    play.run_again()
    assert len(play.pids()) == 3


def test_a_backup_ends_in_the_moment_in_which_its_rival_dies(
    start: Any,
) -> None:
    """The driver reads both at once: who is to be cancelled is gone."""
    play = start(workers=1, maps=2)
    fakes: list[FakeWorker] = []
    orders: list[RunMap] = []

    def bring_in_two(knock: Knock) -> str | None:
        for _ in range(2):
            fakes.append(FakeWorker(play.engine.address))
            orders.append(fakes[-1].receive(RunMap))
        first, _ = fakes
        first.done(orders[0].attempt)
        return None

    def end_and_die() -> None:
        fakes[1].done(orders[1].attempt)
        kill_now(play.stage.knocks[0].pid)

    def leave() -> None:
        for fake in fakes:
            fake.close()

    die, leave_after = when("map", 1, end_and_die), when("map", 2, leave)

    def progress(*done: Any) -> None:
        die(*done)
        leave_after(*done)

    play.stage.script = on("map 0", bring_in_two)
    play.submit(progress)
    assert [order.attempt.task.number for order in orders] == [1, 0]


def test_a_worker_is_given_up_in_the_moment_in_which_another_is_idle(
    start: Any,
) -> None:
    """Who gives out the next task must not count on what it held."""
    held: list[Knock] = []

    def script(knock: Knock) -> str | None:
        if knock.name.startswith("map"):
            held.append(knock)
            for each in held if len(held) > 1 else []:
                each.answer()  # each worker holds one
            return None if len(held) == 1 else "go"
        return "hang" if knock.times == 1 and knock.name[-1] == "0" else "go"

    play = start(script, maps=2, reduces=5, policy=SOON_LATE)
    slow = threading.Event()
    play.run(when("reduce", 1, lambda: slow.wait(play.policy.task_timeout_s)))
