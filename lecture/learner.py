"""One network that learns to land, with all that it needs for that.

    Learner: environment ── games ──> replay buffer ── batches ──> network
                  ^                                                   │
                  └───────────────────── actions ─────────────────────┘

The notebooks of the assignment use it as it is: what they are about is how
several of them learn together.
"""

from __future__ import annotations

from pathlib import Path

from dqn.algorithm.evaluation import Examiner
from dqn.algorithm.network import Weights
from dqn.algorithm.trainer import Trainer
from dqn.runs.checkpoint import CheckpointFile, Latest, read
from dqn.settings import Settings
from dqn.watch.film import Gif
from dqn.watch.play import Stage, network_of


class Learner:
    """Trains one network in this process.

    Args:
        seed: of its random numbers: its games are its own.
        batch_size: transitions per update.
        num_epochs: games per call of `train`.
        environment: its id in Gymnasium.
        test_games: whose average is the score of a test.
    """

    def __init__(
        self,
        seed: int,
        batch_size: int = 64,
        num_epochs: int = 5,
        environment: str = "LunarLander-v3",
        test_games: int = 10,
    ) -> None:
        self._settings = Settings(
            environment=environment,
            seed=seed,
            batch_size=batch_size,
            num_epochs_agents_train=num_epochs,
            share="weights",
        )
        self._trainer = Trainer(self._settings)
        self._examiner = Examiner(environment, test_games)
        self._steps = self._rounds = 0

    def train(self) -> None:
        """Play `num_epochs` games, and learn from them."""
        self._steps += self._trainer.train(self._steps).steps
        self._rounds += 1

    def weights(self) -> Weights:
        """Return the weights by name: not copies, the network's own."""
        return self._trainer.dqn.weights()

    def load(self, weights: Weights) -> None:
        """Copy weights into the network."""
        self._trainer.dqn.load(weights)

    def test(self) -> float:
        """Play the test games, always the same ones; return the average."""
        return self._examiner.average(self._trainer.dqn.q_network)

    def save(self, path: str, score: float) -> None:
        """Write the weights to a file, in the place of what is there."""
        Path(path).unlink(missing_ok=True)
        file = CheckpointFile(path, self._settings)
        file.save(Latest(self.weights(), self._rounds, self._steps), score)


def film(checkpoint: str, path: str, seed: int = 0) -> float:
    """Film a game of the network in a file; return its score.

    Args:
        checkpoint: what `Learner.save` has written.
        path: of the film, a GIF.
        seed: of the game.
    """
    found = read(checkpoint)
    stage = Stage(found.environment)
    gif = Gif(path, stage.frames_per_second)
    score = 0.0
    try:
        network = network_of(found, found.environment)
        for frame in stage.games(network, [seed]):
            gif.add(frame)
            score = frame.score
        gif.save()
    finally:
        gif.close()
        stage.close()
    return score
