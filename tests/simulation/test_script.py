"""Programs of users, simulated: unchanged, on the virtual clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from minimr.cli.commands import run
from minimr.simulation import Faults, play
from minimr.simulation.cluster import Cluster
from minimr.simulation.runs import Outcome, prepared
from minimr.simulation.script import of_file

ALONE = Cluster(nodes=0, joined=False)
PROGRAM = """
import queue, sys, threading, time
from concurrent.futures import ThreadPoolExecutor

import ray
from ray.util.queue import Queue


@ray.remote
def square(x):
    time.sleep(20)
    print("squared", x)
    return x * x


@ray.remote
class Counter:
    def __init__(self):
        self.number = 0

    def count(self):
        self.number += 1
        return self.number


class Pair:
    def __init__(self, left):
        self.left = left


begin = time.time()
print(sys.argv[1:], ray.get([square.remote(i) for i in range(8)]))
again = dict(max_restarts=-1, max_task_retries=-1)
counter = Counter.options(**again).remote()
print(len(ray.get([counter.count.remote() for _ in range(5)])))
print(ray.get(ray.put(Pair(7))).left)
with ThreadPoolExecutor(2) as pool:
    print(list(pool.map(lambda x: ray.get(square.remote(x)), [3, 4])))
line = queue.Queue()
threading.Timer(5, line.put, ["late"]).start()
print(line.get(timeout=10))
worker = threading.Thread(
    target=lambda: print(threading.current_thread().name), name="worker"
)
worker.start()
worker.join()
print(threading.current_thread() is threading.main_thread())
assert 45 < time.time() - begin < 5000
"""
PRINTS = [
    "['a'] [0, 1, 4, 9, 16, 25, 36, 49]",
    "5",
    "7",
    "[9, 16]",
    "late",
    "worker",
    "True",
]


def written(folder: Path, text: str) -> str:
    file = folder / "program.py"
    file.write_text(text)
    return str(file)


def played(file: str, cluster: Cluster | None = None) -> Outcome:
    with prepared():
        return play(of_file(file, [], cluster), 0)


def test_a_program_for_ray_runs_unchanged_and_prints_the_same_under_faults(
    tmp_path: Path,
) -> None:
    program = of_file(written(tmp_path, PROGRAM), ["a"])
    with prepared():
        for faults in (Faults(), Faults(kill=3, during_s=50.0)):
            outcome = play(program, 1, faults)
            assert outcome.verdict == "exact", outcome.why
            assert outcome.result == PRINTS


def test_a_run_is_the_same_when_it_is_narrated(tmp_path: Path) -> None:
    program = of_file(written(tmp_path, PROGRAM), ["a"])
    with prepared():
        outcome = play(program, 3, Faults(kill=2), read=True)
    assert outcome.result == PRINTS, outcome.why


def test_a_program_may_start_its_own_cluster(tmp_path: Path) -> None:
    text = """
import minimr as ray
ray.init(num_cpus=3)
print(ray.cluster_resources()["CPU"], len(ray.nodes()))
"""
    outcome = played(written(tmp_path, text), ALONE)
    assert outcome.result == ["3.0 1"], outcome.why


def test_short_tasks_are_shared_by_the_workers(tmp_path: Path) -> None:
    """The first tasks end at once: a worker is sent many of the later ones."""
    text = """
import time
from collections import Counter
import minimr as ray

@ray.remote
def nap(seconds):
    time.sleep(seconds)
    return ray.get_runtime_context().get_worker_id()

ray.init(num_cpus=2)
ray.get([nap.remote(0) for _ in range(300)])
for _ in range(3):
    ran = Counter(ray.get([nap.remote(0.001) for _ in range(100)]))
    print(sum(number >= 25 for number in ran.values()))
"""
    outcome = played(written(tmp_path, text), ALONE)
    assert outcome.result == ["2", "2", "2"], outcome.why


@pytest.mark.parametrize(
    "line",
    [
        "import subprocess; subprocess.run(['true'])",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import os; os.fork()",
    ],
)
def test_what_would_leave_the_simulated_machine_is_an_error(
    line: str, tmp_path: Path
) -> None:
    outcome = played(written(tmp_path, line), ALONE)
    assert "would leave the simulated machine" in outcome.why


def test_who_never_waits_is_found(tmp_path: Path) -> None:
    text = "import time\nwhile time.time() < 1e12: pass"
    outcome = played(written(tmp_path, text), ALONE)
    assert "looks at the clock and never waits" in outcome.why


def test_the_command_judges_a_program_and_says_how_to_see_a_finding_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """
import time
import minimr as ray

@ray.remote(max_retries=0)
def once():
    time.sleep(1)

@ray.remote
def often(parts):
    time.sleep(1)
    return len(parts)

refs = [once.remote() for _ in range(6)]
done, _ = ray.wait(refs, num_returns=6)
lost = 0
for ref in refs:
    try:
        ray.get(ref)
    except ray.exceptions.WorkerCrashedError:
        lost += 1
print(lost)
"""
    file = written(tmp_path, text)
    assert run(["simulate", file, "--seeds", "2"]) == 0
    assert "2 exact" in capsys.readouterr().out
    options = ["--seeds", "5", "--kill", "2", "--during", "1", "--cpus", "1"]
    assert run(["simulate", file, *options]) == 1
    out = capsys.readouterr().out
    assert "a wrong result" in out
    assert f"see it again: minimr simulate {file} --nodes 3 --cpus 1 " in out


def test_the_command_says_what_cannot_be_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", str(tmp_path / "nope.py")]) == 2
    assert "No such file" in capsys.readouterr().err
    file = written(tmp_path, "import os; os.fork()")
    assert run(["simulate", file]) == 2
    assert "would leave the simulated machine" in capsys.readouterr().err
