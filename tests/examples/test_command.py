"""The command: what it lists, and what it says of two engines."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import PIPE, run
from typing import Any

import numpy as np
import pytest
from click import ClickException
from click.testing import CliRunner

from examples.command import Ran, attempt, equal, judge, load, main
from examples.listing import Program, programs


def ask(*words: str) -> str:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return done.output


def test_all_programs_are_listed_by_folder() -> None:
    listed = ask()
    for program in programs().values():
        assert f"  {program.name} " in listed
    assert listed.index("Actors:") < listed.index("  counter ")


def test_the_arguments_of_a_program_are_its_options() -> None:
    told = ask("counter", "--help")
    assert "--actors INTEGER" in told
    assert "Watch: one counter" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["no_such"], "No such command 'no_such'"),
        (["overlap", "--out", "x"], "overlap draws nothing"),
        (["overlap", "--engine", "both", "--address", "x:1"], "of one engine"),
        (["overlap", "--engine", "sockets"], "'sockets' is not one of"),
        (["counter", "--actors", "0"], "0 is not in the range x>=1"),
        (["maze", "--rounds", "-1"], "-1 is not in the range x>=0"),
        (["deadlock", "--timeout", "-1"], "-1.0 is not in the range x>=0"),
    ],
)
def test_what_cannot_be_run_is_said(words: list[str], told: str) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert told in done.output


def test_a_missing_package_is_named() -> None:
    with pytest.raises(ClickException, match="the package no_such"):
        load("no_such")


def test_an_engine_that_fails_has_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("examples.command.run_on", lambda *_: 1 / 0)
    ran = attempt("minimr", "examples.actors.counter", False, {})
    assert ran == Ran("minimr", error="ZeroDivisionError: division by zero")
    assert "Traceback" in capsys.readouterr().err


def test_both_engines_are_run_and_compared() -> None:
    command = [sys.executable, "-m", "examples", "overlap"]
    done = run(
        [*command, "--engine", "both", "--calls", "4"],
        stdout=PIPE,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0
    rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()[-2:]]
    assert [(row[0], row[2]) for row in rows] == [
        ("minimr", "the first"),
        ("ray", "equal"),
    ]


@pytest.mark.parametrize(
    ("run", "first", "verdict"),
    [
        (Ran("ray", result=1), Ran("minimr", result=1), "equal"),
        (Ran("ray", result=2), Ran("minimr", result=1), "different"),
        (Ran("ray"), Ran("minimr"), "nothing to compare"),
        (Ran("ray", error="E: a\nb"), Ran("minimr"), "failed: E: a"),
        (Ran("ray", error="E"), None, "failed: E"),
    ],
)
def test_what_is_said_of_a_run(
    run: Ran, first: Ran | None, verdict: str
) -> None:
    assert judge(run, first) == verdict


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([np.arange(3), 1], [np.arange(3), 1], True),
        ([np.arange(3)], [np.arange(1, 4)], False),
        ({"a": (1, 2)}, {"a": [1, 2]}, True),
        ({"a": 1}, {"b": 1}, False),
        ([1], [1, 2], False),
    ],
)
def test_results_are_equal_by_their_items(
    one: Any, other: Any, same: bool
) -> None:
    assert equal(one, other) is same


def test_what_a_task_returns_is_no_result_of_its_program(
    tmp_path: Path,
) -> None:
    path = tmp_path / "one.py"
    path.write_text("def main(ray):\n    def task():\n        return 1\n")
    assert not Program(path).is_compared
    path.write_text("def main(ray):\n    return 1\n")
    assert Program(path).is_compared
