"""Attempts that nobody waits for any more, and workers that fail within."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from minimr.interface.mapreduce import JobError
from minimr.sockets.cluster import worker_job
from minimr.sockets.cluster.fetch import Fetcher
from minimr.sockets.cluster.membership import Timing
from minimr.sockets.cluster.messages import Source
from minimr.sockets.cluster.tracker import Policy
from tests.faults.play import kill_now, on
from tests.stage import Address, Knock, PlannedError, knock
from tests.table import Table


def test_a_cancelled_worker_may_get_the_same_task_again(start: Any) -> None:
    """The one that had backed it up dies, and nobody else is left."""
    play = start(restart=False, maps=1)

    def script(knock: Knock) -> str:
        if (knock.name, knock.times) == ("map 0", 1):
            return "hang"
        if (knock.name, knock.times) == ("reduce 0", 1):
            kill_now(play.ran("map 0")[-1])
        return "go"

    play.stage.script = script
    play.run()
    ran = play.ran("map 0")
    assert ran[0] == ran[2] != ran[1]


class SlowError(PlannedError):
    """Knocks while it is pickled."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)

    def __reduce__(self) -> Any:
        knock(self.args[0], "pickling")
        return SlowError, self.args


class SlowErrorTable(Table):
    """Raises such an error when the script says so."""

    def map(self, split: int) -> Iterator[Any]:
        """Give the rows, or raise."""
        try:
            yield from super().map(split)
        except PlannedError:
            raise SlowError(self.address) from None


def test_an_attempt_may_be_cancelled_while_it_tells_of_its_error(
    start: Any,
) -> None:
    def script(knock: Knock) -> str:
        if (knock.name, knock.times) == ("map 0", 1):
            return "raise"
        return "hang" if knock.name == "pickling" else "go"

    play = start(script, maps=1, table_type=SlowErrorTable)
    before = play.pids()
    play.run()
    assert "pickling" in play.stage.names()
    play.run_again()
    assert play.pids() == before


def test_what_raises_in_the_driver_cancels_the_tasks_of_the_job(
    start: Any,
) -> None:
    """And the engine goes on at once, with the same workers."""

    def script(knock: Knock) -> str:
        return "hang" if knock.name in ("map 1", "map 2") else "go"

    def interrupt(*progress: Any) -> None:
        raise KeyboardInterrupt

    play = start(script, maps=9)
    before = play.pids()
    with pytest.raises(KeyboardInterrupt):
        play.submit(interrupt)
    play.run_again()
    assert play.pids() == before


def test_a_request_that_is_cut_short_leaves_no_answer_for_the_next() -> None:
    class Cut(BaseException):
        pass

    class CutChannel:
        closed = False

        def send(self, message: Any) -> None:
            raise Cut

        def close(self) -> None:
            self.closed = True

    fetcher, channel = Fetcher(b"", 1.0), CutChannel()
    fetcher._channels[7] = channel  # type: ignore[assignment]
    with pytest.raises(Cut):
        fetcher.request(1, 0, [Source(7, ("127.0.0.1", 9), [0])])
    fetcher.request(1, 1, [])
    assert channel.closed


class BrokenWorkerTable(Table):
    """Breaks the I/O thread of its worker: the next heartbeat fails."""

    def map(self, split: int) -> Iterator[Any]:
        """Break it where the script says so, and never end there."""
        try:
            yield from super().map(split)
        except PlannedError:
            sys.modules["__main__"].Heartbeat = None  # type: ignore[attr-defined]
            threading.Event().wait()


def test_a_worker_whose_io_thread_fails_is_dead_at_once(start: Any) -> None:
    """It would be found out by its silence, a minute later."""
    play = start(
        on("map 0", "raise"),
        maps=2,
        table_type=BrokenWorkerTable,
        policy=Policy(backup_after_s=60.0, backup_blind_s=60.0),
        timing=Timing(heartbeat_interval_s=0.1, silence_timeout_s=60.0),
    )
    before = set(play.pids())
    play.run()
    play.run_again()
    assert len(before & set(play.pids())) == 1


def lower_the_limit(output: Any) -> None:
    worker_job.MAX_PAYLOAD_BYTES = 1_000


def test_a_block_that_is_too_large_to_be_sent_fails_its_map_task(
    start: Any,
) -> None:
    play = start(payload_bytes=10_000)
    before = play.pids()
    play.run().apply(lower_the_limit)
    with pytest.raises(
        JobError, match=r"(?s)map task .* a block of .* smaller"
    ):
        play.submit()
    assert play.pids() == before


def test_an_answer_that_is_too_large_to_be_sent_fails_the_question(
    start: Any,
) -> None:
    play = start()
    before = play.pids()
    result = play.run()
    result.apply(lower_the_limit)
    with pytest.raises(JobError, match=r"an answer of .* cannot be sent"):
        result.apply(lambda output: bytes(10_000))
    assert result.merged() == play.table.expected()
    assert play.pids() == before
