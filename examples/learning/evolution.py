"""Evolution strategies: nothing is sent but the places of random numbers.

All processes share one block of noise, which was put into the store once and
is read in place. A player tries the weights plus and minus a piece of it, and
answers with three numbers: where the piece begins, and both scores. Whoever
has the block knows the direction, and no gradient is ever computed (Salimans
et al., 2017).

Watch: the mean score of the weights; a cart that balances its pole for
       all of a game has 500.
From:  Ray 0.2.2's documentation, "Evolution Strategies".
Next:  let the players send the pieces themselves: how many bytes more are
       that in a round? And with a network of a million weights?
"""

import numpy as np

SIZES = 4, 16, 2  # what is seen, hidden units, actions
WEIGHTS = SIZES[0] * SIZES[1] + SIZES[1] * SIZES[2]
SPREAD, RATE = 0.1, 0.2
BLOCK = 1_000_000


class Player:
    """Plays games with disturbed weights."""

    def __init__(self, noise, seed):
        import gymnasium

        self.noise = noise  # (BLOCK,) float32, read in place
        self.rng = np.random.default_rng(seed)
        self.game = gymnasium.make("CartPole-v1")

    def score(self, weights):
        """Play one game; return how long the pole stood."""
        cut = SIZES[0] * SIZES[1]
        first = weights[:cut].reshape(SIZES[0], SIZES[1])
        second = weights[cut:].reshape(SIZES[1], SIZES[2])
        x, _ = self.game.reset(seed=int(self.rng.integers(2**31)))
        score, over = 0, False
        while not over:
            action = int(np.argmax(np.tanh(x @ first) @ second))
            x, reward, ended, cut_off, _ = self.game.step(action)
            score, over = score + reward, ended or cut_off
        return score

    def attempts(self, weights, count):
        """Return (place, score with the noise, score against it) of each."""
        found = []
        for _ in range(count):
            place = int(self.rng.integers(BLOCK - WEIGHTS))
            piece = SPREAD * self.noise[place : place + WEIGHTS]
            scores = self.score(weights + piece), self.score(weights - piece)
            found.append((place, *scores))
        return found


def improved(weights, noise, found):
    """Return the weights, moved towards the noise that did better."""
    direction = np.zeros(WEIGHTS, np.float32)
    for place, plus, minus in found:
        # Which of the two was better, not by how much: no single lucky game
        # decides.
        direction += np.sign(plus - minus) * noise[place : place + WEIGHTS]
    return weights + RATE * direction / len(found)


def evolve(play, noise, rounds):
    """Return the weights and the scores; `play` returns attempts."""
    weights = np.zeros(WEIGHTS, np.float32)
    scores = []
    for number in range(rounds):
        found = play(weights)
        weights = improved(weights, noise, found)
        scores.append(np.mean([plus + minus for _, plus, minus in found]) / 2)
        print(f"round {number:3}  mean score {scores[-1]:6.1f}")
        if np.mean(scores[-3:]) > 475:
            break
    return weights, scores


def serial(noise, players, count):
    """Return a function that plays in this process."""
    team = [Player(noise, seed) for seed in range(players)]
    return lambda weights: [
        one for player in team for one in player.attempts(weights, count)
    ]


def parallel(ray, noise, players, count):
    """Return a function that plays in actors."""
    shared = ray.put(noise)
    actor = ray.remote(Player)
    team = [actor.remote(shared, seed) for seed in range(players)]

    def play(weights):
        asked = [player.attempts.remote(weights, count) for player in team]
        return [one for found in ray.get(asked) for one in found]

    return play


def main(ray, full=False, *, players=2, rounds=0):
    """Return the weights and the scores."""
    rounds, count = rounds or (100 if full else 3), 20 if full else 4
    noise = np.random.default_rng(0).standard_normal(BLOCK, np.float32)
    weights, scores = evolve(
        parallel(ray, noise, players, count), noise, rounds
    )
    if full:
        assert np.mean(scores[-3:]) > 475, "the pole does not stand"
    else:
        alone, _ = evolve(serial(noise, players, count), noise, rounds)
        assert np.array_equal(weights, alone), "one process finds others"
    return weights, scores
