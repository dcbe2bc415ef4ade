"""The one place where a process asks its machine, and another in its place."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from minimr.system import machine
from minimr.system.machine import _SEAM, how_ended, install


@pytest.fixture
def restored() -> Iterator[None]:
    real = {name: getattr(machine, name) for name in _SEAM}
    yield
    install(SimpleNamespace(**real))


@pytest.mark.usefixtures("restored")
def test_another_machine_is_asked_in_its_place() -> None:
    install(SimpleNamespace(monotonic=lambda: 7.0, random_bytes=bytes))
    assert machine.monotonic() == 7.0
    assert machine.random_bytes(3) == b"\0\0\0"
    assert machine.pid() == os.getpid()  # what it lacks stays


def test_the_end_of_a_process_is_said_in_words() -> None:
    assert how_ended(3) == "exit code 3"
    assert how_ended(-signal.SIGSEGV) == "killed by SIGSEGV"
    assert how_ended(128 + signal.SIGTERM) == "killed by SIGTERM"
    assert how_ended(-signal.SIGKILL) == "killed by SIGKILL (out of memory?)"


def test_the_end_of_a_child_is_waited_for_and_not_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "sleep", None)  # of who looks again and again
    child = machine.start(["http.server", "0"], output=subprocess.DEVNULL)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)
    child.kill()
    assert child.wait(60) == child.wait(60) == -signal.SIGKILL


def test_a_fork_says_how_it_ended_and_what_it_printed() -> None:
    def main() -> None:
        os.write(1, b"out")
        os.write(2, b"error")
        os._exit(7)

    born = machine.fork(main)
    assert machine.exit_code(born.pid) == 7
    said = [machine.read_pipe(file, 10) for file in born.prints]
    assert said == [b"out", b"error"]
    assert machine.select([born.ended], [], [], 10)[0] == [born.ended]
    for file in (born.ended, *born.prints):
        os.close(file)
