"""Environments that step together, so that one forward pass acts for all.

    actions (E,) ─> Lockstep.step ─> Step: what each action led to
                        └─> obs (E, obs_dim): where each goes on

Rules:

1. Terminated (the game is over) and truncated (the time is up, and the game
   would have continued) are two things. Only the first makes the value of
   what follows zero (Pardo et al., "Time Limits in Reinforcement Learning",
   ICML 2018).
2. Every game ends: one without a limit of steps is cut after 10,000.
3. After a game, the next one begins at once: `Step.next_obs` is where the
   last action led, `obs` where the next game begins.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from importlib import import_module
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import numpy.typing as npt

from dqn.errors import DQNError

Floats = npt.NDArray[np.float32]
MAX_GAME_STEPS = 10_000  # of an environment without a limit of its own
FROZEN_GYM = "gym:"  # before the id of an environment of the frozen `gym`


class CutGames(gymnasium.wrappers.TimeLimit[Any, Any]):
    """An environment that has no limit of its own, with ours."""


class Shape(NamedTuple):
    """What a network needs to know of an environment."""

    obs_dim: int
    num_actions: int


class Step(NamedTuple):
    """What one action in each of E environments led to."""

    next_obs: Floats  # (E, obs_dim), before any new game
    rewards: Floats  # (E,)
    terminated: npt.NDArray[np.bool_]  # (E,)
    truncated: npt.NDArray[np.bool_]  # (E,)


def make(name: str, **options: Any) -> gymnasium.Env[Any, Any]:
    """Return a new environment of Gymnasium; `gym:ID`: of the frozen gym.

    Raises:
        DQNError: there is no such environment, a package that it needs is
            not installed, or its actions or observations do not fit.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old environments
            environment = _make(name, options)
    except (gymnasium.error.Error, ImportError) as error:
        reason = " ".join(str(error).split())
        raise DQNError(f"no environment {name!r}: {reason}") from error
    _check(name, environment)
    if has_limit(environment):
        return environment
    return CutGames(environment, MAX_GAME_STEPS)


def has_limit(environment: gymnasium.Env[Any, Any]) -> bool:
    """Return whether an environment has a limit of steps of its own."""
    spec = environment.spec
    return spec is not None and spec.max_episode_steps is not None


def limit_of(name: str) -> str:
    """Return a line that games are cut by us, or "".

    Raises:
        DQNError: as `make`.
    """
    environment = make(name)
    environment.close()
    if not isinstance(environment, CutGames):
        return ""
    return (
        f"{name} has no limit of steps: its games are cut after "
        f"{MAX_GAME_STEPS:,}"
    )


def check_finite(name: str, steps: int, obs: Any, reward: Any) -> None:
    """Check observations and rewards.

    Raises:
        DQNError: one of them is NaN or infinite.
    """
    for what, values in (("a reward", reward), ("an observation", obs)):
        fine = np.isfinite(values)
        if not fine.all():
            odd = np.asarray(values)[~fine].flat[0]
            raise DQNError(
                f"{name} returned {what} of {odd} at step {steps:,} of its "
                "games: nothing can be learned from that"
            )


def shape_of(name: str) -> Shape:
    """Return the shape of an environment."""
    environment = make(name)
    try:
        return _shape(environment)
    finally:
        environment.close()


def first_action(environment: gymnasium.Env[Any, Any]) -> int:
    """Return the number of the first action: the network counts from 0."""
    assert isinstance(environment.action_space, gymnasium.spaces.Discrete)
    return int(environment.action_space.start)


class Lockstep:
    """Several copies of one environment that step together.

    Args:
        name: the id of the environment.
        seeds: one per environment, for all its games.
        max_game_steps: cut games after this many steps; None: when the
            environment itself does.

    Attributes:
        obs: `(E, obs_dim)` float32, what to act on.
        finished: the scores of the games that have ended, in order.
    """

    def __init__(
        self,
        name: str,
        seeds: Iterable[int],
        max_game_steps: int | None = None,
    ) -> None:
        seeds = list(seeds)
        self._name, self._made = name, 0  # steps in lockstep
        self._environments = [make(name) for _ in seeds]
        self._first_action = first_action(self._environments[0])
        self.shape = _shape(self._environments[0])
        self.obs = np.empty((len(seeds), self.shape.obs_dim), np.float32)
        for i, seed in enumerate(seeds):
            self.obs[i] = self._environments[i].reset(seed=seed)[0]
        self.finished: list[float] = []
        self._scores = [0.0] * len(seeds)  # of the games under way
        self._steps = np.zeros(len(seeds), np.int64)  # of the same
        self._max_game_steps = max_game_steps or sys.maxsize

    def step(self, actions: Iterable[int]) -> Step:
        """Act once in each environment."""
        num_envs = len(self._environments)
        next_obs = np.empty_like(self.obs)
        rewards = np.empty(num_envs, np.float32)
        terminated = np.zeros(num_envs, bool)
        truncated = np.zeros(num_envs, bool)
        for i, action in enumerate(actions):
            next_obs[i], reward, terminated[i], truncated[i], _ = (
                self._environments[i].step(action + self._first_action)
            )
            rewards[i] = reward
            self._scores[i] += float(reward)
        self._steps += 1
        self._made += 1
        check_finite(self._name, self._made, next_obs, rewards)
        truncated |= (self._steps >= self._max_game_steps) & ~terminated
        self.obs = next_obs.copy()
        for i in np.flatnonzero(terminated | truncated).tolist():
            self.obs[i] = self._environments[i].reset()[0]
            self.finished.append(self._scores[i])
            self._scores[i], self._steps[i] = 0.0, 0
        return Step(next_obs, rewards, terminated, truncated)

    def close(self) -> None:
        """Free what the environments hold."""
        for environment in self._environments:
            environment.close()


def _make(name: str, options: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    # The checker takes as long as a step.
    options["disable_env_checker"] = True
    if not name.startswith(FROZEN_GYM):
        return gymnasium.make(name, **options)
    gym = import_module("gym")
    import_module("shimmy")  # registers the bridges
    options["env_id"] = name.removeprefix(FROZEN_GYM)
    bridge = "GymV21Environment-v0"
    if hasattr(gym.Wrapper, "render_mode"):  # since gym 0.26
        bridge = "GymV26Environment-v0"
        # gym's own checker needs numpy 1
        options["make_kwargs"] = {"disable_env_checker": True}
    try:
        return gymnasium.make(bridge, **options)
    except gym.error.Error as error:
        raise gymnasium.error.Error(str(error)) from error


def _check(name: str, environment: gymnasium.Env[Any, Any]) -> None:
    actions, obs = environment.action_space, environment.observation_space
    if not isinstance(actions, gymnasium.spaces.Discrete):
        raise DQNError(
            f"{name} has the actions {actions}: DQN needs numbered actions; "
            "choose an environment with a Discrete action space"
        )
    if not isinstance(obs, gymnasium.spaces.Box) or len(obs.shape) != 1:
        raise DQNError(
            f"{name} has observations {type(obs).__name__}{obs.shape or ''}: "
            "the network takes a vector of numbers"
        )


def _shape(environment: gymnasium.Env[Any, Any]) -> Shape:
    obs, actions = environment.observation_space, environment.action_space
    assert isinstance(obs, gymnasium.spaces.Box)
    assert isinstance(actions, gymnasium.spaces.Discrete)
    return Shape(int(obs.shape[0]), int(actions.n))
