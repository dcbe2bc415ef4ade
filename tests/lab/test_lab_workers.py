"""Workers of rung 1 in every node of a lab, by one command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.lab import engines
from benchmarks.lab.cli import make_plan
from benchmarks.lab.lab import Lab
from tests.cli.running import DEADLINE_S, command
from tests.cli.test_interrupt_and_join import read_until

from .conftest import NAME

pytestmark = pytest.mark.timeout(120)


def in_the_lab(*arguments: object) -> subprocess.Popen[str]:
    lab = [sys.executable, "-m", "benchmarks", "lab", "--name", NAME]
    return subprocess.Popen(
        [*lab, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_node_works_by_one_command(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMR_LAB", str(Path(home).parent))
    book = tmp_path / "large.txt"
    book.write_text("some words that keep workers busy\n" * 600_000)
    lab = Lab(home)
    plan = make_plan(NAME, nodes=3, engine="none", loopback=True)
    try:
        lab.up(plan)
        count = command(
            "wordcount", book, "--engine", "sockets", "--workers", "1",
            "--map-tasks", "60", "--job", "textbook", "--top", "1",
            "--listen", engines.address(plan, "join"),
        )  # fmt: skip
        with in_the_lab("workers") as workers:  # they wait for the run
            with in_the_lab("exec", "n1", "--", *count) as run:
                for _ in plan.all():
                    read_until(workers, r"\[n\d\] worker \d+ works for")
                output, told = run.communicate(timeout=DEADLINE_S)
            _, said = workers.communicate(timeout=DEADLINE_S)
        assert run.returncode == 0, told
        assert output.splitlines()[-1].split() == ["busy", "600,000"]
        assert workers.returncode == 0, said
    finally:
        lab.down()
