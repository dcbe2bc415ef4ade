"""Packets get lost without a word: both ends notice, idle or busy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.lab.cli import make_plan
from benchmarks.lab.lab import Lab

from .conftest import NAME, NEEDS_ROOT, remains

pytestmark = [NEEDS_ROOT, pytest.mark.timeout(90)]

PATIENCE_S = 40.0  # the program's own silence is 5 s


@pytest.fixture
def lab(home: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("MINIMR_LAB", str(Path(home).parent))
    lab = Lab(home)
    lab.up(make_plan(NAME, engine="none", nodes=2))
    yield lab
    lab.down()
    assert remains(home) == []


def start(lab: Lab, node: str, *arguments: str) -> subprocess.Popen[str]:
    program = str(Path(__file__).with_name("silent_program.py"))
    argv = [sys.executable, program, *arguments]
    return subprocess.Popen(
        lab.command(node, argv), stdout=subprocess.PIPE, text=True
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(process.stdout.readline).result(PATIENCE_S)


def test_a_connection_that_is_cut_ends_at_both_ends_idle_or_busy(
    lab: Lab,
) -> None:
    host = lab.plan.node("n1").address
    server = start(lab, "n1", "serve", host)
    client = start(lab, "n2", "dial", host, line(server).strip())
    assert line(client) == "begun\n"
    lab.cut("n2")
    with ThreadPoolExecutor(2) as threads:
        ends = [
            threads.submit(process.communicate, timeout=PATIENCE_S)
            for process in (server, client)
        ]
        said = [end.result()[0].splitlines() for end in ends]
    kinds = [sorted(line.partition(":")[0] for line in part) for part in said]
    assert kinds == [["left", "left"], ["busy", "idle"]]
