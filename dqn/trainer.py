"""What one process does to learn: act, remember, update; as often as asked.

    act ─> Lockstep ─> NStepWindow ─> ReplayBuffer ─> update ─┐
     ^                                                        │
     └──────────────────── q_network <────────────────────────┘

An `Agent` is a trainer whose weights are averaged with those of others, the
`Learner` one that is alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dqn.adam import Adam
from dqn.environment import Lockstep
from dqn.n_step import NStepWindow
from dqn.network import (
    LEARNED,
    TESTED,
    QNetwork,
    Weights,
    check_same,
    use_one_thread,
)
from dqn.replay_buffer import Batch, ReplayBuffer
from dqn.settings import Settings


@dataclass(frozen=True)
class Progress:
    """What a round of training was."""

    steps: int = 0  # in single environments
    updates: int = 0
    scores: tuple[float, ...] = ()  # of the games that ended
    cpu_seconds: float = 0.0

    def __add__(self, other: Progress) -> Progress:
        """Put two together."""
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
        stream: which of the run's streams of random numbers is ours: no
            two trainers share one.
        num_trainers: how many there are; epsilon falls with the steps of
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
        self._num_trainers = num_trainers
        self._rng = np.random.default_rng([settings.seed, *stream])
        seeds = self._rng.integers(2**31, size=settings.num_envs).tolist()
        self._lockstep = Lockstep(settings.environment, seeds)
        shape = self._lockstep.shape
        self.q_network = QNetwork(*shape, settings.hidden)
        self.target_network = QNetwork(*shape, settings.hidden)
        self.average = QNetwork(*shape, settings.hidden)
        self._gradient = QNetwork(*shape, settings.hidden)
        self.q_network.initialise(settings.seed)
        self.copy_to_target()
        self.average.flat.copy_(self.q_network.flat)
        self._window = NStepWindow(
            settings.n_step, settings.gamma, settings.num_envs, shape.obs_dim
        )
        self._buffer = ReplayBuffer(settings.buffer_size, shape.obs_dim)
        self._adam = Adam(self.q_network.flat, settings.learning_rate)

    def train(self, steps_before: int) -> Progress:
        """Train for one round.

        Args:
            steps_before: how many steps all trainers have made so far.
        """
        cpu, updates_before = time.process_time(), self._adam.count
        steps, limit = 0, self._settings.num_epochs_agents_train
        self._lockstep.finished.clear()
        while not self._is_over(steps, limit):
            made = steps * self._settings.num_envs * self._num_trainers
            self._step(self._settings.epsilon(steps_before + made))
            steps += 1
            if len(self._buffer) >= self._settings.learning_starts:
                for _ in range(self._settings.updates_per_step):
                    self._update()
        updates = self._adam.count - updates_before
        share = 1 - (1 - 1 / self._settings.average_updates) ** updates
        self.average.flat.lerp_(self.q_network.flat, share)
        return Progress(
            steps * self._settings.num_envs,
            updates,
            tuple(self._lockstep.finished),
            time.process_time() - cpu,
        )

    def weights(self) -> Weights:
        """Give what agents average, by name: views, not copies."""
        weights = {
            prefix + name: array
            for prefix, network in self._networks()
            for name, array in network.weights().items()
        }
        if self._settings.average_optimizer:
            weights["adam.mean"] = self._adam.mean.numpy()
            weights["adam.square"] = self._adam.square.numpy()
        return weights

    def load(self, weights: Weights) -> None:
        """Take over what `weights` gave, by copy.

        Raises:
            ValueError: it is of another network.
        """
        mine = self.weights()
        check_same(mine, weights)
        for name, array in mine.items():
            array[...] = weights[name]

    def copy_to_target(self) -> None:
        """Make the target network a copy of the network."""
        self.target_network.flat.copy_(self.q_network.flat)

    def _networks(self) -> tuple[tuple[str, QNetwork], ...]:
        return ((LEARNED, self.q_network), (TESTED, self.average))

    def close(self) -> None:
        """Free what the environments hold."""
        self._lockstep.close()

    def _is_over(self, steps: int, games: int | None) -> bool:
        if games is None:
            return steps >= self._settings.num_steps_agents_train
        return len(self._lockstep.finished) >= games

    def _step(self, epsilon: float) -> None:
        """Act once in each environment, and remember."""
        obs = self._lockstep.obs
        best = self.q_network.forward(torch.from_numpy(obs)).argmax(1)
        actions = best.numpy()
        explore = self._rng.random(len(obs)) < epsilon
        if explore.any():
            num_actions = self._lockstep.shape.num_actions
            anything = self._rng.integers(num_actions, size=len(obs))
            actions = np.where(explore, anything, actions)
        step = self._lockstep.step(actions.tolist())
        step = step._replace(
            rewards=step.rewards * self._settings.reward_scale
        )
        transitions = self._window.add(obs, actions, step)
        if transitions is not None:
            self._buffer.add(transitions)

    def _update(self) -> None:
        """Move the network once, towards the returns of one batch."""
        settings = self._settings
        batch = self._buffer.sample(settings.batch_size, self._rng)
        q, targets = self._estimates(batch)
        error = q.gather(1, batch.actions).squeeze(1) - targets
        if settings.huber:
            error.clamp_(-settings.huber, settings.huber)
        slope = torch.zeros_like(q)
        error.div_(settings.batch_size)
        slope.scatter_(1, batch.actions, error.unsqueeze(1))
        self.q_network.backward(slope, self._gradient)
        self._adam.step(self._gradient.flat)
        if self._adam.count % settings.target_update_every == 0:
            self.copy_to_target()

    def _estimates(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Give q of the batch `(B, A)`, and what it should be `(B,)`."""
        future = self.target_network.forward(batch.next_obs)
        if self._settings.double:  # one pass over both halves
            both = torch.cat((batch.obs, batch.next_obs))
            q, chooser = self.q_network.forward(both).chunk(2)
        else:
            q, chooser = self.q_network.forward(batch.obs), future
        best = chooser.argmax(1, keepdim=True)
        value = future.gather(1, best).squeeze(1)
        return q, batch.returns + batch.discounts * value
