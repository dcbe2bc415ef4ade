"""Ctrl-C, and workers that come from elsewhere."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.running import DEADLINE_S, Minimr, command, environment

LARGE = "some words that keep the workers busy for a while\n" * 400_000


@pytest.fixture
def large_book(tmp_path: Path) -> Path:
    path = tmp_path / "large.txt"
    path.write_text(LARGE)
    return path


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments),
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """Give the first line of standard error that matches."""
    assert process.stderr is not None
    for line in process.stderr:
        match = re.search(pattern, line)
        if match:
            return match
    raise AssertionError(f"it ended before it said {pattern!r}")


@pytest.mark.parametrize("engine", ["serial", "sockets", "minimr", "ray"])
def test_ctrl_c_ends_at_once_and_leaves_nothing(
    engine: str, large_book: Path
) -> None:
    with start(
        large_book.parent, "wordcount", large_book, "--engine", engine,
        "--job", "textbook", "--map-tasks", "40",
    ) as process:  # fmt: skip
        read_until(process, r"map \d+/40")
        children = psutil.Process(process.pid).children(recursive=True)
        assert bool(children) == (engine != "serial")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert told.endswith("minimr: interrupted\n")
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive


def test_a_worker_joins_in_the_middle_and_leaves_with_the_run(
    large_book: Path,
) -> None:
    folder = large_book.parent
    with start(
        folder, "wordcount", large_book, "--engine", "sockets",
        "--job", "textbook", "--workers", "1", "--map-tasks", "60",
        "--listen", "127.0.0.1:0", "--top", "1",
    ) as run:  # fmt: skip
        where = read_until(run, r"--address (\S+)")[1]
        with start(folder, "worker", "--address", where) as worker:
            read_until(worker, r"worker \d+ works for")
            output, told = run.communicate(timeout=DEADLINE_S)
            _, said = worker.communicate(timeout=DEADLINE_S)
    assert run.returncode == 0, told
    assert output.splitlines()[-1].split() == ["a", "400,000"]
    assert worker.returncode == 0
    assert f"{where} has ended" in said


def test_a_worker_with_another_token_is_refused_and_told_why(
    large_book: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with start(
        large_book.parent, "wordcount", large_book, "--engine", "sockets",
        "--workers", "1", "--listen", "127.0.0.1:0", "--job", "textbook",
        "--map-tasks", "40",
    ) as run:  # fmt: skip
        where = read_until(run, r"--address (\S+)")[1]
        read_until(run, r"map \d+/40")
        own = psutil.Process(run.pid).children(recursive=True)
        for process in own:  # so that the run lasts
            process.suspend()
        with start(elsewhere, "worker", "--address", where) as worker:
            _, said = worker.communicate(timeout=DEADLINE_S)
        for process in own:
            process.resume()
        run.communicate(timeout=DEADLINE_S)
    assert worker.returncode == 2
    assert "another token" in said
    assert str(elsewhere / "token") in said
    assert run.returncode == 0


@pytest.fixture
def cluster(
    minimr: Minimr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Start a cluster of rung 2 of its own; give its address."""
    monkeypatch.setenv("MINIMR_HOME", str(tmp_path))
    started = minimr("start", "--head", "--port", "0", "--num-cpus", "2")
    found = re.search(r"listens at (\S+)", started.stdout)
    assert found, started.stderr
    yield found[1]
    minimr("stop")


def test_a_driver_joins_a_cluster_and_leaves_it_running(
    cluster: str, minimr: Minimr, book: Path
) -> None:
    for _ in range(2):
        ended = minimr(
            "wordcount", book, "--engine", "minimr",
            "--address", cluster, "--top", "1",
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
    shown = minimr("status").stdout
    assert "alive" in shown
    assert "CPU" in shown
    assert "node:" not in shown  # it says little; Ray hides it as well


def test_a_driver_with_another_token_is_refused_and_told_why(
    cluster: str, book: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with start(
        elsewhere, "wordcount", book, "--engine", "minimr",
        "--address", cluster,
    ) as run:  # fmt: skip
        _, told = run.communicate(timeout=DEADLINE_S)
    assert run.returncode == 2
    assert "another token" in told.splitlines()[-1]
