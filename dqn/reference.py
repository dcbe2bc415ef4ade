"""DQN on one page, with torch's own gradient (Mnih et al., Nature 2015).

    environment ── transition ──> replay ── batch ──> loss: q - target
       ^                                               │          ^
       └─ action ── q_network <── Adam <── gradient ───┘          │
                        └── a copy now and then ──────────> target_network

`dqn/algorithm/dqn.py` makes the same updates faster. A test compares both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from copy import deepcopy
from itertools import islice, pairwise
from math import inf
from typing import NamedTuple

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dqn.algorithm.environment import Floats, Shape
from dqn.algorithm.replay_buffer import Batch
from dqn.settings import Settings


class Transition(NamedTuple):
    """What one action led to."""

    obs: Floats  # (obs_dim,)
    action: int
    reward: float
    next_obs: Floats  # (obs_dim,)
    terminated: bool  # the game is over: nothing comes after
    truncated: bool  # the clock ran out: next_obs still has a value


class ReferenceDQN:
    """Learns what actions are worth. The arguments are those of `DQN`."""

    def __init__(
        self, settings: Settings, shape: Shape, rng: np.random.Generator
    ) -> None:
        self.settings, self.rng = settings, rng
        layers: list[nn.Module] = []
        for i, o in pairwise((shape.obs_dim, *settings.hidden)):
            layers += [nn.Linear(i, o), nn.ReLU()]
        last = nn.Linear(settings.hidden[-1], shape.num_actions)
        self.q_network = nn.Sequential(*layers, last)
        self.target_network = deepcopy(self.q_network)
        self.adam = torch.optim.Adam(
            self.q_network.parameters(), settings.learning_rate
        )
        self.replay: deque[Transition] = deque(maxlen=settings.buffer_size)
        self.updates = 0

    def act(self, obs: Floats, epsilon: float) -> int:
        """Return the best action, or, with probability epsilon, any."""
        q = self.q_network(torch.from_numpy(obs))  # (num_actions,)
        if self.rng.random() < epsilon:
            return int(self.rng.integers(len(q)))
        return int(q.argmax())

    def num_windows(self) -> int:
        """Return how many windows of n steps there are to learn from."""
        return len(self.replay) - self.settings.n_step + 1

    def sample(self) -> Batch:
        """Return a batch of windows, drawn uniformly."""
        n, gamma = self.settings.n_step, self.settings.gamma
        size = self.settings.batch_size
        begins = self.rng.integers(self.num_windows(), size=size)
        windows = [list(islice(self.replay, b, b + n)) for b in begins]
        obs = np.stack([window[0].obs for window in windows])
        actions = [[window[0].action] for window in windows]
        ends = [n_step_return(window, gamma) for window in windows]
        returns, next_obs, discounts = zip(*ends, strict=True)
        return Batch(
            obs=torch.from_numpy(obs),  # (B, obs_dim)
            next_obs=torch.from_numpy(np.stack(next_obs)),  # (B, obs_dim)
            actions=torch.tensor(actions),  # (B, 1)
            returns=torch.tensor(returns)[:, None],  # (B, 1)
            discounts=torch.tensor(discounts)[:, None],  # (B, 1)
        )

    def loss(self, batch: Batch) -> Tensor:
        """Return how far q is from its targets."""
        with torch.no_grad():  # targets are constants
            future = self.target_network(batch.next_obs)  # (B, num_actions)
            double = self.settings.double
            choice = self.q_network(batch.next_obs) if double else future
            best = choice.argmax(1, keepdim=True)  # (B, 1)
            value = future.gather(1, best)  # (B, 1)
            targets = batch.returns + batch.discounts * value  # (B, 1)
        q = self.q_network(batch.obs).gather(1, batch.actions)  # (B, 1)
        delta = self.settings.huber or inf  # 0: always squared
        return functional.huber_loss(q, targets, delta=delta)  # ()

    def update(self) -> None:
        """Move q_network once; make the target network a copy now and then."""
        self.adam.zero_grad()
        self.loss(self.sample()).backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        self.updates += 1
        if self.updates % self.settings.target_update_every == 0:
            self.target_network.load_state_dict(self.q_network.state_dict())


def n_step_return(
    window: Sequence[Transition], gamma: float
) -> tuple[float, Floats, float]:
    """Return the rewards of a window, where it ends, and the discount there.

    It never reaches into the next game. After a termination, the discount is
    0; after a truncation, the value of `next_obs` still counts.
    """
    total, discount = 0.0, 1.0
    for step in window:
        total += discount * step.reward
        discount *= 0.0 if step.terminated else gamma
        if step.terminated or step.truncated:
            break
    return total, step.next_obs, discount


def train(
    environment: gymnasium.Env[Floats, int], dqn: ReferenceDQN, steps: int
) -> None:
    """Play, remember and learn, for this many steps."""
    settings = dqn.settings
    obs, _ = environment.reset(seed=int(dqn.rng.integers(2**31)))
    for step in range(steps):
        action = dqn.act(obs, settings.epsilon(step))
        next_obs, reward, terminated, truncated, _ = environment.step(action)
        scaled = float(reward) * settings.reward_scale
        dqn.replay.append(
            Transition(obs, action, scaled, next_obs, terminated, truncated)
        )
        if dqn.num_windows() >= settings.learning_starts:
            for _ in range(settings.updates_per_step):
                dqn.update()
        obs = next_obs
        if terminated or truncated:
            obs, _ = environment.reset()
