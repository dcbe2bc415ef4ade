"""Two versions in one run: whether one is slower than the other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click
import pytest

from benchmarks.compare import main as compare

ROOT = Path(__file__).parents[2]


def test_the_interval_is_narrow_where_the_rounds_agree() -> None:
    low, high = compare.interval([0.99, 1.0, 1.01] * 5)
    assert 0.98 < low <= 1.0 <= high < 1.02


def test_the_interval_is_wide_where_they_do_not() -> None:
    low, high = compare.interval([0.5, 1.0, 2.0] * 3)
    assert low <= 0.5
    assert high >= 2.0


def test_a_commit_that_is_not_there_is_told() -> None:
    with (
        pytest.raises(click.ClickException),
        compare.checked_out("no-such-commit"),
    ):
        pass


def test_each_version_measures_its_own_code() -> None:
    inside = subprocess.run(
        ["git", "rev-parse", "--is-inside-work-tree"],
        cwd=ROOT,
        capture_output=True,
    )
    if inside.returncode:
        pytest.skip("needs a git checkout to lay out a commit")
    with compare.checked_out("HEAD") as folder:
        assert folder != ROOT
        for each in (folder, ROOT):
            version = compare.Version(each)
            try:
                assert Path(version.ask("where")).parent == each
            finally:
                version.close()


def test_rounds_change_their_order() -> None:
    asked: list[str] = []

    class Fake:
        def __init__(self, name: str) -> None:
            self.name = name

        def ask(self, *question: object) -> float:
            asked.append(self.name)
            return 1.0

    pair = [Fake("a"), Fake("b")]
    found = compare.rounds_of(pair, 2, "run", 1.0)  # type: ignore[arg-type]
    assert "".join(asked) == "baab"
    assert found == [[1.0, 1.0], [1.0, 1.0]]
