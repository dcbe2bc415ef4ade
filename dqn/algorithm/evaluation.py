"""The test: greedy games on seeds of their own, side by side.

An average over games that the training never saw, without exploration, is
what a score means here; scores during training are lower (epsilon) and of
networks that change under way.
"""

from __future__ import annotations

import numpy as np

from dqn.algorithm.environment import check_finite, first_action, make
from dqn.algorithm.network import QNetwork

FIRST_TEST_SEED = 1_000_000


class Examiner:
    """Plays the same games with one network after the other.

    Args:
        environment: its id.
        num_games: how many; game i begins from seed `first_seed + i`.
        first_seed: where the seeds begin.
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
        """Play every game to its end; give what each has scored.

        All that still run take their actions from one forward pass.
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
        """Play every game; give the average score."""
        scores = self.scores(network)
        return sum(scores) / len(scores)

    def close(self) -> None:
        """Free what the environments hold."""
        for environment in self._environments:
            environment.close()
