"""The long run, made short; and that a bad check is not overlooked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import minimr as ray
from benchmarks.cli import main
from benchmarks.endurance.work import Reader

SHORT = (
    "endurance --tasks 1000 --least-rate 0 --actors 3 --references 50 "
    "--array-mb 16"
)


def run(arguments: str) -> Result:
    return CliRunner().invoke(main, arguments.split())


def test_a_short_run_checks_all_cases(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    result = run(f"{SHORT} --json {path}")
    assert result.exit_code == 0, result.output
    assert "BAD" not in result.output
    assert "tasks 1,000: " in result.stderr
    found = json.loads(path.read_text())
    cases = {row["case"]: row["checks"] for row in found["results"]}
    assert list(cases) == ["tasks", "actors", "references", "array"]
    assert cases["references"][0]["last"] == 50 * 49 / 2
    assert all(check["good"] for checks in cases.values() for check in checks)


def test_one_bad_check_is_the_exit_code() -> None:
    result = run("endurance --only tasks --tasks 1000 --least-rate 1000000")
    assert result.exit_code == 1
    assert "tasks: BAD: tasks/s" in result.stderr
    (row,) = [x for x in result.stdout.splitlines() if "tasks/s" in x]
    assert row.split()[-1] == "BAD"


def test_a_reader_that_copies_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Copies(Reader):
        def read(self, array: np.ndarray) -> tuple[int, int, int]:  # type: ignore[type-arg]
            _, before, _ = super().read(array)
            self.copy = array.copy()
            total, _, after = super().read(self.copy)
            return total, before, after

    monkeypatch.setattr("benchmarks.endurance.cases.Reader", Copies)
    result = run("endurance --only array --array-mb 16")
    assert result.exit_code == 1
    assert "array: BAD: MB of a reader's own, most\n" in result.stderr


def test_a_process_that_is_left_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = []

    def kept_alive(actor: Any) -> int:
        kept.append(actor.remote())
        return int(ray.get(kept[-1].pid.remote()))

    monkeypatch.setattr("benchmarks.endurance.cases._one_life", kept_alive)
    monkeypatch.setattr("benchmarks.endurance.cases.PATIENCE_S", 0.1)
    result = run("endurance --only actors --actors 6")
    assert result.exit_code == 1
    assert "children of the node" in result.stderr
