"""What a training has recorded, as the lines of a trace: its curves.

minimr parameter-server --json FILE ──> the loss of each consistency ─┐
python -m dqn train --log run.jsonl ──> scores, test after test ──────┼─>
                                        the newest game of the lander ┘
                                          {"kind": "curve" or "game", ...}
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dqn.runs import history
from lecture.stage import Stage
from lecture.trace import Line, Run, is_game, run_of

SCORES = {
    "test_score": "the newest test",
    "average_score": "games in training",
    "best_score": "the best test",
}
GAME = ("value", "step_s", "ground", "path")
ABSENT = ("all but the curves, and the newest game",)


def is_training(text: str) -> bool:
    """Return whether the text of a file is such a record."""
    try:
        found = json.loads(text.partition("\n")[0])  # a log: its first line
    except ValueError:
        try:
            found = json.loads(text)
        except ValueError:
            return False
    return isinstance(found, dict) and (
        found.keys() >= {"plan", "runs"} or found.keys() >= {*history.FACTS}
    )


def runs_of(path: str) -> list[Run]:
    """Return a run per engine.

    Raises:
        ValueError: the file is no such record.
    """
    text = Path(path).read_text("utf-8")
    try:
        whole = json.loads(text)
    except ValueError:
        return [_scores(path)]
    if "runs" not in whole:
        return [_scores(path)]
    try:
        engines = dict.fromkeys(run["rung"] for run in whole["runs"])
        return [_losses(whole, engine) for engine in engines]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} lacks {error}") from None


class Training(Stage):
    """Records of trainings, which may go on: they are read at each look."""

    live = True

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__()
        self._paths = paths

    def look(self) -> list[Run]:
        """Return what is recorded by now."""
        return [run for path in self._paths for run in runs_of(path)]


def _losses(whole: dict[str, Any], engine: str) -> Run:
    lines = [
        _point(look["seconds"], run["mode"], "loss", look["loss"])
        for run in whole["runs"]
        if run["rung"] == engine
        for look in run["looks"]
    ]
    workers = whole["plan"]["workers"]
    return _run(lines, engine, f"digits, {workers} workers, one is slow")


def _scores(path: str) -> Run:
    found = history.read(path)
    lines = [
        _point(test["seconds"], name, "score", test[key])
        for test in found.tests
        for key, name in SCORES.items()
        if test.get(key) is not None
    ]
    environment = found.facts["environment"]
    for test in found.tests[-1:]:
        lines += _games_of(test, environment)
    return _run(lines, found.facts["engine"], environment)


def _games_of(test: dict[str, Any], environment: str) -> Iterator[Line]:
    """Yield the game of a test, if there is one that can be drawn."""
    game: Any = test.get("game")
    if is_game(game):
        about = {"kind": "game", "at": float(test["seconds"])}
        told = {key: game[key] for key in GAME}
        yield {**about, "name": environment, **told}


def _point(at: float, name: str, what: str, value: float) -> Line:
    about = {"kind": "curve", "at": float(at), "name": name, "what": what}
    return {**about, "value": float(value)}


def _run(lines: list[Line], engine: str, program: str) -> Run:
    """Make a run of lines, but for those whose number is none any more."""
    ended = max((line["at"] for line in lines), default=0.0)
    return run_of(
        [line for line in lines if math.isfinite(line["value"])],
        engine=engine,
        program=program,
        began=0.0,
        ended=ended,
        absent=ABSENT,
    )
