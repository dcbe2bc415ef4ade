"""A replay buffer: transitions to draw from at random (Lin 1992; Mnih 2015).

One row per transition: obs | next_obs | action, return, discount. All rows
are allocated once, and a batch is gathered in one operation. A full buffer
overwrites its oldest rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dqn.algorithm.environment import Floats
from dqn.algorithm.n_step import Transitions


class Batch(NamedTuple):
    """B transitions to learn from."""

    obs: Tensor  # (B, obs_dim)
    next_obs: Tensor  # (B, obs_dim)
    actions: Tensor  # (B, 1) int64
    returns: Tensor  # (B, 1)
    discounts: Tensor  # (B, 1)


def as_rows(new: Transitions) -> Floats:
    """Return transitions as rows of the buffer."""
    dim = new.obs.shape[1]
    rows = np.empty((len(new.obs), 2 * dim + 3), np.float32)
    rows[:, :dim] = new.obs
    rows[:, dim : 2 * dim] = new.next_obs
    rows[:, -3] = new.actions
    rows[:, -2] = new.returns
    rows[:, -1] = new.discounts
    return rows


class ReplayBuffer:
    """Holds the newest `capacity` transitions."""

    def __init__(self, capacity: int, obs_dim: int) -> None:
        self._obs_dim = obs_dim
        self._rows = torch.zeros(capacity, 2 * obs_dim + 3)
        self._as_numpy = self._rows.numpy()  # the same memory
        self._next = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, rows: Floats) -> None:
        """Add rows, in the place of the oldest if the buffer is full."""
        capacity = len(self._rows)
        places = np.arange(self._next, self._next + len(rows)) % capacity
        self._as_numpy[places] = rows
        self._next = (self._next + len(rows)) % capacity
        self._size = min(self._size + len(rows), capacity)

    def sample(self, number: int, rng: np.random.Generator) -> Batch:
        """Return transitions drawn uniformly, with replacement."""
        places = torch.from_numpy(rng.integers(self._size, size=number))
        rows, dim = self._rows.index_select(0, places), self._obs_dim
        return Batch(
            rows[:, :dim],
            rows[:, dim : 2 * dim],
            rows[:, -3:-2].long(),
            rows[:, -2:-1],
            rows[:, -1:],
        )
