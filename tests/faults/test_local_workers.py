"""The worker processes that a driver starts: who they are, how they end."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from minimr.interface.mapreduce import JobError
from minimr.sockets.cluster import membership
from minimr.sockets.cluster.membership import Timing
from minimr.sockets.mapreduce import MapReduce
from tests.faults.play import (
    DEADLINE_S,
    PATIENT,
    FakeWorker,
    kill_now,
    on,
    wait_for_end,
)
from tests.stage import Knock, PlannedError, Stage, knock
from tests.table import Table

ROOT = Path(__file__).parents[2]
# Nobody is given up for its silence: its end must be seen.
NO_SILENCE = Timing(
    heartbeat_interval_s=0.1, silence_timeout_s=600.0, start_timeout_s=600.0
)


# ---- who they are


@pytest.mark.parametrize("same", ["process id", "name"])
def test_a_stranger_that_says_it_is_our_worker_is_none_of_ours(
    start: Any, same: str
) -> None:
    """It joins and dies, in a job; ours is neither killed nor replaced."""
    play = start()
    before = play.pids()
    names = list(play.engine._coordinator._members._processes)

    def script(knock: Knock) -> str:
        if (knock.name, knock.times) == ("map 0", 1):
            for pid, name in zip(before, names, strict=True):
                said = (pid, "") if same == "process id" else (None, name)
                FakeWorker(play.engine.address, *said).close()
        return "go"

    play.stage.script = script
    play.run()
    play.run_again()
    assert play.pids() == before


# ---- how they start


def python_that_dies(folder: Path, deaths: int) -> str:
    """Give a Python that ends at once, so many times; then it runs."""
    path = folder / "python"
    tries = "\n".join(
        f'mkdir "{folder}/died {number}" 2>/dev/null && exit 7'
        for number in range(deaths)
    )
    path.write_text(f'#!/bin/sh\n{tries}\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("deaths", [1, 4])
def test_a_worker_that_dies_before_it_registers_is_replaced(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    python = python_that_dies(tmp_path, deaths)
    monkeypatch.setattr(sys, "executable", python)
    play = start(workers=1, timing=NO_SILENCE)
    play.run()
    assert len(list(tmp_path.glob("died *"))) == deaths


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_that_always_die_at_their_start_are_given_up_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(sys, "executable", python_that_dies(tmp_path, 50))
    with pytest.raises(JobError) as caught:
        MapReduce(workers, timing=NO_SILENCE)
    assert "at its start: exit code 7" in str(caught.value)
    died = len(list(tmp_path.glob("died *")))
    limit = membership.MAX_FAILED_STARTS
    assert limit <= died <= limit + workers - 1
    assert f"as {died} have in a row" in str(caught.value)


def test_a_replacement_that_dies_at_its_start_is_replaced_too(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = start(on("map 2", "exit"), timing=NO_SILENCE)
    monkeypatch.setattr(sys, "executable", python_that_dies(tmp_path, 2))
    play.run()
    play.run_again()
    assert len(list(tmp_path.glob("died *"))) == 2


# ---- how they end, and what they have started


def family() -> list[int]:
    """Start a child, a forked one, and a daemon that has left us."""
    child = subprocess.Popen(["sleep", "300"])
    forked = os.fork()
    if forked == 0:
        time.sleep(300)
    daemon = subprocess.run(
        ["sh", "-c", "setsid sleep 300 >/dev/null 2>&1 & echo $!"],
        stdout=subprocess.PIPE,
        check=True,
    )
    return [child.pid, forked, int(daemon.stdout)]


class FamilyTable(Table):
    """Its first map task starts processes, and tells of them."""

    def map(self, split: int) -> Iterator[Any]:
        """Start them where the script says so, and wait."""
        try:
            yield from super().map(split)
        except PlannedError:
            told = " ".join(map(str, family()))
            knock(self.address, f"family {told}")
            if os.environ.get("HOLD"):
                ctypes.PyDLL(None).sleep(300)  # with the interpreter's lock
            threading.Event().wait()


def main(host: str, port: str) -> None:
    """Be a driver with one worker, until the test ends us."""
    table = FamilyTable((host, int(port)), 1, 1)
    with MapReduce(1, timing=NO_SILENCE) as engine:
        engine.run(table.job(), range(1), 1)


ENDS = ["close", "the worker", "its keeper", "the driver"]


@pytest.mark.parametrize("hold", ["", "1"])
@pytest.mark.parametrize("end", ENDS)
def test_nothing_that_a_task_has_started_outlives(end: str, hold: str) -> None:
    if (end, hold) == ("its keeper", "1"):
        pytest.skip("nobody is left who could end it")
    busy = threading.Event()
    knocks: list[Knock] = []

    def script(knock: Knock) -> str | None:
        if not knock.name.startswith("family"):
            return "raise"
        knocks.append(knock)
        busy.set()
        return "go"

    with Stage(script) as stage:
        driver = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.faults.test_local_workers"),
                *map(str, stage.address),
            ],
            cwd=ROOT,
            env={**os.environ, "HOLD": hold},
            stderr=subprocess.DEVNULL,
        )
        try:
            assert busy.wait(DEADLINE_S)
            worker = psutil.Process(knocks[0].pid)
            pids = [worker.pid, *map(int, knocks[0].name.split()[1:])]
            ended = [os.pidfd_open(pid) for pid in pids]
            if end == "close":
                driver.send_signal(signal.SIGINT)
            elif end == "the driver":
                driver.kill()
            else:
                victim = worker if end == "the worker" else worker.parent()
                assert victim is not None
                victim.kill()
            wait_for_end(ended, DEADLINE_S)
        finally:
            driver.kill()
            driver.wait(DEADLINE_S)


class ForkTable(Table):
    """Its map tasks leave a process behind that has all their sockets."""

    def map(self, split: int) -> Iterator[Any]:
        """Fork, and give the rows."""
        if os.fork() == 0:
            time.sleep(300)
        yield from super().map(split)


def test_the_death_of_a_worker_is_noticed_whoever_keeps_its_sockets(
    start: Any,
) -> None:
    def kill_first(knock: Knock) -> str:
        if (knock.name, knock.times) == ("map 2", 1):
            kill_now(knock.pid)
        return "go"

    play = start(
        kill_first, table_type=ForkTable, policy=PATIENT, timing=NO_SILENCE
    )
    assert play.run().stats.reruns >= 1
    play.run_again()


if __name__ == "__main__":
    main(*sys.argv[1:])
