"""The Q-network: linear layers with ReLU, and their gradient by hand.

    obs (B, obs_dim) ─> Linear, ReLU ─> .. ─> Linear ─> q (B, num_actions)
    gradient         <─ Linear, ReLU <─ .. <─ Linear <─ slope of the loss

Rules:

1. All weights lie in one vector, and so does a gradient. The layers are
   views of it. So Adam makes one step, not one per layer, and copying the
   network is one copy.
2. No autograd: for layers this small it takes longer than the arithmetic
   (docs/dqn.md). Tests compare the gradient with torch's, and all updates
   with those of `dqn/reference.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Weights = dict[str, npt.NDArray[np.float32]]
Layers = list[tuple[Tensor, Tensor]]  # weight (out, in), bias (out,)


def use_one_thread() -> None:
    """Make torch compute in one thread.

    A network this small is not faster with two, and processes that share the
    cores would wait for each other's threads.
    """
    torch.set_num_threads(1)


class QNetwork:
    """Estimates what each action is worth.

    Args:
        obs_dim: numbers in an observation.
        num_actions: how many actions there are.
        hidden: the width of each hidden layer.

    Attributes:
        flat: all weights, in one vector.
    """

    def __init__(
        self, obs_dim: int, num_actions: int, hidden: Sequence[int]
    ) -> None:
        self._shapes = list(pairwise((obs_dim, *hidden, num_actions)))
        self.flat = torch.zeros(sum(o * (i + 1) for i, o in self._shapes))
        self._layers = self.split(self.flat)

    def initialise(self, seed: int) -> None:
        """Draw all weights, in the way of `torch.nn.Linear`."""
        generator = torch.Generator().manual_seed(seed)
        for weight, bias in self._layers:
            bound = 1 / sqrt(weight.shape[1])
            weight.uniform_(-bound, bound, generator=generator)
            bias.uniform_(-bound, bound, generator=generator)

    def __call__(self, obs: Tensor) -> Tensor:
        """Return estimates `(B, num_actions)` for `(B, obs_dim)`."""
        return self.trace(obs)[-1]

    def trace(self, obs: Tensor) -> list[Tensor]:
        """Return the inputs of all layers, and then the estimates."""
        trace = [obs]
        for weight, bias in self._layers[:-1]:
            trace.append(torch.addmm(bias, trace[-1], weight.t()).relu_())
        weight, bias = self._layers[-1]
        return [*trace, torch.addmm(bias, trace[-1], weight.t())]

    def backward(
        self, inputs: Sequence[Tensor], slope: Tensor, gradient: Layers
    ) -> None:
        """Compute the gradient of a loss by the chain rule.

        Args:
            inputs: of each layer, from `trace`; they are overwritten.
            slope: d loss / d estimates, `(B, num_actions)`.
            gradient: is written to; a vector like `flat`, split.
        """
        for i in reversed(range(len(self._layers))):
            of_weight, of_bias = gradient[i]
            torch.mm(slope.t(), inputs[i], out=of_weight)
            torch.sum(slope, 0, out=of_bias)
            if i > 0:
                passed = inputs[i].sign_()  # by ReLU: 1 or 0
                slope = slope.mm(self._layers[i][0]).mul_(passed)

    def act(self, obs: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Return the best action of each row: `(B,)`."""
        best: npt.NDArray[np.int64]
        best = self(torch.from_numpy(obs)).argmax(1).numpy()
        return best

    def weights(self) -> Weights:
        """Return the layers by name: views, not copies."""
        return self.named(self.flat)

    def named(self, flat: Tensor) -> Weights:
        """Return a vector like `flat` as layers by name: views of it.

        The names are those in a `torch.nn.Sequential` of layers and ReLUs.
        """
        return {
            f"layers.{2 * i}.{name}": part.numpy()
            for i, layer in enumerate(self.split(flat))
            for name, part in zip(("weight", "bias"), layer, strict=True)
        }

    def load(self, weights: Weights) -> None:
        """Copy weights of the same names and shapes into this network.

        Raises:
            ValueError: they are of another network.
        """
        mine = self.weights()
        check_same(mine, weights)
        for name, array in mine.items():
            array[...] = weights[name]

    def split(self, flat: Tensor) -> Layers:
        """Return weight (out, in) and bias (out,) of each layer, as views."""
        sizes = [n for i, o in self._shapes for n in (o * i, o)]
        parts = iter(torch.split(flat, sizes))
        return [(next(parts).view(o, i), next(parts)) for i, o in self._shapes]


def check_same(mine: Weights, theirs: Weights) -> None:
    """Check that weights have the same names and shapes.

    Raises:
        ValueError: they are of another network.
    """
    expected = {name: array.shape for name, array in mine.items()}
    found = {name: array.shape for name, array in theirs.items()}
    if expected != found:
        raise ValueError(f"the network has {expected}, not {found}")
