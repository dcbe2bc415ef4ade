"""Returns over n steps (Sutton 1988; in DQN: Hessel et al., "Rainbow", 2018).

    steps t, t+1, .., t+n-1 ─> obs(t), action(t),
                               reward(t) + gamma reward(t+1) + ..,
                               next_obs: where step t+n-1 led,
                               discount: gamma^n, or 0 after a termination

Rules:

1. A window never reaches into the next game. If a game ends in it, it has
   fewer steps, and its discount is gamma^(steps).
2. A termination makes the discount zero. A truncation does not: the value of
   the last observation still counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dqn.algorithm.environment import Floats, Step


class Transitions(NamedTuple):
    """What a network learns from, one row per transition."""

    obs: Floats  # (E, obs_dim)
    actions: npt.NDArray[np.int64]  # (E,)
    returns: Floats  # (E,), discounted
    next_obs: Floats  # (E, obs_dim)
    discounts: Floats  # (E,), of the value of next_obs


class NStepWindow:
    """Turns steps of E environments into transitions over n steps."""

    def __init__(
        self, n: int, gamma: float, num_envs: int, obs_dim: int
    ) -> None:
        self._n = n
        self._gamma = np.float32(gamma)
        self._count = 0
        # row i: the windows that began at a step t with t % n == i
        self._obs = np.zeros((n, num_envs, obs_dim), np.float32)
        self._next_obs = np.zeros((n, num_envs, obs_dim), np.float32)
        self._actions = np.zeros((n, num_envs), np.int64)
        self._returns = np.zeros((n, num_envs), np.float32)
        self._discounts = np.zeros((n, num_envs), np.float32)
        self._open = np.zeros((n, num_envs), bool)  # takes further steps

    def add(
        self, obs: Floats, actions: npt.NDArray[np.int64], step: Step
    ) -> Transitions | None:
        """Add a step of each environment; return what it completes.

        The arrays are views of this window: the next call overwrites them.
        """
        newest = self._count % self._n
        self._obs[newest], self._actions[newest] = obs, actions
        self._returns[newest], self._discounts[newest] = 0, 1
        self._open[newest] = True
        self._extend(step)
        self._count += 1
        if self._count < self._n:
            return None
        oldest = self._count % self._n
        return Transitions(
            self._obs[oldest],
            self._actions[oldest],
            self._returns[oldest],
            self._next_obs[oldest],
            self._discounts[oldest],
        )

    def _extend(self, step: Step) -> None:
        growing = self._open
        self._returns += growing * self._discounts * step.rewards
        factor = np.where(step.terminated, np.float32(0), self._gamma)
        self._discounts *= np.where(growing, factor, np.float32(1))
        np.copyto(self._next_obs, step.next_obs, where=growing[..., None])
        self._open &= ~(step.terminated | step.truncated)
