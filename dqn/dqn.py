"""Who learns: DQN, the algorithm (Mnih et al., Nature 2015).

transitions ─> ReplayBuffer ─ batch ─> error of q against its target
                                          └─> gradient ─> Adam ─> q_network
target_network: a copy of q_network, every so many updates
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dqn.adam import Adam
from dqn.environment import Shape
from dqn.n_step import Transitions
from dqn.network import QNetwork, Weights, check_same
from dqn.replay_buffer import Batch, ReplayBuffer
from dqn.settings import Settings

LAYERS = "q_network."  # what the names of layers begin with in `weights`


class DQN:
    """Learns what actions are worth from transitions.

    Args:
        settings: how.
        shape: of the environment.
        rng: where batches are drawn with.
    """

    def __init__(
        self, settings: Settings, shape: Shape, rng: np.random.Generator
    ) -> None:
        self._settings, self._rng = settings, rng
        self.q_network = QNetwork(*shape, settings.hidden)
        self.target_network = QNetwork(*shape, settings.hidden)
        self._gradient = QNetwork(*shape, settings.hidden)
        self.q_network.initialise(settings.seed)
        self.copy_to_target()
        self.buffer = ReplayBuffer(settings.buffer_size, shape.obs_dim)
        self._adam = Adam(self.q_network.flat, settings.learning_rate)

    @property
    def updates(self) -> int:
        """How many there were."""
        return self._adam.count

    def weights(self) -> Weights:
        """Give the layers, and what Adam remembers: views, not copies."""
        weights = {
            LAYERS + name: array
            for name, array in self.q_network.weights().items()
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

    def learn(self, new: Transitions | None) -> None:
        """Remember transitions; update, if there are enough by now."""
        if new is not None:
            self.buffer.add(new)
        if len(self.buffer) >= self._settings.learning_starts:
            for _ in range(self._settings.updates_per_step):
                self._update()

    def _update(self) -> None:
        """Move the network once, towards the returns of one batch."""
        settings = self._settings
        batch = self.buffer.sample(settings.batch_size, self._rng)
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


def layers_of(weights: Weights) -> Weights:
    """Pick the network out of `DQN.weights`."""
    return {
        name.removeprefix(LAYERS): array
        for name, array in weights.items()
        if name.startswith(LAYERS)
    }
