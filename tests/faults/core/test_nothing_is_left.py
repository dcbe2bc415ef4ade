"""However a driver ends, its cluster ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

PROGRAM = """
import os, sys, time
import numpy as np
import minimr as ray

ray.init(num_cpus=2, address="local")

@ray.remote
class Holder:
    def __init__(self):
        self.array = ray.put(np.ones(2_000_000))

    def pid(self):
        return os.getpid()

@ray.remote
def busy():
    time.sleep(100)

holder = Holder.remote()
pid = ray.get(holder.pid.remote())  # placed before the tasks take all CPUs
array = ray.put(np.ones(2_000_000))
work = [busy.remote() for _ in range(4)]
print(pid, flush=True)
sys.stdin.readline()
{end}
"""
ENDS = {
    "kill -9": "time.sleep(100)",
    "an error": "raise ValueError",
    "sys.exit": "sys.exit(3)",
    "os._exit": "os._exit(3)",
    "shutdown": "ray.shutdown()",
}
DEADLINE_S = 10


@pytest.mark.parametrize("end", ENDS)
def test_no_process_and_no_memory_outlive_the_driver(end: str) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("{end}", ENDS[end])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert driver.stdout is not None
    worker = int(driver.stdout.readline())
    node = psutil.Process(worker).parent()
    assert node is not None
    family = [node, *node.children(recursive=True)]
    if end == "kill -9":
        os.kill(driver.pid, signal.SIGKILL)
    driver.communicate(b"\n", timeout=DEADLINE_S)
    _, alive = psutil.wait_procs(family, timeout=DEADLINE_S)
    assert alive == []
    assert [name for name in os.listdir("/dev/shm") if "minimr" in name] == []


def test_a_node_that_is_killed_takes_its_workers_along() -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("{end}", "time.sleep(100)")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert driver.stdout is not None
    worker = int(driver.stdout.readline())
    node = psutil.Process(worker).parent()
    assert node is not None
    workers = node.children(recursive=True)
    begun = time.monotonic()
    node.kill()
    _, alive = psutil.wait_procs(workers, timeout=DEADLINE_S)
    driver.kill()
    driver.communicate(timeout=DEADLINE_S)
    assert alive == []
    assert time.monotonic() - begun < DEADLINE_S
