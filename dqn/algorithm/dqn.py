"""DQN, the algorithm (Mnih et al., Nature 2015), made fast.

transitions ─> ReplayBuffer ─ batch ─> loss of q against its target
                                          └─> Adam ─> q_network
target_network: a copy of q_network now and then

Read `dqn/reference.py` first. This computes the same, and differs in what
makes it fast: the gradient by hand, all weights in one vector, and one pass
of the target network for up to 16 batches.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dqn.algorithm.environment import Shape
from dqn.algorithm.network import QNetwork, Weights, check_same
from dqn.algorithm.replay_buffer import Batch, ReplayBuffer
from dqn.errors import DQNError
from dqn.settings import Settings

LAYERS = "q_network."  # what the names of layers begin with in `weights`
AT_ONCE = 16  # updates; their batches fit into the processor's cache
REMEMBERED = ("exp_avg", "exp_avg_sq")  # torch's names of Adam's moments


class DQN:
    """Learns what actions are worth from transitions.

    Args:
        settings: how.
        shape: of the environment.
        rng: that draws the batches.
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
        flat = self.q_network.flat
        flat.grad = self._gradient = torch.zeros_like(flat)
        self._slopes = self.q_network.split(self._gradient)  # views of it
        self._adam = torch.optim.Adam(
            [flat], settings.learning_rate, fused=True
        )
        self._remembers = {  # else the first step would make it
            what: torch.zeros_like(flat) for what in REMEMBERED
        }
        self._adam.state[flat] = {"step": torch.tensor(0.0), **self._remembers}

    def weights(self) -> Weights:
        """Return the layers, and Adam's moments: views, not copies."""
        weights = {
            LAYERS + name: array
            for name, array in self.q_network.weights().items()
        }
        if self._settings.average_optimizer:
            for what, flat in self._remembers.items():
                for name, array in self.q_network.named(flat).items():
                    weights[f"adam.{what}.{name}"] = array
        return weights

    def load(self, weights: Weights) -> None:
        """Copy what `weights` has returned into this.

        Raises:
            ValueError: they are of another network.
        """
        mine = self.weights()
        check_same(mine, weights)
        for name, array in mine.items():
            array[...] = weights[name]

    def copy_to_target(self) -> None:
        """Make the target network a copy of the network."""
        self.target_network.flat.copy_(self.q_network.flat)

    @torch.inference_mode()  # torch computes no gradient here
    def learn(self, updates: int) -> None:
        """Update this many times, if there is enough to learn from."""
        if len(self.buffer) < self._settings.learning_starts:
            return
        end = self.updates + updates
        every = self._settings.target_update_every
        while self.updates < end:
            until_copy = every - self.updates % every
            self._update(min(end - self.updates, until_copy, AT_ONCE))
            if self.updates % every == 0:
                self.copy_to_target()
        if not self.q_network.flat.isfinite().all():
            raise DQNError(
                f"the weights are not finite after {self.updates:,} updates: "
                "the training has diverged; try a smaller learning rate or "
                "reward scale"
            )

    def _update(self, times: int) -> None:
        """Update several times, with one pass of the target network."""
        size = self._settings.batch_size
        drawn = self.buffer.sample(times * size, self._rng)
        future = self.target_network(drawn.next_obs)
        for begin in range(0, times * size, size):
            rows = slice(begin, begin + size)
            self._step(Batch(*(c[rows] for c in drawn)), future[rows])
        self.updates += times

    def _step(self, batch: Batch, future: Tensor) -> None:
        """Move the network once, towards the targets of one batch.

        Args:
            batch: of B transitions.
            future: `(B, num_actions)`, the target network's values of
                next_obs.
        """
        if self._settings.double:
            best = self.q_network(batch.next_obs).argmax(1, keepdim=True)
            value = future.gather(1, best)
        else:
            value = future.amax(1, keepdim=True)
        targets = torch.addcmul(batch.returns, batch.discounts, value)
        *inputs, q = self.q_network.trace(batch.obs)
        error = q.gather(1, batch.actions).sub_(targets)
        if self._settings.huber:
            error.clamp_(-self._settings.huber, self._settings.huber)
        slope = torch.zeros_like(q).scatter_(
            1, batch.actions, error.div_(len(q))
        )
        self.q_network.backward(inputs, slope, self._slopes)
        self._adam.step()


def layers_of(weights: Weights) -> Weights:
    """Return the layers of the network among `DQN.weights`."""
    return {
        name.removeprefix(LAYERS): array
        for name, array in weights.items()
        if name.startswith(LAYERS)
    }
