"""A cluster that `minimr start` has begun: who finds it, and what is left."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.running import DEADLINE_S, Minimr, environment

# Prints what `init` has joined: the custom resource of the cluster.
PROGRAM = """
import minimr
minimr.init({options})
print(minimr.cluster_resources().get("widget"))
"""

Ended = subprocess.CompletedProcess
Program = Callable[..., "Ended[str]"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINIMR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Run a program that says `init(...)`."""

    def run(options: str = "", **env: str) -> Ended[str]:
        return subprocess.run(
            [sys.executable, "-c", PROGRAM.format(options=options)],
            env={**environment(tmp_path), **env},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )

    return run


@pytest.fixture
def head(minimr: Minimr) -> Iterator[str]:
    """Start a cluster with seven widgets; give its address."""
    yield start(minimr)
    minimr("stop")


def start(minimr: Minimr) -> str:
    started = minimr(
        "start", "--head", "--num-cpus", "2", "--resources", '{"widget": 7}'
    )
    found = re.search(r"listens at (\S+)", started.stdout)
    assert found, started.stderr
    return found[1]


def end(home: Path) -> None:
    """End the head as a crash would, without a word to the file."""
    noted = json.loads((home / "cluster.json").read_text())
    (node,) = noted["nodes"]
    process = psutil.Process(node["pid"])
    process.send_signal(signal.SIGKILL)
    process.wait(DEADLINE_S)


def test_init_joins_the_cluster_that_runs_here(
    head: str, program: Program
) -> None:
    for options in ("", "'auto'", f"address={head!r}"):
        assert program(options).stdout == "7.0\n"


def test_local_starts_another_one(head: str, program: Program) -> None:
    assert program("address='local', num_cpus=1").stdout == "None\n"


def test_the_environment_goes_before_the_file(
    head: str, program: Program
) -> None:
    ended = program(MINIMR_ADDRESS="127.0.0.1:1")
    assert ended.returncode == 1
    assert "nobody answers at 127.0.0.1:1" in ended.stderr
    assert program(MINIMR_ADDRESS="local").stdout == "None\n"


@pytest.mark.parametrize("amount", ["num_cpus=1", "object_store_memory=10**8"])
def test_amounts_are_not_for_a_cluster_that_runs(
    amount: str, head: str, program: Program
) -> None:
    ended = program(amount)
    assert f"this one runs, at {head}: leave them out" in ended.stderr


def test_a_cluster_that_is_dead_is_skipped_with_a_word(
    home: Path, minimr: Minimr, program: Program
) -> None:
    where = start(minimr)
    end(home)
    ended = program("num_cpus=1")
    assert ended.stdout == "None\n"
    assert f"the cluster at {where} has ended" in ended.stderr
    assert "Could not find any running" in program("'auto'").stderr


def test_status_of_a_dead_cluster_is_a_line(
    home: Path, minimr: Minimr
) -> None:
    where = start(minimr)
    end(home)
    for command in (["status"], ["list", "nodes"], ["timeline", "t.json"]):
        ended = minimr(*command)
        assert ended.returncode == 2
        assert f"the cluster at {where} has ended" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert len(ended.stderr.splitlines()) <= 2


@pytest.mark.parametrize(
    "text", ["", '{"head": "127.0', "[]", '{"head": 1, "nodes": []}', "\0\1"]
)
def test_a_half_written_file_is_a_line(
    text: str, home: Path, minimr: Minimr, program: Program
) -> None:
    home.mkdir()
    (home / "cluster.json").write_text(text)
    for command in (["status"], ["stop"]):
        ended = minimr(*command)
        assert ended.returncode == 2, ended.stderr
        assert "cluster.json is not what `minimr start` writes" in ended.stderr
        assert "Traceback" not in ended.stderr
    ended = program("num_cpus=1")
    assert ended.stdout == "None\n"
    assert "cluster.json is not what" in ended.stderr


def test_nodes_that_start_at_once_are_all_noted(
    head: str, home: Path, minimr: Minimr, tmp_path: Path
) -> None:
    starting = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "minimr",
                "start",
                "--address",
                head,
            ],
            env=environment(tmp_path),
            stdout=subprocess.DEVNULL,
        )
        for _ in range(3)
    ]
    assert [p.wait(DEADLINE_S) for p in starting] == [0, 0, 0]
    noted = json.loads((home / "cluster.json").read_text())
    assert len(noted["nodes"]) == 4
    assert minimr("stop").stdout == "4 nodes ended\n"
    assert not (home / "cluster.json").exists()


# The command as a user whom the system does not know: no $HOME, no entry.
NOBODY = """
import os, pwd
del os.environ["HOME"]
def getpwuid(uid):
    raise KeyError(uid)
pwd.getpwuid = getpwuid
from minimr.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("arguments", "missing", "says"),
    [
        (["status"], "MINIMR_HOME", "Could not find any running"),
        (["start", "--head"], "MINIMR_HOME", "set MINIMR_HOME"),
        (["worker", "--address", "127.0.0.1:1"], "MINIMR_TOKEN_FILE",
         "set MINIMR_TOKEN_FILE"),
    ],
)  # fmt: skip
def test_a_user_without_a_home_is_told_what_to_set(
    arguments: list[str], missing: str, says: str, tmp_path: Path
) -> None:
    env = environment(tmp_path)
    del env[missing]
    ended = subprocess.run(
        [sys.executable, "-c", NOBODY, *arguments],
        env={**env, "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert ended.returncode == 2
    assert says in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_command_joins_it_and_counts_its_workers(
    head: str, minimr: Minimr, book: Path
) -> None:
    ended = minimr("wordcount", book, "--engine", "minimr")
    assert f"minimr has joined the cluster at {head}" in ended.stderr
    assert "1 node, 2 CPUs" in ended.stderr
    alone = minimr("wordcount", book, "--engine", "minimr",
                   "--address", "local", "--workers", "1")  # fmt: skip
    assert (ended.returncode, alone.returncode) == (0, 0)
    assert "joined" not in alone.stderr
    assert "1 worker\n" in alone.stderr


def test_an_address_is_that_of_the_engine_that_answers_there(
    head: str, minimr: Minimr, book: Path
) -> None:
    ended = minimr("wordcount", book, "--engine", "all", "--address", head)
    assert ended.returncode == 0, ended.stderr
    assert (
        f"ray is not joined, and left out: whoever answers at {head} is "
        in (ended.stderr)
    )
    assert "identical: serial, sockets, minimr\n" in ended.stdout


def test_an_engine_that_fails_leaves_the_others_rows(
    minimr: Minimr, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A head of nobody's: `minimr` is to join it, `ray` starts its own.
    monkeypatch.setenv("MINIMR_ADDRESS", "127.0.0.1:1")
    ended = minimr("wordcount", book, "--engine", "all")
    assert ended.returncode == 1
    assert "minimr: minimr is not joined" in ended.stderr
    assert "identical: serial, sockets, ray\n" in ended.stdout
