"""The games that programs learn: what a network sees of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from examples.learning._catalog import Catalog, Policy, first
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


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("cartpole", ["AsTheyAre", "Dense", "OneOf"]),
        ("lake", ["OneHot", "Dense", "OneOf"]),
        ("pendulum", ["AsTheyAre", "Dense", "Gaussian"]),
        ("pong", ["Picture", "Convolutional", "OneOf"]),
    ],
)
def test_a_catalog_finds_parts_that_fit_a_game_and_each_other(
    name: str, parts: list[str]
) -> None:
    if name == "pong":
        pytest.importorskip("ale_py")
    policy = Policy(name, lstm=False)
    assert [type(part).__name__ for part in policy.chosen] == parts
    seen, _ = policy.game.reset(seed=0)
    action, _ = policy.act(seen)
    assert policy.game.action_space.contains(action.numpy())


def test_a_recurrent_network_remembers_earlier_steps() -> None:
    policy = Policy("cartpole", lstm=True)
    seen = np.ones((5, 4), np.float32)
    at_once, _ = policy.model(torch.tensor(seen))
    memory, one_by_one = None, []
    for step in torch.tensor(seen):
        numbers, memory = policy.model(step[None], memory)
        one_by_one.append(numbers[0])
    assert torch.allclose(torch.stack(one_by_one), at_once, atol=1e-6)
    assert not at_once[0].equal(at_once[1])


def test_what_fits_nothing_is_named() -> None:
    with pytest.raises(ValueError, match="no part fits"):
        first(Catalog().models, (1, 2))


def test_all_bytes_of_a_machine_are_seen() -> None:
    space = Box(0, 255, (128,), np.uint8)
    see = first(Catalog().preprocessors, space)(space)
    assert see(np.full(128, 128, np.uint8)).tolist() == [0.0] * 128
