"""Who learns: DQN, the algorithm (Mnih et al., Nature 2015).

transitions ─> ReplayBuffer ─ batch ─> loss of q against its target
                                          └─> Adam ─> q_network
target_network: a copy of q_network, every so many updates
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import huber_loss, mse_loss

from dqn.environment import Shape
from dqn.network import QNetwork, Weights, check_same
from dqn.replay_buffer import Batch, ReplayBuffer
from dqn.settings import Settings

LAYERS = "q_network."  # what the names of layers begin with in `weights`
AT_ONCE = 16  # updates; what they need stays in the processor's cache
REMEMBERED = ("exp_avg", "exp_avg_sq")  # torch's names of what Adam keeps


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
        self.q_network.initialise(settings.seed)
        self.copy_to_target()
        self.buffer = ReplayBuffer(settings.buffer_size, shape.obs_dim)
        self.updates = 0
        # fused: all layers in one call
        self._adam = torch.optim.Adam(
            self.q_network.parameters(), settings.learning_rate, fused=True
        )
        for layer in self.q_network.parameters():  # or the first step would
            self._adam.state[layer] = {
                "step": torch.tensor(0.0),
                "exp_avg": torch.zeros_like(layer),
                "exp_avg_sq": torch.zeros_like(layer),
            }

    def weights(self) -> Weights:
        """Give the layers, and what Adam remembers: views, not copies."""
        weights = {
            LAYERS + name: array
            for name, array in self.q_network.weights().items()
        }
        if self._settings.average_optimizer:
            for name, layer in self.q_network.named_parameters():
                for what in REMEMBERED:
                    array = self._adam.state[layer][what].numpy()
                    weights[f"adam.{what}.{name}"] = array
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
        self.target_network.load_state_dict(self.q_network.state_dict())

    def learn(self, updates: int) -> None:
        """Update so many times, if there is enough to learn from."""
        if len(self.buffer) < self._settings.learning_starts:
            return
        end = self.updates + updates
        every = self._settings.target_update_every
        while self.updates < end:
            until_copy = every - self.updates % every
            self._update(min(end - self.updates, until_copy, AT_ONCE))
            if self.updates % every == 0:
                self.copy_to_target()

    def _update(self, times: int) -> None:
        """Update several times, by one pass of the target network."""
        size = self._settings.batch_size
        drawn = self.buffer.sample(times * size, self._rng)
        with torch.no_grad():
            future = self.target_network(drawn.next_obs)
        for begin in range(0, times * size, size):
            rows = slice(begin, begin + size)
            self._step(Batch(*(c[rows] for c in drawn)), future[rows])
        self.updates += times

    def _step(self, batch: Batch, future: Tensor) -> None:
        """Move the network once, towards the returns of one batch.

        Args:
            batch: of B transitions.
            future: `(B, num_actions)`, what the target network says of
                next_obs.
        """
        targets = batch.returns + batch.discounts * self._value(batch, future)
        q = self.q_network(batch.obs).gather(1, batch.actions)
        if self._settings.huber:
            loss = huber_loss(q, targets, delta=self._settings.huber)
        else:
            loss = mse_loss(q, targets) / 2
        self._adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._adam.step()

    @torch.no_grad()
    def _value(self, batch: Batch, future: Tensor) -> Tensor:
        """Say what next_obs is worth: `(B, 1)`."""
        if not self._settings.double:
            return future.amax(1, keepdim=True)
        best = self.q_network(batch.next_obs).argmax(1, keepdim=True)
        return future.gather(1, best)


def layers_of(weights: Weights) -> Weights:
    """Pick the network out of `DQN.weights`."""
    return {
        name.removeprefix(LAYERS): array
        for name, array in weights.items()
        if name.startswith(LAYERS)
    }
