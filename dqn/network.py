"""The Q-network: layers of weights in one vector, backpropagation by hand.

    obs (B, obs_dim) ─> W1, b1, ReLU ─> W2, b2, ReLU ─> W3, b3 ─> q (B, A)

Rules:

1. All parameters lie in one vector `flat`; the layers are views of it. So
   the optimiser, the copy to the target network and the average of two
   networks are each one operation.
2. The gradient is computed here, not by autograd: a network this small
   spends as long in the bookkeeping of autograd as in its arithmetic
   (docs/dqn.md has the figures). A test holds both against each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Weights = dict[str, npt.NDArray[np.float32]]


def use_one_thread() -> None:
    """Let torch compute in one thread.

    A network this small is no faster in two, and processes that share the
    cores of a machine would wait for each other's.
    """
    torch.set_num_threads(1)


class QNetwork:
    """Estimates what each action is worth.

    Args:
        obs_dim: numbers in an observation.
        num_actions: how many actions there are.
        hidden: the width of each hidden layer.
    """

    def __init__(
        self, obs_dim: int, num_actions: int, hidden: Sequence[int]
    ) -> None:
        widths = [obs_dim, *hidden, num_actions]
        shapes = list(zip(widths[1:], widths[:-1], strict=True))
        self.flat = torch.zeros(sum(o * i + o for o, i in shapes))
        self.layers: list[tuple[Tensor, Tensor]] = []  # (W (o, i), b (o,))
        begin = 0
        for out, into in shapes:
            middle, end = begin + out * into, begin + out * into + out
            weight = self.flat[begin:middle].view(out, into)
            self.layers.append((weight, self.flat[middle:end]))
            begin = end
        self._inputs: list[Tensor] = []  # of each layer, in `forward`

    def initialise(self, seed: int) -> None:
        """Draw all weights evenly from +-1/sqrt(inputs), as torch does."""
        generator = torch.Generator().manual_seed(seed)
        for weight, bias in self.layers:
            bound = 1 / math.sqrt(weight.shape[1])
            weight.uniform_(-bound, bound, generator=generator)
            bias.uniform_(-bound, bound, generator=generator)

    def forward(self, obs: Tensor) -> Tensor:
        """Estimate `(B, num_actions)` from `(B, obs_dim)`."""
        self._inputs.clear()
        x = obs
        for weight, bias in self.layers[:-1]:
            self._inputs.append(x)
            x = torch.addmm(bias, x, weight.t()).relu_()
        self._inputs.append(x)
        weight, bias = self.layers[-1]
        return torch.addmm(bias, x, weight.t())

    def backward(self, slope: Tensor, gradient: QNetwork) -> None:
        """Write the gradient of a loss, given its slope by each output.

        Args:
            slope: `(n, num_actions)`, for the first n rows of what
                `forward` was last called with.
            gradient: a network of the same shape, to be overwritten.
        """
        n, last = len(slope), len(self.layers) - 1
        for i in range(last, -1, -1):
            x = self._inputs[i][:n]
            into_weight, into_bias = gradient.layers[i]
            torch.mm(slope.t(), x, out=into_weight)
            torch.sum(slope, 0, out=into_bias)
            if i > 0:  # through the weights, then where ReLU was open
                slope = torch.mm(slope, self.layers[i][0])
                slope = torch.ops.aten.threshold_backward(slope, x, 0)

    def weights(self) -> Weights:
        """Give the layers by name: views, not copies."""
        named = {}
        for i, (weight, bias) in enumerate(self.layers, 1):
            named[f"layer{i}.weight"] = weight.numpy()
            named[f"layer{i}.bias"] = bias.numpy()
        return named

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
