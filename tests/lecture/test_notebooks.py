"""The notebooks of the assignment run, and say what they should."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lecture.notebooks import build
from tests.lecture import kernels
from tests.lecture.kernels import executed, pictures_of, text_of

ENGINES = ("minimr", "ray")
pytestmark = pytest.mark.timeout(kernels.TIMEOUT_S + 20)
TEXT = "The whale, the white WHALE; the sea. " * 40 + "a last word"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_words_of_part_2_are_counted(engine: str, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text(TEXT)
    sizes = "BOOKS, M, R, MAP_TASKS, TIMES = '.', 5, 3, (1, 2), 2"
    done = executed(
        "part2_word_count", tmp_path, f"ENGINE = {engine!r}", sizes
    )
    told = text_of(done)
    assert "849 words in 3 files" in told
    assert "the counts are those of the for loop" in told
    assert "the                 360" in told
    assert pictures_of(done) == ["image/png"] * 2
    (path, _) = sorted((tmp_path / "runs").glob("*.json"))
    run = json.loads(path.read_text())
    assert run["identical"]
    assert (run["map_tasks"], len(run["seconds"])) == (1, 2)


SMALL = (
    "ENVIRONMENT, TEST_GAMES, TARGET, MAX_ROUNDS = 'CartPole-v1', 2, 1e9, 2",
    "NUM_AGENTS, NUM_EPOCHS, SWEEP_ROUNDS = 1, 1, 1",
    "AGENTS, BATCHES, EPOCHS = (1,), (16,), (1,)",
)
# Every agent takes seconds to import PyTorch: the sweep is done on one engine,
# and several agents on the other.
SWEEP = {"minimr": "", "ray": "NUM_AGENTS, AGENTS = 2, ()"}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_agents_of_part_3_learn(engine: str, tmp_path: Path) -> None:
    done = executed(
        "part3_distributed",
        tmp_path,
        f"ENGINE = {engine!r}",
        *SMALL,
        SWEEP[engine],
    )
    assert "the best of 2 tests has" in text_of(done)
    assert pictures_of(done) == ["image/png", "image/gif", "image/png"]
    runs = [*(tmp_path / "runs").glob("*.json")]
    if SWEEP[engine]:
        assert not runs
        return
    (run,) = runs
    assert len(json.loads(run.read_text())["scores"]) == 1
    subprocess.run(
        [sys.executable, "-m", "minimr", "report", run.parent],
        env=kernels.environment(),
        timeout=kernels.TIMEOUT_S,
        check=True,
    )
    page = (run.parent / "report.md").read_text("utf-8")
    assert f"| {engine} | 1 | 16 | 1 | 1 | 1 |" in page


def test_books_that_are_not_there_are_said(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="minimr corpus gutenberg --to"):
        executed("part2_word_count", tmp_path)


def test_one_network_learns_in_one_process(tmp_path: Path) -> None:
    done = executed("part3_single_node", tmp_path, *SMALL)
    assert "the best of 2 tests has" in text_of(done)
    assert pictures_of(done) == ["image/png", "image/gif"]


@pytest.mark.parametrize("page", build.PAGES)
def test_a_skeleton_has_nothing_of_the_solution(page: str) -> None:
    text = build.source(page)
    assert "SOLUTION" not in build.skeleton(text)
    assert "SOLUTION" not in build.solution(text)
    for found in build.SOLUTION.finditer(text):
        first = found[2].splitlines()[0]
        if not first.startswith("@"):
            assert first not in build.skeleton(text)


def test_the_word_count_of_a_student_fits_on_a_slide() -> None:
    """Its solution has 40 lines at most, and nothing of ours."""
    text = build.source("part2_word_count")
    lines = [
        line
        for found in build.SOLUTION.finditer(text)
        for line in found[2].splitlines()
    ]
    assert len(lines) < 40
    assert "minimr." not in build.solution(text)


def test_notebooks_are_the_same_each_time(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    names = [path.name for path in build.build(one)]
    assert len(list(build.build(two))) == len(names) == 5
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes()
