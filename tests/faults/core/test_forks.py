"""A child that a program or a task forks is no part of the cluster."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys

import pytest

import minimr as ray
from minimr.exceptions import RaySystemError
from tests.faults.core.cluster import Nodes, eventually, in_use

T = 30
PROGRAM = """
import os, sys
import minimr as ray

ray.init({address!r}, log_to_driver=False)

@ray.remote
def one():
    return 1

ref = one.remote()
ray.get(ref)
held = ray.put("x" * 10**6)
child = os.fork()
if child == 0:
    {child}
print(child, flush=True)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), ray.get(one.remote(), timeout=10))
"""
ENDS = {
    "sys.exit(3)": 3,
    "del ref, one; sys.exit(0)": 0,
    "raise ValueError": 1,
    "ray.shutdown(); sys.exit(0)": 0,
    "ray.shutdown(); sys.exit(ray.get(one.remote()))": 1,
}


@pytest.mark.parametrize("child", ENDS)
def test_a_fork_of_a_driver_ends_and_does_no_harm(child: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(address="local", child=child)],
        capture_output=True,
        text=True,
        timeout=T,
        check=True,
    )
    assert ended.stdout.split()[1:] == [str(ENDS[child]), "1"]


@pytest.mark.parametrize(
    "child", ["sys.exit(3)", "return", "raise ValueError"]
)
def test_a_fork_of_a_task_that_leaves_the_task_ends(child: str) -> None:
    @ray.remote
    def fork() -> tuple[int, int]:
        pid = os.fork()
        if pid:
            _, status = os.waitpid(pid, 0)
            return os.waitstatus_to_exitcode(status), os.getpid()
        if child == "return":
            return 0, 0
        raise SystemExit(3) if "3" in child else ValueError

    with Driver():
        code, pid = ray.get(fork.remote(), timeout=T)
        expected = {"sys.exit(3)": 3, "return": 0, "raise ValueError": 1}
        assert code == expected[child]
        assert (
            ray.get(ray.remote(lambda: os.getpid()).remote(), timeout=T) == pid
        )


class Driver:
    """A cluster of one CPU."""

    def __enter__(self) -> None:
        ray.init(num_cpus=1, address="local", log_to_driver=False)

    def __exit__(self, *error: object) -> None:
        ray.shutdown()


def _use(connection: object) -> None:
    try:
        ray.put(1)
    except RaySystemError as error:
        connection.send(str(error))  # type: ignore[attr-defined]


def test_a_fork_that_uses_the_cluster_is_told_that_it_has_none() -> None:
    with Driver():
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        child = context.Process(target=_use, args=(theirs,))
        child.start()
        assert ours.poll(T)
        assert "was forked" in ours.recv()
        child.join(T)
        child.close()
        ours.close()
        theirs.close()


def test_a_driver_that_is_killed_is_gone_though_its_fork_lives() -> None:
    nodes = Nodes(1, 1)
    address = f"127.0.0.1:{nodes.ports[0]}"
    child = "import time; time.sleep(100)"
    program = PROGRAM.format(address=address, child=child)
    driver = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE
    )
    try:
        assert driver.stdout is not None
        fork = int(driver.stdout.readline())
        ray.init(address, log_to_driver=False)
        assert in_use()
        driver.kill()
        eventually(lambda: not in_use())
        os.kill(fork, 9)
    finally:
        driver.communicate(timeout=T)
        ray.shutdown()
        nodes.close()
