"""Adam (Kingma and Ba, "Adam", ICLR 2015, algorithm 1), over one vector.

    gradient ─> mean of it, mean of its square ─> step of the weights

torch has it too. On the small vector of this network its checks and look-ups
cost several times what the seven operations do (docs/dqn.md).
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor

BETA_MEAN, BETA_SQUARE = 0.9, 0.999  # how slowly each mean forgets
EPSILON = 1e-8


class Adam:
    """Moves weights against a gradient.

    Args:
        weights: a vector, changed in place.
        learning_rate: about how far each weight moves in a step.

    Attributes:
        mean: of the gradients, the newest counts most.
        square: the same of their squares.
    """

    def __init__(self, weights: Tensor, learning_rate: float) -> None:
        self._weights, self._learning_rate = weights, learning_rate
        self.mean = torch.zeros_like(weights)
        self.square = torch.zeros_like(weights)
        self._scratch = torch.empty_like(weights)
        self._steps = 0

    def step(self, gradient: Tensor) -> None:
        """Make one step."""
        self._steps += 1
        # both means begin at zero, which these make good
        of_mean = 1 - BETA_MEAN**self._steps
        of_square = 1 - BETA_SQUARE**self._steps
        self.mean.lerp_(gradient, 1 - BETA_MEAN)
        self.square.mul_(BETA_SQUARE)
        self.square.addcmul_(gradient, gradient, value=1 - BETA_SQUARE)
        scale = torch.sqrt(self.square, out=self._scratch)
        scale.add_(EPSILON * sqrt(of_square))
        rate = self._learning_rate * sqrt(of_square) / of_mean
        self._weights.addcdiv_(self.mean, scale, value=-rate)
