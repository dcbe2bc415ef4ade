"""No line is lost, however a program ends; no process is lost in lines."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.core.cluster import eventually

PROGRAMS = Path(__file__).parents[2] / "core" / "printing_programs.py"
ROOT = str(PROGRAMS.parents[2])
T = 60
MEGABYTE = 1 << 20


def start(*program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAMS), "minimr", *program],
        text=True,
        env=os.environ | {"PYTHONPATH": ROOT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(*program: str) -> tuple[str, str, int]:
    process = start(*program)
    out, err = process.communicate(timeout=T)
    return out, err, process.returncode


@pytest.mark.parametrize(
    ("how", "code"),
    [("returns", 0), ("raises", 1), ("exits", 3), ("shuts down", 0)],
)
def test_the_last_prints_are_shown_however_a_program_ends(
    how: str, code: int
) -> None:
    for _ in range(3):
        out, err, ended = run("ends", how)
        assert sorted(re.findall("hello [0-9]", out)) == [
            "hello 0", "hello 1", "hello 2",
        ], err  # fmt: skip
        assert ended == code


def test_the_last_words_of_a_worker_that_dies_are_shown() -> None:
    out, err, _ = run("ends", "its task dies")
    assert "(dies pid=" in out
    assert "my last words" in out
    assert "WorkerCrashedError" in err


def test_a_line_is_shown_under_the_name_of_the_task_that_printed_it() -> None:
    out, _, _ = run("alternates")
    assert len(re.findall(r"^\(odd pid.*\) 1$", out, re.M)) == 20
    assert len(re.findall(r"^\(even pid.*\) 2$", out, re.M)) == 20


def test_a_line_of_30_megabytes_is_shown_in_pieces() -> None:
    out, _, _ = run("long_line", "30")
    texts = re.findall(r"^\(print_it pid=.*?\) (x*)$", out, re.M)
    assert sum(map(len, texts)) == 30 * MEGABYTE


def test_a_program_that_ends_waits_for_a_slow_terminal() -> None:
    text = ""
    with start("long_line", "6") as process:
        assert process.stdout
        while part := process.stdout.read(MEGABYTE // 8):
            text += part
            time.sleep(0.04)  # the pace of that terminal
    assert text.count("x") == 6 * MEGABYTE


def test_prints_of_a_node_that_the_driver_does_not_know_are_shown() -> None:
    out, _, _ = run("nested")
    assert "words from there" in out


def test_nothing_is_shown_that_was_not_asked_for() -> None:
    assert run("in_silence")[:2] == ("", "")


def resident(pid: int) -> int:
    """Return the memory of a process that is its own, in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.findall(r"Private_Dirty: *(\d+)", text)[0]) * 1024


def test_a_node_does_not_grow_with_what_a_stopped_driver_misses(
    tmp_path: Path,
) -> None:
    ended = tmp_path / "ended"
    process = start("without_end", str(ended))
    assert process.stdout
    node = int(process.stdout.readline())
    while "xxx" not in process.stdout.readline():
        pass
    os.kill(process.pid, signal.SIGSTOP)
    before, most = resident(node), 0

    def has_ended() -> bool:
        nonlocal most
        most = max(most, resident(node))
        return ended.exists()

    eventually(has_ended)
    os.kill(process.pid, signal.SIGCONT)
    out, err = process.communicate(timeout=T)
    assert most - before < 50 * MEGABYTE
    assert re.search(r"[0-9,]{5,} lines that were printed here are lost", err)
    assert "it has ended" in out


def test_a_driver_whose_output_is_closed_goes_on() -> None:
    with start("ends", "exits") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        err = process.stderr.read()
    assert "Error" not in err.replace("BrokenPipeError", "")  # Python's own
    assert process.returncode == 3
