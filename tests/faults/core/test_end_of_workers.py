"""Workers are asked to end, have a moment for it, and are killed then."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import minimr as ray
from minimr.exceptions import RayActorError, WorkerCrashedError
from tests.faults.core.cluster import Nodes, eventually

PROGRAM = """
import atexit, os, sys, time
import minimr as ray

ray.init(num_cpus=2, address="local")
folder = sys.argv[1]

def note(name):
    with open(f"{folder}/{name}", "w") as file:
        file.write("a line")

@ray.remote
class Log:
    def __init__(self):
        self.file = open(f"{folder}/file of an actor", "w")
        self.file.write("a line")
    def ready(self):
        return True

@ray.remote
def idle():
    atexit.register(note, "handler of an idle worker")

@ray.remote
def busy():
    atexit.register(note, "handler of a busy worker")
    try:
        note("begun")
        time.sleep(100)
    finally:
        note("finally of a task")

log = Log.remote()
ray.get([log.ready.remote(), idle.remote()])
work = busy.remote()
while not os.path.exists(f"{folder}/begun"):
    time.sleep(0.01)
print(flush=True)
sys.stdin.readline()
{end}
"""
ENDS = {
    "kill -9": "time.sleep(100)",
    "an error": "raise ValueError",
    "sys.exit": "sys.exit(3)",
    "shutdown": "ray.shutdown()",
}
LEFT = {
    "file of an actor",
    "handler of an idle worker",
    "handler of a busy worker",
    "finally of a task",
}
T = 20


def lines(folder: Path) -> set[str]:
    """Name the files that have been written."""
    return {
        path.name
        for path in folder.iterdir()
        if path.name in LEFT and path.read_text() == "a line"
    }


@pytest.mark.parametrize("end", ENDS)
def test_workers_end_in_order_with_their_driver(
    end: str, tmp_path: Path
) -> None:
    driver = subprocess.Popen(
        [
            *(sys.executable, "-c", PROGRAM.replace("{end}", ENDS[end])),
            str(tmp_path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert driver.stdout is not None
    assert driver.stdout.readline()
    if end == "kill -9":
        os.kill(driver.pid, signal.SIGKILL)
    driver.communicate(b"\n", timeout=T)
    eventually(lambda: lines(tmp_path) == LEFT)


def test_idle_workers_end_with_their_job(tmp_path: Path) -> None:
    nodes, path = Nodes(number=1), tmp_path / "handler"

    def note() -> None:
        path.write_text("a line")

    @ray.remote
    def f() -> int:
        import atexit

        atexit.register(note)
        return os.getpid()

    try:
        assert nodes.head is not None
        ray.init("{}:{}".format(*nodes.head))
        worker = psutil.Process(ray.get(f.remote(), timeout=T))
        ray.shutdown()
        assert psutil.wait_procs([worker], timeout=T)[1] == []
        assert path.exists()
    finally:
        ray.shutdown()
        nodes.close()


@pytest.mark.usefixtures("one_cpu")
def test_a_worker_that_does_not_end_is_killed() -> None:
    def refuse() -> None:
        while True:
            with contextlib.suppress(BaseException):
                signal.pause()

    @ray.remote
    class Stubborn:
        def __init__(self) -> None:
            import atexit

            atexit.register(refuse)

        def pid(self) -> int:
            return os.getpid()

    actor = Stubborn.remote()
    process = psutil.Process(ray.get(actor.pid.remote(), timeout=T))
    del actor
    assert psutil.wait_procs([process], timeout=T)[1] == []


@pytest.mark.usefixtures("one_cpu")
def test_a_handler_that_takes_too_long_is_named() -> None:
    @ray.remote(max_retries=0)
    def f() -> None:
        import atexit

        atexit.register(signal.pause)
        sys.exit(0)

    with pytest.raises(WorkerCrashedError, match="took too long to end"):
        ray.get(f.remote(), timeout=T)


@pytest.mark.usefixtures("one_cpu")
def test_a_call_that_runs_when_another_leaves_the_actor_fails() -> None:
    @ray.remote(max_concurrency=2)
    class Both:
        def pause(self) -> None:
            signal.sigwait({signal.SIGUSR2})

        def leave(self) -> None:
            ray.actor.exit_actor()

    actor = Both.remote()
    running = actor.pause.remote()
    with pytest.raises(RayActorError):
        ray.get(actor.leave.remote(), timeout=T)
    with pytest.raises(RayActorError):
        ray.get(running, timeout=T)
