"""Adam over one vector (Kingma and Ba, ICLR 2015, algorithm 1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # the paper's


class Adam:
    """Moves a vector against its gradient, by a step for each element.

    Attributes:
        mean: running mean of the gradient.
        square: running mean of its square.
        count: steps so far.
    """

    def __init__(self, parameters: Tensor, learning_rate: float) -> None:
        self._parameters = parameters
        self._learning_rate = learning_rate
        self.mean = torch.zeros_like(parameters)
        self.square = torch.zeros_like(parameters)
        self.count = 0

    def step(self, gradient: Tensor) -> None:
        """Move once."""
        self.count += 1
        self.mean.lerp_(gradient, 1 - BETA1)
        self.square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        # Both means begin at zero: what that takes away is given back, as
        # at the end of the paper's section 2, in the two numbers below.
        root = math.sqrt(1 - BETA2**self.count)
        step = -self._learning_rate * root / (1 - BETA1**self.count)
        divisor = self.square.sqrt().add_(EPSILON * root)
        self._parameters.addcdiv_(self.mean, divisor, value=step)
