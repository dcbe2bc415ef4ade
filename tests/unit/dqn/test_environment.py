"""Environments in lockstep: what ends, how, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from dqn.algorithm.environment import Lockstep, Shape, make, shape_of
from dqn.errors import DQNError
from tests.unit.dqn.scripted import END_CLOCK, END_GAME, GO_ON, ID


def test_terminated_and_truncated_are_told_apart() -> None:
    lockstep = Lockstep(ID, [0, 1, 2])
    step = lockstep.step([GO_ON, END_GAME, END_CLOCK])
    assert step.terminated.tolist() == [False, True, False]
    assert step.truncated.tolist() == [False, False, True]


def test_a_game_that_ended_shows_where_it_ended_and_begins_anew() -> None:
    lockstep = Lockstep(ID, [0, 1])
    lockstep.step([GO_ON, GO_ON])
    step = lockstep.step([END_GAME, GO_ON])
    assert step.next_obs.tolist() == [[2], [2]]
    assert lockstep.obs.tolist() == [[0], [2]]
    assert lockstep.finished == [1 + 2]


def test_the_time_limit_of_an_environment_is_a_truncation() -> None:
    environment = make("MountainCar-v0")
    environment.reset(seed=0)
    for _ in range(199):
        assert not any(environment.step(1)[2:4])
    assert environment.step(1)[2:4] == (False, True)


def test_a_training_game_can_be_cut_earlier() -> None:
    lockstep = Lockstep(ID, [0, 1], max_game_steps=3)
    steps = [lockstep.step([GO_ON, GO_ON]) for _ in range(2)]
    assert not any(step.truncated.any() for step in steps)
    step = lockstep.step([GO_ON, END_GAME])
    assert step.truncated.tolist() == [True, False]
    assert step.terminated.tolist() == [False, True]
    assert lockstep.obs.tolist() == [[0], [0]]
    assert not lockstep.step([GO_ON, GO_ON]).truncated.any()


def test_equal_seeds_give_equal_games() -> None:
    games = []
    for seeds in ([5, 6], [5, 6], [7, 8]):
        lockstep = Lockstep("CartPole-v1", seeds)
        obs = [lockstep.obs]
        for i in range(60):  # more than one game
            lockstep.step([i % 2, 0])
            obs.append(lockstep.obs)
        games.append(np.array(obs))
    assert np.array_equal(games[0], games[1])
    assert not np.array_equal(games[0], games[2])


def test_the_shape_is_that_of_lunar_lander() -> None:
    assert shape_of("LunarLander-v3") == Shape(obs_dim=8, num_actions=4)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Nope-v1", "Nope"),
        ("CartPole-v99", "v99"),
        ("no_module_there:X-v0", "no_module_there"),
        ("", "Malformed"),
        ("Pendulum-v1", "Discrete"),
        ("FrozenLake-v1", "a vector"),
        ("gym:Nope-v1", "Nope|gym"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_one_line(
    name: str, reason: str
) -> None:
    with pytest.raises(DQNError, match=reason) as caught:
        make(name)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")  # of the frozen gym, at its import
def test_an_environment_of_the_frozen_gym_plays() -> None:
    pytest.importorskip("gym")
    pytest.importorskip("shimmy")
    lockstep = Lockstep("gym:CartPole-v1", [0, 1])
    for _ in range(30):
        lockstep.step([0, 0])
    assert len(lockstep.finished) >= 4
