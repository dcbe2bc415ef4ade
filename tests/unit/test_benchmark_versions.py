"""Two versions in one run: whether one is slower than the other."""

from __future__ import annotations

import importlib.util
import subprocess
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import minimr.ladder
from benchmarks.common import ratios
from benchmarks.compare import cases
from benchmarks.compare import main as compare

ROOT = Path(__file__).parents[2]


class Fake(compare.Version):
    """A version that has its answers."""

    def __init__(
        self, name: str, answers: list[Any], asked: list[str] | None = None
    ) -> None:
        self.name, self.answers = name, iter(answers)
        self.asked = [] if asked is None else asked

    def ask(self, *question: Any) -> Any:
        self.asked.append(self.name)
        return next(self.answers, None)


def test_the_interval_is_narrow_where_the_rounds_agree() -> None:
    low, high = ratios.interval([0.99, 1.0, 1.01] * 5)
    assert 0.98 < low <= 1.0 <= high < 1.02


def test_the_interval_is_wide_where_they_do_not() -> None:
    low, high = ratios.interval([0.5, 1.0, 2.0] * 3)
    assert low <= 0.5
    assert high >= 2.0


def test_a_commit_that_is_not_there_is_told() -> None:
    with (
        pytest.raises(click.ClickException),
        compare.environment("no-such-commit"),
    ):
        pass


@pytest.mark.parametrize("given", ["", "=off", "MINIMR_TRACE"])
def test_what_is_set_has_a_name_and_a_value(given: str) -> None:
    done = CliRunner().invoke(compare.compare, ["HEAD", "--set", given])
    assert done.exit_code == 2
    assert "is not NAME=VALUE" in done.output


def test_each_version_measures_its_own_code() -> None:
    inside = subprocess.run(
        ["git", "rev-parse", "--is-inside-work-tree"],
        cwd=ROOT,
        capture_output=True,
    )
    if inside.returncode:
        pytest.skip("needs a git checkout to lay out a commit")
    for commit in ("HEAD", None):
        with (
            compare.environment(commit) as folder,
            closing(compare.Version(folder)) as version,
        ):
            where = version.ask("where", *compare.PACKAGES)
            assert folder != ROOT
            assert where == [str(folder)] * 3


def test_a_case_that_a_version_lacks_ends_the_comparison() -> None:
    old, new = (Fake("old", ["a", "b"]), Fake("new", ["a", "b", "c"]))
    assert list(compare.names([old, new])) == ["a", "b"]


def test_the_modules_of_this_tree_are_known_by_their_names() -> None:
    missing = [
        name for name in cases.EARLIER if not importlib.util.find_spec(name)
    ]
    assert not missing


def test_an_earlier_name_is_taken_where_the_module_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(cases.EARLIER, "minimr.nowhere", "minimr.ladder")
    assert cases.module("minimr.nowhere") is minimr.ladder


def test_words_are_counted_on_the_first_rung(tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text("one fish two fish")
    coming = cases.wordcount([str(book)], 1, 1, megabytes=1.0)
    seen = [(name, run()) for name, run, _ in islice(coming, 2)]
    assert [name.split(",")[0] for name, _ in seen] == ["serial"] * 2


def test_weights_move_on_the_second_rung() -> None:
    with closing(cases.parameter_server()) as coming:
        (_, push, _), (_, pull, _) = next(coming), next(coming)
        push()
        assert pull()["w"].nbytes == 2**12


def test_rounds_change_their_order() -> None:
    asked: list[str] = []
    pair = [Fake("a", [1.0, 1.0], asked), Fake("b", [1.0, 1.0], asked)]
    found = compare.rounds_of(pair, 2, "run", 1.0)
    assert "".join(asked) == "baab"
    assert found == [[1.0, 1.0], [1.0, 1.0]]
