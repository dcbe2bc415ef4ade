"""Policy gradient: actors play, and the driver learns from their games.

Each actor plays with the weights that it is sent and answers with a gradient:
more of what was done before something good, less of what was done before
something bad (REINFORCE; Williams, 1992). The driver makes a step with the
mean of a round. The game is CartPole, or Pong of the Atari 2600: there the
network sees from its memory where the ball and the paddles are.

Watch: the mean score of a round. CartPole: how long the pole stands, at most
       500. Pong (`ale-py`): points won less points lost, from -21 to 21.
From:  Ray 0.2.2's documentation, "Learning to Play Pong".
Next:  subtract from each return the mean of all returns at that time of a
       game, instead of the mean of the game. Does it learn faster?
"""

from typing import Literal

import numpy as np

from examples.learning._games import GAMES

HIDDEN, DISCOUNT, RATE = 32, 0.99, 0.01


class Player:
    """Plays games, and says what to do more often."""

    def __init__(self, game, seed):
        self.game = GAMES[game]()
        self.rng = np.random.default_rng(seed)

    def play(self, weights):
        """Return the gradient of a game, and its score."""
        seen, done, rewards, over = [], [], [], False
        x = self.game.reset(int(self.rng.integers(2**31)))
        while not over:
            seen.append(x)
            done.append(self.rng.random() < chance(weights, x)[1])
            x, reward, over = self.game.step(done[-1])
            rewards.append(reward)
        returns, total = np.zeros(len(rewards)), 0.0
        for t in reversed(range(len(rewards))):
            total = rewards[t] or DISCOUNT * total  # a point is a new start
            returns[t] = total
        returns = (returns - returns.mean()) / (returns.std() + 1e-8)
        seen, done = np.array(seen), np.array(done)
        hidden, chances = chance(weights, seen)
        error = (done - chances) * returns  # d log(chance of done) / d logit
        back = np.outer(error, weights[1]) * (hidden > 0)
        return [seen.T @ back, hidden.T @ error], self.game.score(rewards)


def chance(weights, x):
    """Return the hidden layer, and the chance of the first action."""
    hidden = np.maximum(x @ weights[0], 0)
    return hidden, 1 / (1 + np.exp(-hidden @ weights[1]))


def learn(play, game, rounds):
    """Return weights and scores; `play` returns gradients and scores."""
    rng = np.random.default_rng(0)
    weights = [
        rng.normal(size=(game.INPUTS, HIDDEN)) / np.sqrt(game.INPUTS),
        rng.normal(size=HIDDEN) / np.sqrt(HIDDEN) / 10,
    ]
    means, squares, scores = [0, 0], [0, 0], []
    for number in range(1, rounds + 1):
        games = play(weights)
        for i in range(2):  # a step of Adam (Kingma and Ba, 2014)
            gradient = np.mean(
                [gradients[i] for gradients, _ in games], axis=0
            )
            means[i] = 0.9 * means[i] + 0.1 * gradient
            squares[i] = 0.99 * squares[i] + 0.01 * gradient**2
            size = np.sqrt(squares[i] / (1 - 0.99**number)) + 1e-8
            mean = means[i] / (1 - 0.9**number)
            weights[i] = weights[i] + RATE * mean / size
        scores.append(float(np.mean([score for _, score in games])))
        print(f"round {number:4}  mean score {scores[-1]:6.1f}")
        if np.mean(scores[-5:]) > game.GOAL:
            break
    return weights, scores


def main(
    ray,
    full=False,
    *,
    game: Literal["cartpole", "pong"] = "cartpole",
    players=2,
    rounds=0,
):
    """Return the weights and the scores."""
    rounds, games = rounds or (300 if full else 3), 8 if full else 2
    actor = ray.remote(Player)
    team = [actor.remote(game, seed) for seed in range(players)]

    def play(weights):
        shared = ray.put(weights)
        asked = [one.play.remote(shared) for one in team for _ in range(games)]
        return ray.get(asked)

    weights, scores = learn(play, GAMES[game], rounds)
    if full:
        stands = np.mean(scores[-5:]) > GAMES[game].GOAL
        assert stands, f"not above {GAMES[game].GOAL} in {rounds} rounds"
    else:
        here = [Player(game, seed) for seed in range(players)]
        alone, _ = learn(
            lambda weights: [
                player.play(weights) for player in here for _ in range(games)
            ],
            GAMES[game],
            rounds,
        )
        assert all(map(np.allclose, weights, alone)), "one process differs"
    return weights, scores
