"""The Q-network.

obs (B, obs_dim) ─> Linear, ReLU ─> ... ─> Linear ─> q (B, num_actions)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Weights = dict[str, npt.NDArray[np.float32]]


def use_one_thread() -> None:
    """Let torch compute in one thread.

    A network this small is no faster in two, and processes that share the
    cores of a machine would wait for each other's.
    """
    torch.set_num_threads(1)


class QNetwork(nn.Module):
    """Estimates what each action is worth.

    Args:
        obs_dim: numbers in an observation.
        num_actions: how many actions there are.
        hidden: the width of each hidden layer.
    """

    def __init__(
        self, obs_dim: int, num_actions: int, hidden: Sequence[int]
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        into = obs_dim
        for width in hidden:
            layers += [nn.Linear(into, width), nn.ReLU()]
            into = width
        self.layers = nn.Sequential(*layers, nn.Linear(into, num_actions))

    def initialise(self, seed: int) -> None:
        """Draw all weights as torch does, by a generator of our own."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for layer in self.layers:
                if isinstance(layer, nn.Linear):
                    layer.reset_parameters()

    def forward(self, obs: Tensor) -> Tensor:
        """Estimate `(B, num_actions)` from `(B, obs_dim)`."""
        q: Tensor = self.layers(obs)
        return q

    @torch.no_grad()
    def act(self, obs: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Choose the best action of each row: `(B,)`."""
        best: npt.NDArray[np.int64]
        best = self(torch.from_numpy(obs)).argmax(1).numpy()
        return best

    def weights(self) -> Weights:
        """Give the layers by name: views, not copies."""
        return {
            name: parameter.detach().numpy()
            for name, parameter in self.named_parameters()
        }

    def load(self, weights: Weights) -> None:
        """Take over weights of the same names and shapes, by copy.

        Raises:
            ValueError: they are of another network.
        """
        mine = self.weights()
        check_same(mine, weights)
        for name, array in mine.items():
            array[...] = weights[name]


def check_same(mine: Weights, theirs: Weights) -> None:
    """Check that weights have the same names and shapes.

    Raises:
        ValueError: they are of another network.
    """
    expected = {name: array.shape for name, array in mine.items()}
    found = {name: array.shape for name, array in theirs.items()}
    if expected != found:
        raise ValueError(f"the network has {expected}, not {found}")
