"""PPO plays Pong: what it sees is the memory of the machine, and it wins.

The same steps as in `ppo`; three things are different. What is done is one
of three buttons, not a number. Games are long: they go on from round to
round, and a round ends in the middle of them. And a point decides all that
was done since the last one, nothing beyond it.

Watch: the mean of the last 20 games, points won less points lost: -21 when
       nothing is known, above 0 when it wins.
From:  Ray 0.2.2's documentation, "RLlib" (PPO on Pong-ram).
Next:  give the network all 128 bytes (`Memory` in `_catalog.py`), instead of
       what is known of them (`Pong` in `_games.py`). How many games more?
"""

import time

import numpy as np
import torch
from torch import nn

from examples.learning._games import Pong
from examples.learning.ppo import Learner, advantages

DISCOUNT, STRETCH, GOAL = 0.99, 128, 0
SETTINGS = {"epochs": 4, "batch": 256, "entropy": 0.01}


class Network(nn.Module):
    """Which button, and what a state is worth."""

    def __init__(self):
        super().__init__()

        def layers(outputs, scale):
            made = nn.Sequential(
                nn.Linear(Pong.INPUTS, 64), nn.Tanh(),
                nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs),
            )  # fmt: skip
            for layer in made[::2]:
                nn.init.orthogonal_(layer.weight, 2**0.5)
                nn.init.zeros_(layer.bias)
            nn.init.orthogonal_(made[-1].weight, scale)
            return made

        # At first every button is as likely: who begins with a habit that
        # never meets the ball does not learn to meet it.
        self.button = layers(len(Pong.BUTTONS), 0.01)
        self.worth = layers(1, 1.0)

    def forward(self, x):
        """Return the distribution of buttons, and the worth."""
        buttons = torch.distributions.Categorical(logits=self.button(x))
        return buttons, self.worth(x)[..., 0]


class Player:
    """Plays some games side by side, a stretch of each in a round."""

    def __init__(self, games, seed):
        torch.set_num_threads(1)
        self.network = Network()
        self.chance = torch.Generator().manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.games = [Pong() for _ in range(games)]
        self.seen = [self.begin(game) for game in self.games]
        self.points = [0.0] * games

    def begin(self, game):
        """Begin a game; return what is seen."""
        return game.reset(int(self.rng.integers(2**31)))

    @torch.no_grad()
    def play(self, weights):
        """Return the steps of all games, and the points of those over."""
        self.network.load_state_dict(weights)
        seen, done, likely, won, worth, points = [], [], [], [], [], []
        for _ in range(STRETCH):
            seen.append(torch.tensor(np.array(self.seen)).float())
            buttons, value = self.network(seen[-1])
            done.append(
                buttons.probs.multinomial(1, generator=self.chance)[:, 0]
            )
            likely.append(buttons.log_prob(done[-1]))
            worth.append(value)
            won.append(torch.zeros(len(self.games)))
            for i, button in enumerate(done[-1].tolist()):
                game = self.games[i]
                self.seen[i], reward, over = game.press(button)
                won[-1][i] = reward
                self.points[i] += reward
                if over:
                    points.append(self.points[i])
                    self.points[i], self.seen[i] = 0.0, self.begin(game)
        last = torch.tensor(np.array(self.seen)).float()
        worth.append(self.network(last)[1])  # the games go on
        on = [DISCOUNT * (one == 0) for one in won]  # but not past a point
        better = advantages(won, worth, on)
        targets = [a + w for a, w in zip(better, worth[:-1], strict=True)]
        steps = [seen, done, likely, better, targets]
        return [torch.cat(one) for one in steps], points


def learn(play, rounds):
    """Return the weights and all points; `play` asks all players."""
    learner, points = Learner(Network, **SETTINGS), []
    begin = time.perf_counter()
    for number in range(1, rounds + 1):
        played = play(learner.network.state_dict())
        learner.learn(*(steps for steps, _ in played))
        points += [one for _, over in played for one in over]
        if number % 10 == 0 or number == rounds:
            mean, took = np.mean(points[-20:] or -21), time.perf_counter()
            print(
                f"round {number:4}  {len(points):5} games  mean {mean:5.1f}  "
                f"{took - begin:5.0f} s"
            )
            if mean > GOAL:
                break
    return learner.network.state_dict(), points


def main(ray, full=False, *, players=2, rounds=0):
    """Return the points of all games."""
    rounds, games = rounds or (400 if full else 2), 16 if full else 4
    assert games % players == 0, f"{games} games are no {players} equal parts"
    actor, each = ray.remote(Player), games // players
    team = [actor.remote(each, seed) for seed in range(players)]

    def play(weights):
        shared = ray.put(weights)
        return ray.get([player.play.remote(shared) for player in team])

    weights, points = learn(play, rounds)
    if full:
        assert np.mean(points[-20:]) > GOAL, "it loses"
        return points
    here = [Player(each, seed) for seed in range(players)]
    alone, _ = learn(lambda w: [one.play(w) for one in here], rounds)
    assert all(weights[name].equal(alone[name]) for name in alone)
    return [weight.numpy() for weight in weights.values()]
