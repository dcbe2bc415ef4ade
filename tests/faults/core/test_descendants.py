"""What a task or an actor has started ends with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import psutil
import pytest

import minimr as ray
from minimr.exceptions import WorkerCrashedError

T = 30
DAEMON = """
import os, subprocess, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        child = subprocess.Popen(["sleep", "300"], stdout=subprocess.DEVNULL)
        os.write(1, f"{os.getpid()} {child.pid}\\n".encode())
        os.close(1)
        child.wait()
    os._exit(0)
"""
PROGRAM = """
import os, subprocess, sys, time
import minimr as ray

DAEMON = {daemon!r}

ray.init(num_cpus=1, address="local", log_to_driver=False)

@ray.remote
class Parent:
    def start(self):
        child = subprocess.Popen(["sh", "-c", "sleep 300 & wait"])
        forked = os.fork()
        if forked == 0:
            time.sleep(300)
        started = subprocess.run(
            [sys.executable, "-c", DAEMON], stdout=subprocess.PIPE
        )
        daemons = [int(word) for word in started.stdout.split()]
        return os.getppid(), os.getpid(), child.pid, forked, *daemons

parent = Parent.remote()
print(*ray.get(parent.start.remote()), flush=True)
sys.stdin.readline()
{end}
"""
ENDS = {
    "driver": "time.sleep(100)",
    "node": "time.sleep(100)",
    "keeper": "time.sleep(100)",
    "worker": "time.sleep(100)",
    "shutdown": "ray.shutdown()",
    "kill": "ray.kill(parent); time.sleep(100)",
    "last handle": "del parent; ray.put(0); time.sleep(100)",
    "an error": "raise ValueError",
}


@pytest.mark.parametrize("end", ENDS)
def test_no_descendant_of_a_worker_outlives_it(end: str) -> None:
    program = PROGRAM.format(daemon=DAEMON, end=ENDS[end])
    driver = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert driver.stdin is not None
    assert driver.stdout is not None
    node, worker, *pids = map(int, driver.stdout.readline().split())
    keeper = psutil.Process(node).ppid()
    family = [psutil.Process(pid) for pid in (worker, *pids)]
    left = [*family, *psutil.Process(pids[0]).children()]
    victims = {"node": node, "keeper": keeper, "worker": worker}
    if end in victims:
        os.kill(victims[end], signal.SIGKILL)
    elif end == "driver":
        driver.kill()
    else:
        driver.stdin.write(b"\n")
        driver.stdin.flush()
    _, alive = psutil.wait_procs(left, timeout=T)
    for process in alive:
        process.kill()
    driver.kill()
    driver.communicate(timeout=T)
    assert alive == []


def test_a_killed_task_with_a_pool_of_processes_is_noticed() -> None:
    def pool() -> None:
        with ProcessPoolExecutor(1) as executor:
            executor.submit(os.kill, os.getpid(), signal.SIGKILL).result()

    ray.init(num_cpus=1, address="local", log_to_driver=False)
    try:
        with pytest.raises(WorkerCrashedError, match="SIGKILL"):
            ray.get(ray.remote(max_retries=0)(pool).remote(), timeout=T)
    finally:
        ray.shutdown()


def test_who_is_adopted_by_another_worker_is_left_alone() -> None:
    @ray.remote
    class Parent:
        def start(self, how: str) -> Any:
            started = subprocess.run(
                [sys.executable, "-c", how], stdout=subprocess.PIPE, check=True
            )
            return [int(word) for word in started.stdout.split()]

    ray.init(num_cpus=2, address="local", log_to_driver=False)
    try:
        one, two = Parent.remote(), Parent.remote()
        calls = [actor.start.remote(DAEMON) for actor in (one, two)]
        mine, others = ray.get(calls, timeout=T)
        gone = [psutil.Process(pid) for pid in mine]
        ray.kill(one)
        assert psutil.wait_procs(gone, timeout=T)[1] == []
        assert all(map(psutil.pid_exists, others))
    finally:
        ray.shutdown()
