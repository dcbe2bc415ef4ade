"""A3C: whoever is done hands in a gradient, and goes on with new weights.

In each actor a thread plays one stretch of a game, while the actor computes
the gradient of the stretch before. The driver waits for any actor (`wait`),
makes a step with its gradient, which belongs to weights that are a little
old by now, and sends it the new ones (Mnih et al., 2016).

Watch: the mean score of the last 20 games: how long the pole stood on its
       cart, at most 500.
From:  Ray 0.2.2's documentation, "A3C".
Next:  wait for all gradients and take their mean (A2C). Which of the two makes
       more steps in a second, and which one learns more from a step?
"""

import threading
from queue import Queue

import numpy as np
import torch
from torch import nn

DISCOUNT, RATE, GOAL = 0.98, 0.003, 450
STRETCH = 64  # steps of a game


class Network(nn.Module):
    """What to do, and what a state is worth."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 64), nn.Tanh())
        self.action = nn.Linear(64, 2)
        self.worth = nn.Linear(64, 1)

    def forward(self, x):
        """Return the distribution of actions, and the worth."""
        seen = self.body(x)
        actions = torch.distributions.Categorical(logits=self.action(seen))
        return actions, self.worth(seen)[..., 0]


class Player:
    """Plays in a thread, and computes gradients."""

    def __init__(self, weights, seed):
        torch.set_num_threads(1)
        self.rng = np.random.default_rng(seed)
        self.learning, self.playing = Network(), Network()
        self.weights, self.stretches = Queue(), Queue()
        self.weights.put(weights)
        threading.Thread(target=self.play, daemon=True).start()

    def play(self):
        """Play stretches, each with the weights that come next."""
        import gymnasium

        game = gymnasium.make("CartPole-v1")
        x, _ = game.reset(seed=int(self.rng.integers(2**31)))
        score, scores = 0, []
        while True:
            self.playing.load_state_dict(self.weights.get())
            seen, done, won, over = [], [], [], []
            for _ in range(STRETCH):
                with torch.no_grad():
                    chance = self.playing(torch.as_tensor(x))[0].probs[1]
                action = int(self.rng.random() < chance.item())
                seen.append(x)
                done.append(action)
                x, reward, ended, cut, _ = game.step(action)
                score += reward
                won.append(reward / 20)
                over.append(ended or cut)
                if over[-1]:
                    scores.append(score)
                    score, (x, _) = 0, game.reset()
            self.stretches.put((seen, done, won, over, x, scores))
            scores = []

    def gradient(self, weights):
        """Return the gradient of a stretch, and the scores of its games."""
        self.weights.put(weights)  # for the next stretch: the thread begins
        seen, done, won, over, x, scores = self.stretches.get()
        self.learning.load_state_dict(weights)
        seen = torch.as_tensor(np.array(seen))
        with torch.no_grad():
            total = self.learning(torch.as_tensor(x))[1].item()
        targets = np.zeros(STRETCH, np.float32)
        for t in reversed(range(STRETCH)):
            targets[t] = total = won[t] + DISCOUNT * total * (not over[t])
        actions, worth = self.learning(seen)
        better = torch.as_tensor(targets) - worth
        gain = actions.log_prob(torch.as_tensor(done)) * better.detach()
        self.learning.zero_grad()
        (0.5 * better.square() - gain).mean().backward()
        return [p.grad for p in self.learning.parameters()], scores


class Learner:
    """The network of the driver."""

    def __init__(self, steps):
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.network, self.scores = Network(), []
        self.adam = torch.optim.Adam(self.network.parameters(), RATE)
        self.rate = torch.optim.lr_scheduler.LinearLR(self.adam, 1, 0, steps)

    def weights(self):
        """Return the weights as they are now."""
        state = self.network.state_dict()
        return {name: weight.clone() for name, weight in state.items()}

    def step(self, gradients, scores):
        """Make a step; return whether the pole stands."""
        weights = self.network.parameters()
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        nn.utils.clip_grad_norm_(self.network.parameters(), 0.5)
        self.adam.step()
        self.rate.step()
        self.scores += scores
        return len(self.scores) > 20 and np.mean(self.scores[-20:]) > GOAL


def serial(players, steps):
    """Return the weights that one process learns, one player at a time."""
    learner = Learner(steps)
    team = [Player(learner.weights(), seed) for seed in range(players)]
    asked = [player.gradient(learner.weights()) for player in team]
    for step in range(steps):
        learner.step(*asked.pop(0))
        asked.append(team[step % players].gradient(learner.weights()))
    return learner.weights()


def main(ray, full=False, *, players=2, steps=0):
    """Return the weights, or that the pole stands."""
    steps = steps or (3_000 if full else 20)
    learner, actor = Learner(steps), ray.remote(Player)
    team = [actor.remote(learner.weights(), seed) for seed in range(players)]
    asked = {one.gradient.remote(learner.weights()): one for one in team}
    for step in range(steps):
        # All of them in the long run. In the short one the first that was
        # asked, and so each engine makes the same steps.
        (ready,), _ = ray.wait(list(asked)[: None if full else 1])
        player, answer = asked.pop(ready), ray.get(ready)
        stands = learner.step(*answer)
        asked[player.gradient.remote(learner.weights())] = player
        if stands or step % 200 == 0 or step == steps - 1:
            score = np.mean(learner.scores[-20:] or 0)
            print(f"step {step:5}  mean score {score:6.1f}")
        if stands:
            break
    if full:
        assert stands, "the pole does not stand"
        return "the pole stands"
    weights, alone = learner.weights(), serial(players, steps)
    assert all(weights[name].equal(alone[name]) for name in alone)
    return [weight.numpy() for weight in weights.values()]
