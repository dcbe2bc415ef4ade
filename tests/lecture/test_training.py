"""The records of trainings: losses that fall, and scores that rise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lecture.from_training import Training, is_training, runs_of
from lecture.trace import read, write
from tests.lecture.conftest import Tab
from tests.lecture.live import served
from tests.lecture.runs import game

FACTS = {"engine": "minimr", "environment": "Lander", "target_score": 200}


def digits() -> str:
    looks = [{"seconds": s, "loss": 2.0 - s, "accuracy": 0.5} for s in (0, 1)]
    runs = [
        {"rung": rung, "mode": mode, "looks": looks}
        for rung in ("sockets", "ray")
        for mode in ("synchronous", "stale", "asynchronous")
    ]
    return json.dumps({"plan": {"workers": 4}, "runs": runs}, indent=1)


def played(number: int, score: float, **more: Any) -> str:
    test = {"round": number, "seconds": 10.0 * number, "steps": 100}
    return json.dumps({**test, "test_score": score, **more}) + "\n"


def put(path: Path, text: str) -> None:
    """Put a text in the place of a file: who reads sees one of both."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


def test_a_loss_is_a_curve_of_each_consistency(tmp_path: Path) -> None:
    path = tmp_path / "digits.json"
    path.write_text(digits())
    assert is_training(digits())
    first, second = runs_of(str(path))
    assert (first.engine, second.engine) == ("sockets", "ray")
    told = [(c["name"], c["at"], c["value"]) for c in first.of("curve")]
    assert told[2:4] == [("stale", 0.0, 2.0), ("stale", 1.0, 1.0)]
    assert first.wall_s == 1.0


def test_other_files_are_none(tmp_path: Path) -> None:
    for text in ("", "[1]", '{"kind": "run"}', "no json", '{"plan": 1}'):
        assert not is_training(text)
    path = tmp_path / "half.json"
    path.write_text('{"plan": {"workers": 4}, "runs": [{}]}')
    with pytest.raises(ValueError, match="lacks 'rung'"):
        runs_of(str(path))


def test_the_newest_game_is_told_if_it_can_be_drawn(tmp_path: Path) -> None:
    path, facts = tmp_path / "run.jsonl", json.dumps(FACTS) + "\n"
    older, newer = game(value=1.0), game(value=2.0)
    path.write_text(
        facts + played(1, 1.0, game=older) + played(2, 2.0, game=newer)
    )
    (told,) = runs_of(str(path))[0].of("game")
    assert (told["at"], told["value"], told["name"]) == (20.0, 2.0, "Lander")
    assert read(write(runs_of(str(path))).splitlines())
    for other in ("none", {**newer, "path": [["<b>", 0, 0, 0]] * 2}, {}):
        path.write_text(facts + played(1, 1.0, game=other))
        assert runs_of(str(path))[0].of("game") == []


def test_a_score_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    bad = game(value=float("nan"))
    path.write_text(
        json.dumps(FACTS) + "\n" + played(1, float("nan"), game=bad)
    )
    assert runs_of(str(path))[0].lines == []


def test_scores_come_in_as_games_are_played(tab: Tab, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(json.dumps(FACTS) + "\n" + played(1, -100.0))
    assert is_training(path.read_text())
    lines = "page.state.model.lines.length"
    with served(Training([str(path)])) as address:
        tab.open(address)
        assert tab.js("page.state.tab") == "charts"
        assert tab.js(lines) == 1
        with path.open("a") as file:
            file.write(played(2, 20.0) + played(3, 150.0) + '{"half": ')
        tab.until(f"{lines} === 3")
        assert "minimr: score" in tab.panel()
        assert "newest game" not in tab.panel()
        newest = played(2, 20.0) + played(3, 150.0, game=game())
        put(path, json.dumps(FACTS) + "\n" + newest)
        tab.until("began.size")  # it is drawn
        assert "minimr: the newest game, 12.5 points" in tab.panel()
        tab.shot("scores")
        put(path, digits())
        tab.until("page.state.models.length === 2")
        assert "sockets: loss" in tab.panel()
        tab.shot("losses")
        tab.leave()
