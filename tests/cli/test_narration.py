"""`MINIMR_LOG` makes every process tell what it decides."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import DEADLINE_S, command, environment

PROGRAM = """
import os
import numpy as np
import minimr as ray

@ray.remote
def double(x):
    return 2 * x

@ray.remote(max_restarts=1, max_task_retries=1)
class Counter:
    def pid(self):
        return os.getpid()

ray.init(num_cpus=2, address="local")
assert ray.get(double.remote(np.ones(1_000_000)))[0] == 2
ray.get(double.remote(1))  # by then, what is freed has been told
counter = Counter.remote()
before = ray.get(counter.pid.remote())
os.kill(before, 9)
assert ray.get(counter.pid.remote()) != before
ray.kill(counter)
try:
    while True:  # the call may come before the end
        ray.get(counter.pid.remote())
except ray.exceptions.RayActorError:
    print("as it should be")
ray.shutdown()
"""

TOLD = {
    "a lease that is granted": ("node", r"lease \d+: worker \d+ is granted"),
    "a lease that is taken": ("node", r"lease \d+ is taken back: it was"),
    "a lease that is given back": ("node", r"lease \d+ is given back"),
    "a node that joins": ("node", r"node \w+ has joined"),
    "a task that is sent": ("driver", r"task double\(\) \w+ is sent to"),
    "a task that begins": ("worker", r"task double\(\) \w+ begins, attempt 0"),
    "a task that has ended": ("driver", r"task double\(\) \w+ has ended"),
    "an actor that is asked for": ("node", r"actor Counter \w+: \S+ asks"),
    "an actor's place": ("node", r"actor Counter \w+: the node at \S+ is"),
    "an actor that is alive": ("node", r"actor Counter \w+ is ALIVE"),
    "an actor that restarts": ("node", r"actor Counter \w+ is RESTARTING: w"),
    "an actor that is dead": ("node", r"actor Counter \w+ is DEAD: "),
    "an object that is stored": ("node", r"object \w+ is stored"),
    "an object that is freed": ("node", r"object \w+ is freed"),
    "the death of a worker": ("node", r"worker \d+ killed by SIGKILL"),
    "a process that is gone": ("node", r"the worker of process \d+ is gone"),
}

NOBODY = ("--address", "127.0.0.1:1")
PROGRAMS = {
    "python -m dqn": ("-m", "dqn", "single", "--max-rounds", "1"),
    "python -m benchmarks": (
        *("-m", "benchmarks", "wordcount", "book.txt"),
        *("--engines", "loop", "--rounds", "1"),
    ),
    "minimr worker": (*command("worker", *NOBODY)[1:],),
    "minimr start": (*command("start", *NOBODY)[1:],),
    "minimr status": (*command("status", *NOBODY)[1:],),
    "a script": ("-c", PROGRAM),
}


def run(
    level: str, folder: Path, *program: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program,
        env={**environment(folder), "MINIMR_LOG": level},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.fixture(scope="module")
def narration(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("narration")
    ended = run("debug", folder, sys.executable, "-c", PROGRAM)
    assert ended.returncode == 0, ended.stderr
    assert "as it should be" in ended.stdout
    return ended.stderr


@pytest.mark.parametrize("what", TOLD)
def test_a_run_tells_of(what: str, narration: str) -> None:
    kind, text = TOLD[what]
    head = rf"\d\d:\d\d:\d\d\.\d\d\d {kind} \d+ [0-9a-f]{{8}} minimr\.\S+: "
    assert re.search(head + text, narration), narration


@pytest.mark.parametrize("engine", ["sockets", "minimr"])
def test_a_level_that_is_none_is_said_once_and_does_no_harm(
    engine: str, tmp_path: Path, book: Path
) -> None:
    wordcount = command("wordcount", "--engine", engine, "--workers", 2, book)
    ended = run("nonsense", tmp_path, *wordcount)
    assert ended.returncode == 0, ended.stderr
    lines = [x for x in ended.stderr.splitlines() if "MINIMR_LOG" in x]
    assert len(lines) == 1, ended.stderr
    assert "MINIMR_LOG=nonsense is no level: use debug, info" in lines[0]
    assert ended.stderr.count("Traceback") == 0


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_level_that_is_none_is_one_line_everywhere(
    program: str, tmp_path: Path, book: Path
) -> None:
    assert book.parent == tmp_path
    ended = run("nonsense", tmp_path, sys.executable, *PROGRAMS[program])
    said = ended.stderr
    assert said.count("MINIMR_LOG=nonsense is no level") == 1, said
    assert said.count("MINIMR_LOG") == 1
    assert "Traceback" not in said
    if not program.startswith("minimr"):  # those find nobody there
        assert ended.returncode == 0, said
