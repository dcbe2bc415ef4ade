"""However the driver ends, nothing of it is left: processes, files, ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from minimr.net.channel import connect
from minimr.net.token import load_token
from tests.faults.play import Play, wait_for_end
from tests.stage import DEADLINE_S, Knock, Stage

ROOT = Path(__file__).parents[2]
AT_ONCE_S = 20.0  # on a busy machine; a task here never ends by itself


@contextmanager
def driver_at_work(
    phase: str, answer: str | None, folder: Path
) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Give a driver and its two workers, both in a task of a phase."""
    busy: Queue[int] = Queue()

    def script(knock: Knock) -> str | None:
        if not knock.name.startswith(phase):
            return "go"
        busy.put(knock.pid)
        return answer  # None: it waits in the system for the test's end

    with Stage(script) as stage:
        driver = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.faults.driver"),
                *map(str, stage.address),
            ],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder)},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            workers = {busy.get(timeout=DEADLINE_S) for _ in range(2)}
            assert len(workers) == 2
            yield driver, [os.pidfd_open(pid) for pid in workers]
        finally:
            driver.kill()
            driver.communicate(timeout=DEADLINE_S)


@pytest.mark.parametrize("answer", [None, "hang", "hang deaf"])
@pytest.mark.parametrize("phase", ["map", "reduce"])
def test_ctrl_c_ends_everything_at_once(
    phase: str, answer: str | None, tmp_path: Path
) -> None:
    with driver_at_work(phase, answer, tmp_path) as (driver, workers):
        begin = time.monotonic()
        driver.send_signal(signal.SIGINT)
        _, told = driver.communicate(timeout=DEADLINE_S)
        wait_for_end(workers, deadline_s=0)
        assert time.monotonic() - begin < AT_ONCE_S
        assert driver.returncode == -signal.SIGINT
        assert told.rstrip().endswith("KeyboardInterrupt")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("answer", [None, "hang", "hang deaf"])
def test_nothing_outlives_a_driver_that_is_killed(
    answer: str | None, tmp_path: Path
) -> None:
    with driver_at_work("map", answer, tmp_path) as (driver, workers):
        driver.kill()
        wait_for_end(workers, deadline_s=2.0)
    assert os.listdir(tmp_path) == []


def test_a_driver_that_ends_while_it_starts_leaves_no_worker(
    tmp_path: Path,
) -> None:
    code = (
        "import os, sys\n"
        "from minimr.sockets.cluster.coordinator import Coordinator\n"
        "from minimr.net.token import load_token\n"
        "coordinator = Coordinator(None, load_token(), 2)\n"
        "processes = coordinator._members._processes\n"
        "pids = [p.pid for p in processes._running.values()]\n"
        "print(*pids, flush=True)\n"
        "sys.stdin.read()\n"
        "os._exit(0)\n"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert driver.stdout is not None
    pids = [int(pid) for pid in driver.stdout.readline().split()]
    workers = [os.pidfd_open(pid) for pid in pids]
    driver.communicate(timeout=DEADLINE_S)
    assert len(workers) == 2
    wait_for_end(workers, deadline_s=2.0)


def open_files() -> dict[str, str]:
    """List what this process has open."""
    folder, found = "/proc/self/fd", {}
    for name in os.listdir(folder):
        try:
            found[name] = os.readlink(f"{folder}/{name}")
        except FileNotFoundError:  # the one that lists the folder
            continue
    return found


def test_after_close_nothing_is_left(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = open_files()
    play: Play = start(workers=3)
    address = play.engine.address
    workers = [os.pidfd_open(pid) for pid in play.pids()]
    play.run()  # the result stays open
    os.kill(play.pids()[0], signal.SIGSTOP)
    begin = time.monotonic()
    play.engine.close()
    assert time.monotonic() - begin < AT_ONCE_S
    wait_for_end(workers, deadline_s=0)
    play.close()
    assert play.pids() == []
    assert open_files() == before
    assert os.listdir(tmp_path) == []
    with pytest.raises(ConnectionError, match="nobody answers"):
        connect(address, load_token(), ["run"])


def test_an_engine_may_be_closed_twice_and_says_that_it_is_closed(
    start: Any,
) -> None:
    play: Play = start()
    result = play.run()
    play.engine.close()
    play.engine.close()
    with pytest.raises(ValueError, match="closed"):
        play.submit()
    with pytest.raises(ValueError, match="closed"):
        result.merged()


def test_workers_leave_when_the_port_they_dial_is_no_engine(
    start: Any,
) -> None:
    play: Play = start()
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = "{}:{}".format(*nobody.getsockname())
        process = subprocess.Popen(
            [sys.executable, "-m", "minimr.sockets.cluster.worker", address],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = nobody.accept()
        connection.recv(4096)
        connection.close()
        _, told = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert "is no minimr server" in told
    play.run()
