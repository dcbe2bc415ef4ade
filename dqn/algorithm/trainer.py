"""Training in one process: learning from its own games.

    Explorer ── transitions ──> DQN ── q_network ──> Explorer ─> ...

An `Agent` is a trainer whose weights are averaged with those of others. The
`Learner` is a trainer on its own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from dqn.algorithm.dqn import DQN
from dqn.algorithm.explorer import Explorer
from dqn.algorithm.network import use_one_thread
from dqn.algorithm.replay_buffer import as_rows
from dqn.settings import Settings


@dataclass(frozen=True)
class Progress:
    """What a round of training has done."""

    steps: int = 0  # in single environments
    updates: int = 0
    scores: tuple[float, ...] = ()  # of the games that ended
    cpu_seconds: float = 0.0

    def __add__(self, other: Progress) -> Progress:
        """Return the sum of both."""
        return Progress(
            self.steps + other.steps,
            self.updates + other.updates,
            self.scores + other.scores,
            self.cpu_seconds + other.cpu_seconds,
        )


class Trainer:
    """Trains one network in environments of its own.

    Args:
        settings: what to do.
        stream: of random numbers: no two trainers of a run share one.
        num_trainers: how many there are. Epsilon falls with the steps of
            all of them.
    """

    def __init__(
        self,
        settings: Settings,
        stream: tuple[int, ...] = (0,),
        num_trainers: int = 1,
    ) -> None:
        use_one_thread()
        self._settings = settings
        self._steps_at_once = settings.num_envs * num_trainers
        rng = np.random.default_rng([settings.seed, *stream])
        self._explorer = Explorer(settings, settings.num_envs, rng)
        self.dqn = DQN(settings, self._explorer.shape, rng)

    def train(self, steps_before: int) -> Progress:
        """Train for one round.

        Args:
            steps_before: how many steps all trainers have made so far.
        """
        cpu, updates = time.process_time(), self.dqn.updates
        steps = 0  # in lockstep
        self._explorer.finished.clear()
        while not self._settings.is_over(steps, len(self._explorer.finished)):
            made = steps_before + steps * self._steps_at_once
            new = self._explorer.step(self.dqn.q_network, made)
            if new is not None:
                self.dqn.buffer.add(as_rows(new))
            self.dqn.learn(self._settings.updates_per_step)
            steps += 1
        return Progress(
            steps * self._settings.num_envs,
            self.dqn.updates - updates,
            tuple(self._explorer.finished),
            time.process_time() - cpu,
        )

    def close(self) -> None:
        """Close the environments."""
        self._explorer.close()
