"""The games that programs learn: what a network sees of them."""

from __future__ import annotations

import numpy as np
import pytest

from examples.learning._games import GAMES


@pytest.mark.parametrize("name", GAMES)
def test_a_game_begins_alike_from_a_seed_and_goes_on(name: str) -> None:
    if name == "pong":
        pytest.importorskip("ale_py")
    one, other = GAMES[name](), GAMES[name]()
    seen = one.reset(seed=3)
    assert seen.shape == (GAMES[name].INPUTS,)
    assert np.array_equal(seen, other.reset(seed=3))
    for action in (True, False, True):
        assert np.array_equal(one.step(action)[0], other.step(action)[0])


def test_only_the_fall_of_the_pole_costs_something() -> None:
    game = GAMES["cartpole"]()
    game.reset(seed=0)
    rewards, over = [], False
    while not over:
        _, reward, over = game.step(True)
        rewards.append(reward)
    assert rewards == [0.0] * (len(rewards) - 1) + [-1.0]
    assert game.score(rewards) == len(rewards)


def test_up_moves_the_paddle_of_pong_up() -> None:
    pytest.importorskip("ale_py")
    game = GAMES["pong"]()
    game.reset(seed=0)
    for _ in range(20):  # the paddle appears
        game.step(False)
    below = game.step(False)[0][4]
    for _ in range(10):
        above = game.step(True)[0][4]
    assert above < below
