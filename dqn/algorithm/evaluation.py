"""The test: greedy games on seeds of their own, side by side.

A score is an average over games that the training never saw, without
exploration. Scores during training are lower, because of epsilon, and the
network changes during a game.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dqn.algorithm.environment import check_finite, first_action, make
from dqn.algorithm.network import QNetwork

FIRST_TEST_SEED = 1_000_000


class Moment(NamedTuple):
    """A state of a game, and what is done in it: nothing (0) in the last."""

    obs: npt.NDArray[np.float32]
    action: int
    score: float  # so far
    is_over: bool


def greedy_game(
    environment: Any, network: QNetwork, seed: int
) -> Iterator[Moment]:
    """Yield each state of a game, the last one too.

    The environment is in that state meanwhile, so it can be drawn.
    """
    first, score, is_over = first_action(environment), 0.0, False
    obs, _ = environment.reset(seed=seed)
    while not is_over:
        obs = np.asarray(obs, np.float32)
        action = int(network.act(obs[None])[0])
        yield Moment(obs, action, score, False)
        obs, reward, terminated, truncated, _ = environment.step(
            action + first
        )
        score += float(reward)
        is_over = terminated or truncated
    yield Moment(np.asarray(obs, np.float32), 0, score, True)


class Examiner:
    """Plays the same games with one network after another.

    Args:
        environment: its id.
        num_games: how many; game i has the seed `first_seed + i`.
        first_seed: of game 0.
    """

    def __init__(
        self,
        environment: str,
        num_games: int,
        first_seed: int = FIRST_TEST_SEED,
    ) -> None:
        self._name = environment
        self._environments = [make(environment) for _ in range(num_games)]
        self._first_action = first_action(self._environments[0])
        self._first_seed = first_seed

    def scores(self, network: QNetwork) -> list[float]:
        """Play every game to its end; return the score of each.

        One forward pass acts for all games that still run.
        """
        scores, steps = [0.0] * len(self._environments), 0
        running = {
            i: environment.reset(seed=self._first_seed + i)[0]
            for i, environment in enumerate(self._environments)
        }
        while running:
            obs = np.stack(list(running.values())).astype(np.float32)
            steps += 1
            check_finite(self._name, steps, obs, scores)
            best = network.act(obs).tolist()
            for i, action in zip(list(running), best, strict=True):
                running[i], reward, terminated, truncated, _ = (
                    self._environments[i].step(action + self._first_action)
                )
                scores[i] += float(reward)
                if terminated or truncated:
                    del running[i]
        check_finite(self._name, steps, (), scores)
        return scores

    def average(self, network: QNetwork) -> float:
        """Play every game; return the average score."""
        scores = self.scores(network)
        return sum(scores) / len(scores)

    def close(self) -> None:
        """Close the environments."""
        for environment in self._environments:
            environment.close()
