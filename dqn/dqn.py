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
from dqn.n_step import Transitions
from dqn.network import QNetwork, Weights, check_same
from dqn.replay_buffer import Batch, ReplayBuffer
from dqn.settings import Settings

LAYERS = "q_network."  # what the names of layers begin with in `weights`
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
        targets = self._targets(batch)
        q = self.q_network(batch.obs).gather(1, batch.actions).squeeze(1)
        if settings.huber:
            loss = huber_loss(q, targets, delta=settings.huber)
        else:
            loss = mse_loss(q, targets) / 2
        self._adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._adam.step()
        self.updates += 1
        if self.updates % settings.target_update_every == 0:
            self.copy_to_target()

    @torch.no_grad()
    def _targets(self, batch: Batch) -> Tensor:
        """Say what q of a batch should be: `(B,)`."""
        future = self.target_network(batch.next_obs)
        double = self._settings.double
        chooser = self.q_network(batch.next_obs) if double else future
        best = chooser.argmax(1, keepdim=True)
        value = future.gather(1, best).squeeze(1)
        targets: Tensor = batch.returns + batch.discounts * value
        return targets


def layers_of(weights: Weights) -> Weights:
    """Pick the network out of `DQN.weights`."""
    return {
        name.removeprefix(LAYERS): array
        for name, array in weights.items()
        if name.startswith(LAYERS)
    }
