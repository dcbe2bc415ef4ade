"""Drivers are killed at random: nothing of them is left, others go on.

Each schedule is a seed: what fails can be run again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import minimr as ray
from tests.faults.core.cluster import (
    DEADLINE_S,
    Nodes,
    eventually,
    in_use,
    until_there_are,
    work_once,
)
from tests.faults.core.random_driver import NAMESPACE

ROOT = Path(__file__).parents[3]
SCHEDULES = int(os.environ.get("MINIMR_SCHEDULES", "2"))
MARK = "MINIMR_TEST_MARK"  # in the environment of a driver and its children


class Victim:
    """A driver in a process of its own."""

    def __init__(self, folder: Path, address: str, seed: int) -> None:
        self.errors = folder / f"errors {seed}"
        self.mark = f"{folder}/{seed}"
        self.name = f"keeper {seed}"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.faults.core.random_driver"),
                    *(address, str(seed)),
                ],
                cwd=ROOT,
                env={**os.environ, MARK: self.mark, "TMPDIR": str(folder)},
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    def wait_until_ready(self) -> None:
        """Wait until it has an actor and objects, or has ended."""
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def kill(self) -> None:
        """End it; it was at work, and had no wrong result."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=DEADLINE_S)
        said = self.errors.read_text()
        assert self.process.returncode == -signal.SIGKILL, said
        self.errors.unlink()


def marked(mark: str) -> list[psutil.Process]:
    """Find the processes that have inherited a mark and still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_nothing_is_left_of_a_driver_and_its_cluster(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    victim = Victim(tmp_path, "local", seed)
    if dice.random() < 0.7:  # else while it starts
        victim.wait_until_ready()
    time.sleep(dice.uniform(0, 0.6))
    victim.kill()
    eventually(lambda: not marked(victim.mark))
    assert list(tmp_path.iterdir()) == []
    assert [name for name in os.listdir("/dev/shm") if "minimr" in name] == []


class Deaths:
    """Drivers, workers and nodes die and come back, until `stop`."""

    def __init__(
        self, nodes: Nodes, folder: Path, dice: random.Random
    ) -> None:
        assert nodes.head is not None
        self.nodes, self.folder, self.dice = nodes, folder, dice
        self.address = "{}:{}".format(*nodes.head)
        self.victims: list[Victim] = []
        self.errors: list[BaseException] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        events = (self._driver, self._driver, self._worker, self._node)
        try:
            while not self.stop.is_set():
                victim = Victim(self.folder, self.address, len(self.victims))
                self.victims.append(victim)
                if self.dice.random() < 0.7:
                    victim.wait_until_ready()
                while not self.stop.wait(self.dice.uniform(0.05, 0.4)):
                    event = self.dice.choice(events)
                    event()
                    if event == self._driver:
                        break
            self._driver()
        except BaseException as error:  # noqa: BLE001  shown by the test
            self.errors.append(error)

    def _driver(self) -> None:
        if self.victims[-1].process.returncode is None:
            self.victims[-1].kill()

    def _worker(self) -> None:
        node = psutil.Process(self.dice.choice(self.nodes.processes[:1]).pid)
        workers = node.children()
        if workers:
            with suppress(psutil.NoSuchProcess):  # it has ended
                self.dice.choice(workers).kill()

    def _node(self) -> None:
        for process in self.nodes.processes[1:]:
            process.kill()
        self.nodes.add()


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_another_driver_goes_on_and_the_dead_ones_actors_and_objects_go(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    nodes = Nodes(cpus=4, number=2)
    deaths = Deaths(nodes, tmp_path, random.Random(seed))
    try:
        ray.init(deaths.address, log_to_driver=False)
        until_there_are(2)
        deaths.thread.start()
        while len(deaths.victims) < 3 and not deaths.errors:
            work_once(dice)
        deaths.stop.set()
        deaths.thread.join(DEADLINE_S)
        assert deaths.errors == []
        work_once(dice)
        for victim in deaths.victims:
            eventually(lambda name=victim.name: not is_there(name))
        eventually(lambda: not in_use())
    finally:
        deaths.stop.set()
        ray.shutdown()
        nodes.close()
    eventually(lambda: not any(marked(v.mark) for v in deaths.victims))
    assert list(tmp_path.iterdir()) == []


def is_there(name: str) -> bool:
    """Look for a named actor of a victim."""
    try:
        ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return False
    return True
