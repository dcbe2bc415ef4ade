"""An agent in parts: a catalog chooses them by what a game looks like.

`Agent` is what all agents have: `train` for a round, `act`, `save`, `restore`.
A kind of agent says how it learns; this one by the gradients of games that
actors play. No line here knows what a game shows, or what an action is: a
catalog chooses preprocessor, model and distribution (`_catalog.py`).

Watch: the parts of each game; and that an agent which is saved and restored
       goes on as the one that was not.
From:  Ray 0.2.2's documentation, "RLlib: Developer API".
Next:  write a preprocessor that hides the speeds of CartPole, and put it
       first in the catalog. Does it learn then, without and with `--lstm`?
"""

import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from examples.learning._catalog import Policy

GOALS = {"cartpole": 450, "lake": 0.9}  # of others it learns too slowly
DISCOUNT, RATE, LONGEST = 0.99, 0.01, 500


class Player(Policy):
    """Plays games, and says what to do more often. It is an actor."""

    def gradient(self, weights, seed):
        """Return the gradient of a game, and its score."""
        self.model.load_state_dict(weights)
        torch.manual_seed(seed)
        x, _ = self.game.reset(seed=seed)
        seen, done, rewards, over, memory = [], [], [], False, None
        while not over and len(done) < LONGEST:
            seen.append(self.see(x))
            action, memory = self.act(x, memory)
            x, reward, ended, cut, _ = self.game.step(action.tolist())
            done.append(action)
            rewards.append(float(reward))
            over = ended or cut
        total, returns = 0.0, []
        for reward in reversed(rewards):
            total = reward + DISCOUNT * total
            returns.insert(0, total)
        gains = torch.tensor(returns)
        gains = (gains - gains.mean()) / (gains.std(correction=0) + 1e-8)
        numbers, _ = self.model(torch.tensor(np.array(seen)))
        likely = self.distribution(numbers).log_prob(torch.stack(done))
        self.model.zero_grad()
        (-likely * gains).sum().backward()
        return [w.grad for w in self.model.parameters()], sum(rewards)


class Agent:
    """What every agent has. A kind of agent says what learns, and how."""

    rounds = 0

    def train(self):
        """Learn for a round; return its result."""
        self.rounds += 1
        return {"round": self.rounds, "score": self.learn()}

    def act(self, seen):
        """Return an action for what a game shows."""
        return self.policy.act(seen)[0].tolist()

    def save(self, path):
        """Write all that it needs to go on."""
        states = [part.state_dict() for part in self.parts]
        torch.save((self.rounds, states), path)

    def restore(self, path):
        """Go on from what was written."""
        self.rounds, states = torch.load(path)
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


class PolicyGradient(Agent):
    """Makes a step with the mean gradient of some games."""

    def __init__(self, name, lstm, play, games):
        self.policy, self.play, self.games = Policy(name, lstm), play, games
        weights = self.policy.model.parameters()
        self.adam = torch.optim.Adam(weights, RATE)
        self.parts = self.policy.model, self.adam

    def learn(self):
        """Return the mean score of games, each from a seed of its own."""
        first = self.rounds * self.games
        weights = self.policy.model.state_dict()
        played = self.play(weights, range(first, first + self.games))
        gradients, scores = zip(*played, strict=True)
        for i, weight in enumerate(self.policy.model.parameters()):
            weight.grad = torch.stack([one[i] for one in gradients]).mean(0)
        self.adam.step()
        return float(np.mean(scores))


def with_actors(ray, name, lstm, players):
    """Return a function that plays games in actors, in turn."""
    team = [ray.remote(Player).remote(name, lstm) for _ in range(players)]

    def play(weights, seeds):
        shared = ray.put(weights)
        asked = [
            team[seed % players].gradient.remote(shared, seed)
            for seed in seeds
        ]
        return ray.get(asked)

    return play


def main(
    ray,
    full=False,
    *,
    game: Literal["cartpole", "lake", "pendulum", "pong"] = "cartpole",
    lstm=False,
    players=2,
    rounds=0,
):
    """Return the scores."""
    rounds, games = rounds or (300 if full else 3), 16 if full else 4
    play, here = with_actors(ray, game, lstm, players), Player(game, lstm)
    agent = PolicyGradient(game, lstm, play, games)
    print(" ─> ".join(type(part).__name__ for part in here.chosen))
    goal, scores = GOALS.get(game, np.inf), []
    while agent.rounds < rounds and np.mean(scores[-5:] or -np.inf) <= goal:
        result = agent.train()
        scores.append(result["score"])
        print(f"round {result['round']:3}  mean score {scores[-1]:7.2f}")
    if full:
        assert np.mean(scores[-5:]) > goal, f"not above {goal}"
        return scores

    def alone(weights, seeds):
        return [here.gradient(weights, seed) for seed in seeds]

    one, other = (PolicyGradient(game, lstm, alone, games) for _ in range(2))
    while one.rounds < rounds - 1:
        one.train()
    with tempfile.TemporaryDirectory() as folder:
        one.save(Path(folder, "agent"))
        other.restore(Path(folder, "agent"))
    assert other.train() == result, "it goes on otherwise"
    mine, its = (a.policy.model.state_dict() for a in (agent, other))
    assert all(mine[name].equal(its[name]) for name in its), "one differs"
    return scores
