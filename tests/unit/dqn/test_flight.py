"""A game of the lander as few numbers, and what the log of a run has of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dqn.algorithm.environment import shape_of
from dqn.algorithm.network import QNetwork, Weights
from dqn.runs.run import Log, Run
from dqn.settings import Settings
from dqn.watch.flight import Flights, flies
from tests.unit.dqn.test_checkpoint import Scripted

LANDER, HIDDEN = "LunarLander-v3", (8, 8)


def test_only_the_lander_flies() -> None:
    assert flies(LANDER)
    assert not flies("CartPole-v1")
    assert not flies("gym:LunarLander-v2")


def test_a_flight_goes_from_the_sky_to_where_the_game_ends() -> None:
    weights = QNetwork(*shape_of(LANDER), HIDDEN).weights()
    flights = Flights(LANDER, HIDDEN)
    try:
        game = flights.fly(weights)
        assert game == flights.fly(weights)  # the same one again
    finally:
        flights.close()
    path, ground = game["path"], game["ground"]
    assert game["step_s"] == 0.04
    assert len(path) > 10
    assert path[0][1] > 1.3
    assert {point[3] for point in path} <= {0, 1, 2, 3}
    assert [ground[0][0], ground[-1][0]] == [-1.0, 1.0]
    pad = [y for x, y in ground if abs(x) < 0.3]
    assert len(set(pad)) == 1  # flat, and below who stands on it
    assert -0.2 < pad[0] < 0
    assert json.loads(json.dumps(game)) == game


def test_the_log_has_a_game_of_each_test(tmp_path: Path) -> None:
    path, flown = tmp_path / "run.jsonl", []

    def fly(weights: Weights) -> dict[str, Any]:
        flown.append(weights)
        return {"value": len(flown)}

    settings = Settings(target_score=20, rounds_between_tests=2)
    log = Log(str(path), {"seed": 3})
    Run(settings, Scripted([10, 20]), log=log, fly=fly).run()
    _, *tests = [json.loads(line) for line in path.read_text().splitlines()]
    assert [test["game"]["value"] for test in tests] == [1, 2]
