"""What the benchmarks say is what was measured, also when somebody fails."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from benchmarks.cli import LazyGroup, main
from benchmarks.common.drivers import Driver
from benchmarks.common.generate import write_text
from benchmarks.common.machine import facts
from benchmarks.common.picture import Bar, Panel, draw
from benchmarks.common.timing import (
    ContenderError,
    Sample,
    Spread,
    interleave,
    orders,
)
from benchmarks.micro.show import markdown
from benchmarks.wordcount import main as wordcount
from benchmarks.wordcount.contenders import WordCounter
from benchmarks.wordcount.work import Work, summary

TEXTS = ["\ufeffOne two two", "THREE three three\u00a0two", ""]


class Raises(WordCounter):
    name = "raises"

    def run(self) -> Counter[str]:
        raise RuntimeError("out of luck\nand of words")


class FailsToStart(Raises):
    name = "fails-to-start"

    def start(self) -> None:
        raise ValueError("no engine")


class Dies(Raises):
    name = "dies"

    def run(self) -> Counter[str]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Hangs(Raises):
    name = "hangs"

    def run(self) -> Counter[str]:
        signal.pause()
        raise AssertionError


class Miscounts(Raises):
    name = "miscounts"

    def run(self) -> Counter[str]:
        return Counter({"one": 1, "two": 3, "three": 4})


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let matplotlib open the fonts that it never closes."""
    path = tmp_path_factory.mktemp("fonts") / "x.png"
    bar = Bar("x", Spread(1, 1, 1), Spread(2, 2, 2), own=True)
    draw(str(path), "x", [Panel("x", [bar])], ("x", "y"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "texts"
    inside.mkdir()
    for number, text in enumerate(TEXTS):
        (inside / f"{number}.txt").write_text(text, encoding="utf-8")
    return inside


@pytest.fixture
def work(folder: Path) -> Work:
    return Work("combined", tuple(map(str, folder.iterdir())), 1, 1, 1)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def cells_of(output: str, engine: str) -> list[str]:
    lines = [line.split() for line in output.splitlines() if line[:1] == " "]
    (cells,) = [cells for cells in lines if cells[:1] == [engine]]
    return cells


def test_a_spread_is_the_median_and_both_ends() -> None:
    assert Spread.of([3.0, 1.0, 10.0, 2.0]) == Spread(2.5, 1.0, 10.0)


def test_every_round_has_everybody_once_and_a_warm_up_comes_first() -> None:
    names = list("abcde")
    rounds = list(orders(names, 20, seed=1))
    assert [number for number, _ in rounds] == list(range(21))
    assert all(sorted(order) == names for _, order in rounds)


def test_the_order_of_a_round_comes_from_the_seed() -> None:
    first, again = (list(orders("abcde", 20, seed=1)) for _ in range(2))
    assert first == again != list(orders("abcde", 20, seed=2))
    assert len({tuple(order) for _, order in first}) > 10


def test_the_warm_up_is_kept_and_counts_for_nothing() -> None:
    times = iter([100.0, 1.0, 3.0])
    outcome = interleave(
        {"a": lambda: Sample({"run": next(times)})}, 2, 0, lambda line: None
    )
    assert len(outcome.measurements) == 3
    assert outcome.spread("a", "run") == Spread(2.0, 1.0, 3.0)


def test_who_fails_is_measured_no_more_and_the_others_go_on() -> None:
    calls: Counter[str] = Counter()

    def fails() -> Sample:
        calls["fails"] += 1
        if calls["fails"] == 2:
            raise ContenderError("broken")
        return Sample({"run": 1.0})

    lines: list[str] = []
    outcome = interleave(
        {"good": lambda: Sample({"run": 1.0}), "fails": fails},
        3,
        0,
        lines.append,
    )
    assert calls["fails"] == 2
    assert str(outcome.failures["fails"]) == "broken"
    assert len(outcome.samples("good")) == 3
    assert any("fails" in line and "broken" in line for line in lines)


@pytest.mark.parametrize(
    ("contender", "reason"),
    [
        (Raises, "RuntimeError: out of luck"),
        (Dies, "its process ended with exit code -9"),
        (Hangs, "no answer within 1 s"),
    ],
)
def test_a_driver_tells_how_its_contender_failed(
    contender: type[WordCounter], reason: str, work: Work
) -> None:
    driver = Driver(contender(work))
    if contender is Hangs:
        driver.timeout_s = 1
    try:
        with pytest.raises(ContenderError) as failure:
            driver.measure()
    finally:
        driver.close()
    assert str(failure.value) == reason


def test_a_driver_that_cannot_start_its_contender_says_why(
    work: Work,
) -> None:
    with pytest.raises(ContenderError, match="no engine") as failure:
        Driver(FailsToStart(work))
    assert "in start" in failure.value.details


def test_equal_counts_have_equal_fingerprints_in_any_order() -> None:
    assert summary({"a": 1, "b": 2}) == summary({"b": 2, "a": 1})
    prints = {
        summary(counts)["fingerprint"]
        for counts in ({"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a": 1}, {})
    }
    assert len(prints) == 4


@pytest.mark.usefixtures("fonts")
def test_a_run_writes_every_measurement_and_the_machine(
    folder: Path, tmp_path: Path
) -> None:
    target, picture = tmp_path / "w.json", tmp_path / "w.png"
    ended = run(
        *("wordcount", folder, "--rounds", 1, "--job", "both"),
        *("--engines", "loop,serial,sockets", "--json", target),
        *("--png", picture),
    )
    assert ended.exit_code == 0, ended.output
    document = json.loads(target.read_text())
    assert document["benchmark"] == "wordcount"
    assert {"cpu", "cores", "ram_bytes", "python", "packages", "date"} <= set(
        document["machine"]
    )
    assert [r["job"] for r in document["results"]] == ["textbook", "combined"]
    for result in document["results"]:
        assert result["failures"] == {}
        assert sorted(
            (m["engine"], m["round"]) for m in result["measurements"]
        ) == [(e, r) for e in ("loop", "serial", "sockets") for r in (0, 1)]
        for measured in result["measurements"]:
            assert 0 < measured["run_seconds"] <= measured["merged_seconds"]
            assert measured["peak_rss_bytes"] > 10**6
            assert (measured["words"], measured["distinct_words"]) == (7, 3)
        for row in result["summary"]:
            assert row["identical"] is True
            assert row["run"]["low"] <= row["run"]["median"]
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("contender", [FailsToStart, Raises, Dies])
def test_the_others_are_shown_when_one_crashes(
    contender: type[WordCounter],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(wordcount.CLASSES, "plain", contender)
    target = tmp_path / "w.json"
    ended = run(
        *("wordcount", folder, "--rounds", 1, "--json", target),
        *("--engines", "plain,loop,serial"),
    )
    assert ended.exit_code == 1
    assert "plain failed: " in ended.stdout
    assert cells_of(ended.stdout, "serial")[-1] == "yes"
    (result,) = json.loads(target.read_text())["results"]
    assert list(result["failures"]) == ["plain"]
    assert {row["engine"] for row in result["summary"]} == {"loop", "serial"}


def test_other_counts_than_the_loops_are_called_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(wordcount.CLASSES, "plain", Miscounts)
    ended = run(
        *("wordcount", folder, "--rounds", 1, "--engines", "loop,plain,pool")
    )
    assert ended.exit_code == 1
    assert cells_of(ended.stdout, "plain")[-1] == "NO"
    assert cells_of(ended.stdout, "pool")[-1] == "yes"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no/such/folder"], "no such file or folder: no/such/folder"),
        (["--engines", "loop,abacus"], "'abacus' is none of loop, plain"),
        (["--rounds", "0"], "0 is not in the range"),
        (["--json", "no/such/folder/x"], "no/such/folder/x: No such file"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    arguments: list[str], complaint: str
) -> None:
    ended = run("wordcount", *arguments)
    assert ended.exit_code == 2
    assert complaint in ended.stderr


def test_a_generated_file_has_the_words_it_is_said_to_have(
    tmp_path: Path,
) -> None:
    path = tmp_path / "words.txt"
    written = write_text(str(path), 10**6, seed=3)
    words = path.read_bytes().split()
    assert len(words) == written
    assert path.stat().st_size >= 10**6
    (_, first), (_, second) = Counter(words).most_common(2)
    assert 0.04 < first / written < 0.06
    assert 1.4 < first / second < 1.6  # (2 + OFFSET) / (1 + OFFSET)


def test_the_memory_of_workers_is_shown_for_each_size(tmp_path: Path) -> None:
    target = tmp_path / "m.json"
    ended = run(
        *("memory", "--sizes", "20kB,3MB", "--job", "combined"),
        *("--workers", 1, "--json", target),
    )
    assert ended.exit_code == 0, ended.output
    small, large = json.loads(target.read_text())["results"]
    assert small["file_bytes"] < 3 * 10**6 <= large["file_bytes"]
    assert small["worker_peak_rss_bytes"] > 10**6
    assert small["words"] < large["words"]


def test_the_start_is_timed_from_the_command_to_the_first_map(
    tmp_path: Path,
) -> None:
    target = tmp_path / "s.json"
    ended = run("startup", "--rounds", 1, "--workers", 1, "--json", target)
    assert ended.exit_code == 0, ended.output
    document = json.loads(target.read_text())
    for measured in document["measurements"]:
        first, whole = (
            measured[f"{what}_seconds"] for what in ("first_map", "command")
        )
        assert 0 < first < whole


def test_a_row_of_the_microbenchmark_stands_beside_its_limit() -> None:
    rows = [
        {"name": name, "ray": [1.0, 3.0], "minimr": [8.0], "ratio": ratio,
         "interval": (ratio - 1, ratio + 1)}
        for name, ratio in (("single client put gigabytes", 2.0), ("x", 4.0))
    ]  # fmt: skip
    text = markdown(
        {
            "machine": facts(), "rounds": 2, "seconds": 1.0, "rows": rows,
            "limits": {"memory copy GB/s": 9.0}, "load": (0.5, 1.5),
        }
    )  # fmt: skip
    assert "Below 3 times: single client put gigabytes." in text
    assert "before: 0.50, after: 1.50" in text
    assert (
        "| single client put gigabytes | 2.0 | 8.0 | 2.0 | 1.0-3.0 | 9.0"
        in (text)
    )
    assert "| x | 2.0 | 8.0 | 4.0 | 3.0-5.0 | - |" in text


def test_help_and_other_commands_do_without_a_module_that_is_missing() -> None:
    group = LazyGroup(
        {
            "gone": ("benchmarks.no_such_module:gone", "Is not there."),
            "here": ("benchmarks.startup:startup", "Is there."),
        },
        "Help.",
    )
    runner = CliRunner()
    assert "Is not there." in runner.invoke(group, ["--help"]).output
    assert runner.invoke(group, ["here", "--help"]).exit_code == 0
    gone = runner.invoke(group, ["gone"])
    assert gone.exit_code == 1
    assert "gone cannot run here: No module named" in gone.stderr


@pytest.mark.parametrize("name", main.lazy)
def test_every_command_has_help(name: str) -> None:
    context = click.Context(main)
    assert main.get_command(context, name) is not None
    assert run(name, "--help").exit_code == 0
