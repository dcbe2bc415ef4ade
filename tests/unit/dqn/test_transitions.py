"""Returns over n steps, and the buffer that remembers them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dqn.algorithm.environment import Lockstep, Step
from dqn.algorithm.n_step import NStepWindow, Transitions
from dqn.algorithm.replay_buffer import ReplayBuffer, as_rows
from tests.unit.dqn.scripted import END_CLOCK, END_GAME, GO_ON, ID

Row = tuple[float, float, float, float]  # obs, return, next_obs, discount


def play(script: Sequence[int], n: int, gamma: float) -> list[Row]:
    """Play one game after the other; give the transitions of them."""
    lockstep = Lockstep(ID, [0])
    window = NStepWindow(n, gamma, 1, 1)
    rows = []
    for action in script:
        obs = lockstep.obs
        step = lockstep.step([action])
        made = window.add(obs, np.array([action]), step)
        if made is not None:
            rows.append(
                (
                    float(made.obs[0, 0]),
                    float(made.returns[0]),
                    float(made.next_obs[0, 0]),
                    float(made.discounts[0]),
                )
            )
    return rows


def oracle(script: Sequence[int], n: int, gamma: float) -> list[Row]:
    """Say the same by the definition, one transition at a time."""
    ends = [action != GO_ON for action in script]
    numbers = []  # of each step within its game
    for i in range(len(script)):
        numbers.append(1 if i == 0 or ends[i - 1] else numbers[-1] + 1)
    rows = []
    for begin in range(len(script) - n + 1):
        total, discount = 0.0, 1.0
        for i in range(begin, begin + n):
            total += discount * numbers[i]
            discount *= gamma
            if ends[i]:
                break
        if script[i] == END_GAME:
            discount = 0.0
        rows.append((numbers[begin] - 1, total, numbers[i], discount))
    return rows


SCRIPTS = [
    [GO_ON] * 8,
    [GO_ON, GO_ON, GO_ON, END_GAME, GO_ON, GO_ON, GO_ON, GO_ON],
    [GO_ON, GO_ON, GO_ON, END_CLOCK, GO_ON, GO_ON, GO_ON, GO_ON],
    [END_GAME, END_CLOCK, END_GAME, GO_ON, END_CLOCK, GO_ON, GO_ON, GO_ON],
]


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_return_is_what_its_definition_says(
    script: list[int], n: int
) -> None:
    assert np.allclose(play(script, n, 0.5), oracle(script, n, 0.5))


def test_termination_ends_all_value_and_truncation_does_not() -> None:
    ended = play([GO_ON, END_GAME, GO_ON], 2, 0.5)
    cut = play([GO_ON, END_CLOCK, GO_ON], 2, 0.5)
    assert [row[3] for row in ended] == [0, 0]
    assert [row[3] for row in cut] == [0.25, 0.5]


def transitions(first: int, number: int) -> Transitions:
    numbers = np.arange(first, first + number, dtype=np.float32)
    return Transitions(
        np.stack([numbers, -numbers], 1),
        np.arange(first, first + number) % 4,
        numbers * 10,
        np.stack([numbers + 0.5, numbers], 1),
        numbers / 100,
    )


def test_what_is_drawn_is_what_was_added() -> None:
    buffer = ReplayBuffer(50, 2)
    buffer.add(as_rows(transitions(0, 30)))
    batch = buffer.sample(200, np.random.default_rng(0))
    numbers = batch.obs[:, 0]
    assert set(numbers.tolist()) <= set(range(30))
    assert len(set(numbers.tolist())) > 20
    assert batch.actions.tolist() == [[int(n) % 4] for n in numbers]
    assert batch.returns[:, 0].tolist() == (numbers * 10).tolist()
    assert batch.next_obs[:, 0].tolist() == (numbers + 0.5).tolist()
    assert batch.discounts[:, 0].tolist() == (numbers / 100).tolist()


def test_a_full_buffer_forgets_the_oldest() -> None:
    buffer = ReplayBuffer(10, 2)
    for first in range(0, 24, 4):  # 10 is no multiple of 4
        buffer.add(as_rows(transitions(first, 4)))
    assert len(buffer) == 10
    batch = buffer.sample(500, np.random.default_rng(0))
    assert set(batch.obs[:, 0].tolist()) == set(range(14, 24))


def test_the_buffer_and_the_window_keep_no_view_of_what_changes() -> None:
    window, buffer = NStepWindow(1, 0.9, 1, 1), ReplayBuffer(10, 1)
    for value in (1.0, 2.0):
        now = np.full((1, 1), value, np.float32)
        no = np.zeros(1, bool)
        made = window.add(
            now, np.array([0]), Step(now, np.ones(1, np.float32), no, no)
        )
        assert made is not None
        buffer.add(as_rows(made))
        now[:] = -1
    batch = buffer.sample(50, np.random.default_rng(0))
    assert set(batch.obs[:, 0].tolist()) == {1.0, 2.0}
