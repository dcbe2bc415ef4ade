"""A small ResNet, and the pictures that it learns: shared here.

    picture ─> conv ─> [ conv ─> conv ─ + ─> ] x 3 ─> mean ─> linear ─> class
                       └────────────────┘  two of them halve the picture

Groups are normalised, not batches: so the gradient of a batch is the mean of
those of its parts, and it does not matter who computes which.
"""

import pickle
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, relu
from torch.nn.utils import parameters_to_vector, vector_to_parameters


class Block(nn.Module):
    """Two convolutions, and a way around them (He et al., 2015)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.around = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.calm = nn.GroupNorm(4, outputs)
        self.calm_too = nn.GroupNorm(4, outputs)

    def forward(self, x):
        """Return the pictures after the block."""
        inside = relu(self.calm(self.first(x)))
        return relu(self.calm_too(self.second(inside)) + self.around(x))


class ResNet(nn.Sequential):
    """Three blocks between a convolution and a linear layer."""

    def __init__(self, channels, width):
        super().__init__(
            nn.Conv2d(channels, width, 3, 1, 1),
            nn.ReLU(),
            Block(width, width, 1),
            Block(width, 2 * width, 2),
            Block(2 * width, 4 * width, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4 * width, 10),
        )

    @property
    def weights(self):
        """All of them, flat (D,) float32."""
        return parameters_to_vector(self.parameters()).detach().numpy()

    @weights.setter
    def weights(self, flat):
        vector_to_parameters(torch.tensor(flat), self.parameters())

    def gradient(self, x, y):
        """Return the gradient of the mean cross-entropy, (D,) float32."""
        self.zero_grad()
        cross_entropy(self(torch.tensor(x)), torch.tensor(y)).backward()
        gradients = [weight.grad for weight in self.parameters()]
        return parameters_to_vector(gradients).numpy()

    @torch.no_grad()
    def accuracy(self, x, y):
        """Return the share of the pictures that it says right."""
        said = self(torch.tensor(x)).argmax(dim=1).numpy()
        return float((said == y).mean())


def new_network(channels, width, seed=0):
    """Return a network that is the same in every process."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    return ResNet(channels, width)


def load_pictures(cifar):
    """Return pictures (N, C, H, W) float32, and what they show (N,)."""
    if cifar:
        files = sorted(Path(cifar).glob("data_batch_*"))
        assert files, f"no file {cifar}/data_batch_*: give its Python version"
        batches = [
            pickle.loads(file.read_bytes(), encoding="bytes") for file in files
        ]
        x = np.concatenate([batch[b"data"] for batch in batches])
        y = np.concatenate([batch[b"labels"] for batch in batches])
        return (x.reshape(-1, 3, 32, 32) / 255).astype(np.float32), y
    from sklearn.datasets import load_digits  # here: takes a second

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return (x[order] / 16).reshape(-1, 1, 8, 8).astype(np.float32), y[order]
