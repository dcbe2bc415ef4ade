"""The report of a student: all runs, what is missing, what differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.common.timing import Spread
from benchmarks.report import course, draw
from lecture.runs import keep


@pytest.fixture(scope="session", autouse=True)
def fonts() -> None:
    """Draw once: Matplotlib keeps the files of its fonts open."""
    draw.bars({"words": {"ray": Spread(1.0, 0.9, 1.1)}}, "title", "label")


def count(engine: str, maps: int, *seconds: float) -> dict[str, Any]:
    return {
        "run": "word count",
        "engine": engine,
        "nodes": 5,
        "map_tasks": maps,
        "reduce_tasks": 4,
        "words": 1000,
        "identical": True,
        "seconds": seconds,
    }


def training(agents: int, batch: int, *scores: float) -> dict[str, Any]:
    return {
        "run": "dqn",
        "engine": "minimr",
        "num_agents": agents,
        "batch_size": batch,
        "num_epochs_agents_train": 5,
        "target_score": 100.0,
        "seconds": 9.0,
        "scores": scores,
        "sweep": [[1, 2], [32, 64], [5]],
    }


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for engine in ("minimr", "ray"):
        keep(f"{engine}-1", count(engine, 1, 2.0, 2.1, 1.9), str(tmp_path))
    keep("minimr-5", count("minimr", 5, 0.9, 1.0, 1.1), str(tmp_path))
    keep("dqn-1", training(1, 32, -100.0, 20.0, 110.0), str(tmp_path))
    keep("dqn-2", training(2, 32, -50.0, 30.0, 10.0), str(tmp_path))
    keep("dqn-3", training(2, 64, -50.0, 130.0), str(tmp_path))
    facts = {
        "engine": "ray",
        "environment": "LunarLander-v3",
        "target_score": 100.0,
        "num_agents": 1,
        "batch_size": 32,
        "num_epochs_agents_train": 5,
    }
    test = {"round": 1, "seconds": 3.0, "steps": 10, "test_score": 40.0}
    lines = [json.dumps(line) for line in (facts, test)]
    (tmp_path / "run.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "other.json").write_text('{"not": "ours"}')
    return tmp_path


def page(folder: Path) -> str:
    done = CliRunner().invoke(course.report, [str(folder)])
    assert done.exit_code == 0, done.output
    html = (folder / "report.html").read_text("utf-8")
    assert html.count("data:image/png;base64,") == 2
    return (folder / "report.md").read_text("utf-8")


def test_the_report_has_every_run(runs: Path) -> None:
    text = page(runs)
    assert "| minimr | 5 | 5 | 4 | 3 | 1.00 | 0.900 | 1.10 | 1,000 |" in text
    assert "| minimr | 2 | 64 | 5 | 1 | 2 | 130.0 | 2 | 9.00 |" in text
    assert "| ray | 1 | 32 | 5 | 1 | 1 | 40.0 | not reached | 3.00 |" in text
    assert "the notebook of dqn, engine minimr" in text
    assert (runs / "figures" / "timelines.png").exists()


def test_the_report_names_what_is_missing(runs: Path) -> None:
    text = page(runs)
    assert (
        "MISSING: 1 of 4 combinations of word count were not run: ray on 5 "
        "nodes, 5 map tasks." in text
    )
    assert (
        "MISSING: 4 of 8 combinations of dqn were not run: minimr, 1 agent, "
        "batch 64, 5 games per round; ray, 1 agent, batch 64," in text
    )


def test_a_difference_stands_beside_the_spread(runs: Path) -> None:
    text = page(runs)
    assert "(1 s), the worst" in text
    assert "differ by up to 0.2 s: more than chance makes of it" in text
    assert "Each was run once" in text
    assert course.difference({"a": [1.0, 2.0], "b": [1.2, 1.9]}).endswith(
        "so this shows no difference."
    )


def test_texts_of_another_size_are_compared_apart() -> None:
    small, large = count("minimr", 5, 1.0), count("minimr", 5, 9.0)
    large["words"] = 9000
    first, second = course.words([large, small])
    assert first.title == "Word count of 1,000 words"
    assert second.title == "Word count of 9,000 words"
    assert [row[5] for row in second.tables[0].rows] == ["9.00"]


def test_the_json_of_the_command_is_a_run(tmp_path: Path) -> None:
    row = {"engine": "serial", "map_tasks": 2, "reduce_tasks": 3,
           "words": 10, "identical": None, "seconds": 0.5}  # fmt: skip
    (tmp_path / "all.json").write_text(
        json.dumps([row, {**row, "engine": "x"}])
    )
    found = course.read(tmp_path)
    assert [run["engine"] for run in found.values()] == ["serial", "x"]


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(course.report, [str(tmp_path)])
    assert done.exit_code == 1
    assert "no runs are in" in done.output
