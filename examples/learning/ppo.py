"""PPO: a pendulum is swung up by a force, which is a real number.

Actors play with the weights of the round. The driver then makes many small
steps on all of their games: how likely an action is may change by a fifth in
a round, and what goes beyond counts no more (Schulman et al., 2017).

Watch: the mean return of a round: about -1,200 by chance, above -200 when the
       pendulum is swung up at once and stands.
From:  Learning Ray, chapter 1 (PPO on Pendulum).
Next:  let every actor make the steps on its own games, and take the mean of
       the gradients (as `data_parallel` does). What does the driver do then?
"""

import numpy as np
import torch
from torch import nn

DISCOUNT, TRACE = 0.9, 0.95
CLIP, RATE = 0.2, 0.001
STEPS, GOAL = 200, -200  # of a game


class Network(nn.Module):
    """The mean of the force, how much it varies, and what a state is worth."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Sequential(
            nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 1)
        )
        self.worth = nn.Sequential(
            nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 1)
        )
        self.log_spread = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        """Return the distribution of the force, and the worth."""
        mean = self.mean(x)[..., 0]
        forces = torch.distributions.Normal(mean, self.log_spread.exp())
        return forces, self.worth(x)[..., 0]


class Player:
    """Plays some games side by side, so that the network sees all at once."""

    def __init__(self, games, seed):
        import gymnasium

        torch.set_num_threads(1)
        self.network = Network()
        self.games = [gymnasium.make("Pendulum-v1") for _ in range(games)]
        self.rng = np.random.default_rng(seed)
        self.chance = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def play(self, weights):
        """Return the steps of all games, as tensors, and the mean return."""
        self.network.load_state_dict(weights)
        seeds = self.rng.integers(2**31, size=len(self.games)).tolist()
        x = [
            g.reset(seed=s)[0] for g, s in zip(self.games, seeds, strict=True)
        ]
        seen, done, likely, won, worth = [], [], [], [], []
        for _ in range(STEPS):
            seen.append(torch.tensor(np.array(x)).float())
            forces, value = self.network(seen[-1])
            force = torch.normal(
                forces.mean, forces.stddev, generator=self.chance
            )
            done.append(force)
            likely.append(forces.log_prob(force))
            worth.append(value)
            steps = [
                game.step([2 * one])
                for game, one in zip(self.games, force.tolist(), strict=True)
            ]
            x = [step[0] for step in steps]
            won.append(torch.tensor([step[1] for step in steps]).float())
        last = torch.tensor(np.array(x)).float()
        worth.append(self.network(last)[1])  # the game would go on
        smaller = [one / 8 for one in won]
        better = advantages(smaller, worth, [DISCOUNT] * STEPS)
        targets = [a + w for a, w in zip(better, worth[:-1], strict=True)]
        steps = [seen, done, likely, better, targets]
        return [torch.cat(one) for one in steps], float(sum(won).mean())


def advantages(won, worth, on):
    """Return how much better steps were than expected (Schulman, 2016).

    `on` says how much of what comes after each step counts.
    """
    better, found = 0, []
    for t in reversed(range(len(won))):
        surprise = won[t] + on[t] * worth[t + 1] - worth[t]
        better = surprise + on[t] * TRACE * better
        found.insert(0, better)
    return found


class Learner:
    """The network of the driver, and its steps."""

    def __init__(self, network, epochs=10, batch=512, entropy=0.0):
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.network = network()
        self.adam = torch.optim.Adam(self.network.parameters(), RATE)
        self.epochs, self.batch, self.entropy = epochs, batch, entropy

    def learn(self, *played):
        """Make the steps of a round, with what all players have played."""
        steps = map(torch.cat, zip(*played, strict=True))
        seen, done, likely, gains, targets = steps
        gains = (gains - gains.mean()) / (gains.std() + 1e-8)
        for _ in range(self.epochs):
            for some in torch.randperm(len(seen)).split(self.batch):
                actions, worth = self.network(seen[some])
                ratio = (actions.log_prob(done[some]) - likely[some]).exp()
                clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
                more = gains[some]
                gain = torch.minimum(ratio * more, clipped * more)
                gain = gain + self.entropy * actions.entropy()
                error = (worth - targets[some]).square()
                self.adam.zero_grad()
                (0.5 * error - gain).mean().backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), 0.5)
                self.adam.step()


def learn(play, rounds):
    """Return the mean returns of some rounds; `play` asks all players."""
    learner, returns = Learner(Network), []
    for number in range(rounds):
        played = play(learner.network.state_dict())
        learner.learn(*(steps for steps, _ in played))
        returns.append(float(np.mean([one for _, one in played])))
        print(f"round {number:3}  mean return {returns[-1]:7.1f}")
        if np.mean(returns[-5:]) > GOAL:
            break
    return returns


def main(ray, full=False, *, players=2, rounds=0):
    """Return the mean returns of all rounds."""
    rounds, games = rounds or (80 if full else 2), 8 if full else 2
    team = [ray.remote(Player).remote(games, s) for s in range(players)]

    def play(weights):
        shared = ray.put(weights)
        return ray.get([player.play.remote(shared) for player in team])

    returns = learn(play, rounds)
    if full:
        assert np.mean(returns[-5:]) > GOAL, "the pendulum does not stand"
        return returns
    here = [Player(games, seed) for seed in range(players)]
    alone = learn(lambda weights: [one.play(weights) for one in here], rounds)
    assert returns == alone, "one process learns something else"
    return returns
