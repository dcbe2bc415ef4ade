"""Plays: steps in lockstep, mostly greedy, that become transitions.

q_network ─> act ─> Lockstep ─> NStepWindow ─> transitions
             ^         │
             └── obs ──┘
"""

from __future__ import annotations

import numpy as np

from dqn.algorithm.environment import Lockstep
from dqn.algorithm.n_step import NStepWindow, Transitions
from dqn.algorithm.network import QNetwork
from dqn.settings import Settings


class Explorer:
    """Plays by a network, with some random actions.

    Args:
        settings: of the run.
        num_envs: environments that step together.
        rng: of all random numbers.

    Attributes:
        finished: the scores of the games that have ended.
    """

    def __init__(
        self, settings: Settings, num_envs: int, rng: np.random.Generator
    ) -> None:
        self._settings, self._rng = settings, rng
        seeds = rng.integers(2**31, size=num_envs).tolist()
        self._lockstep = Lockstep(
            settings.environment, seeds, settings.max_game_steps
        )
        self.shape = self._lockstep.shape
        self.finished = self._lockstep.finished
        self._window = NStepWindow(
            settings.n_step, settings.gamma, num_envs, self.shape.obs_dim
        )

    def step(self, network: QNetwork, steps: int) -> Transitions | None:
        """Act once in each environment; return what that completes.

        Args:
            network: that chooses the greedy actions.
            steps: of all agents until now; epsilon falls with it.
        """
        obs = self._lockstep.obs
        actions = network.act(obs)
        explore = self._rng.random(len(obs)) < self._settings.epsilon(steps)
        if explore.any():
            any_action = self._rng.integers(
                self.shape.num_actions, size=len(obs)
            )
            actions = np.where(explore, any_action, actions)
        step = self._lockstep.step(actions.tolist())
        scaled = step.rewards * self._settings.reward_scale
        return self._window.add(obs, actions, step._replace(rewards=scaled))

    def close(self) -> None:
        """Close the environments."""
        self._lockstep.close()
