"""Ctrl-C at any moment of a command is one line and exit code 130."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.cli.running import DEADLINE_S, ROOT, environment

DELAYS_S: tuple[float, ...] = (0.0, 1.2)
LONG = [
    "minimr wordcount large.txt --engine serial",
    "minimr wordcount large.txt --engine sockets",
    "minimr wordcount large.txt --engine minimr",
    "minimr parameter-server --seconds 60 --engine sockets",
    "minimr parameter-server --seconds 60 --engine minimr",
    "minimr worker --address 127.0.0.1:1 --wait 60",
    "minimr start --head --block",
    "minimr simulate wordcount --seeds 5000 --jobs 2",
    "dqn train --engine minimr --target-score 1e9",
    "dqn single --target-score 1e9",
    "benchmarks wordcount large.txt --engines loop,serial,minimr",
    "benchmarks dqn --contenders single,minimr-1",
    "examples count_words --engine both",
]
if os.environ.get("MINIMR_CTRL_C") == "all":
    DELAYS_S = (0.0, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2, 3.0)
    LONG += [
        "minimr wordcount large.txt --engine ray",
        "minimr show wordcount large.txt --engine sockets",
        "minimr show wordcount large.txt --engine minimr",
        "minimr workers --address 127.0.0.1:1 --hosts hosts.txt",
        f"minimr check part2 {ROOT}/lecture/notebooks/part2_word_count.py",
        "minimr tour 1 --run",
        "minimr simulate tasks --seeds 5000 --kill 4",
        "lecture straggler",
        "lecture killed_node",
        "benchmarks cost large.txt --engines sockets,minimr",
        "benchmarks parameter-server",
        "benchmarks startup --engines sockets,minimr",
        "benchmarks micro --seconds 0.1",
        "benchmarks compare HEAD",
    ]

# Says when it hears Ctrl-C, and sends itself one at its import number N.
PROGRAM = """
import os, signal, sys
from itertools import count
number, last = count(1), int(sys.argv.pop(1))
def hook(event, args):
    if event == "import" and next(number) == last:
        os.kill(os.getpid(), signal.SIGINT)
import minimr.system.leaving
begin = minimr.system.leaving.leave_at_ctrl_c
def leave_at_ctrl_c(name):
    begin(name)
    os.write(2, b"ready\\n")
    sys.addaudithook(hook)
minimr.system.leaving.leave_at_ctrl_c = leave_at_ctrl_c
import runpy
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
# {command: how many imports it has at least}
COMMANDS = {
    ("minimr", "wordcount", "book.txt", "--engine", "serial"): 100,
    (
        "minimr",
        "wordcount",
        "book.txt",
        "--engine",
        "minimr",
    ): 150,
    ("minimr", "parameter-server", "--seconds", "0"): 300,
    ("minimr", "compare", "mapreduce"): 100,
    ("minimr", "status"): 100,
    ("dqn", "train", "--engine", "serial", "--max-rounds", "1"): 900,
    ("benchmarks", "micro", "--help"): 60,
}


def run(
    at: int, command: Sequence[str], folder: Path
) -> subprocess.Popen[str]:
    """Start a command. Blocks: until it hears Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(at), *command],
        env={**environment(folder), "MINIMR_HOME": str(folder)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # as a terminal gives each command a group
    )
    assert process.stderr is not None
    # Byte by byte: what a reader has in its buffer is lost to `communicate`.
    ready = iter(lambda: os.read(process.stderr.fileno(), 1), b"\n")
    assert b"".join(ready) == b"ready"
    return process


def check(
    process: subprocess.Popen[str], folder: Path, may_be_over: bool = False
) -> None:
    """Make sure of the exit code, the line, and that nobody is left."""
    out, err = process.communicate(timeout=DEADLINE_S)
    if not (may_be_over and process.returncode == 0):
        assert process.returncode == 130, err
        assert err.count("interrupted") == 1, err
        assert "interrupted" in err.splitlines()[-1]
    assert "Traceback" not in out + err
    assert "Exception ignored" not in err
    left = [p for p in psutil.process_iter() if _home(p) == str(folder)]
    _, alive = psutil.wait_procs(left, timeout=DEADLINE_S)
    assert not alive


def _home(process: psutil.Process) -> str:
    """Return what it has inherited, in whatever session it is."""
    with suppress(psutil.Error):
        return process.environ().get("MINIMR_HOME", "")
    return ""


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_ctrl_c_during_an_import_is_a_line(
    command: tuple[str, ...], share: float, book: Path
) -> None:
    at = 1 + int(share * COMMANDS[command])
    check(run(at, command, book.parent), book.parent)


@pytest.mark.parametrize("delay_s", DELAYS_S)
@pytest.mark.parametrize("command", LONG)
def test_ctrl_c_at_any_time_is_a_line(
    command: str,
    delay_s: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "large.txt").write_text("some words of a book\n" * 2_000_000)
    (tmp_path / "hosts.txt").write_text("far\n")
    (tmp_path / "ssh").write_text("#!/bin/sh\nsleep 60\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    process = run(0, command.split(), tmp_path)
    try:
        # The one thing here that depends on time: where it will be by then.
        process.wait(delay_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    check(process, tmp_path, may_be_over=True)
