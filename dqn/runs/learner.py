"""The learner in one process, with which the agents are compared.

train, train, ..  ─> test ─> good enough?      all in this process
"""

from __future__ import annotations

from dqn.algorithm.evaluation import Examiner
from dqn.algorithm.trainer import Progress, Trainer
from dqn.runs.checkpoint import Latest
from dqn.settings import Settings


class Learner:
    """Trains and tests one network in this process.

    Args:
        settings: of the run.
        latest: where to continue; None: from the beginning.

    Raises:
        DQNError: the environment cannot be made.
    """

    def __init__(
        self, settings: Settings, latest: Latest | None = None
    ) -> None:
        self._trainer = Trainer(settings)
        self._examiner = Examiner(settings.environment, settings.test_games)
        self.steps, self.rounds = 0, 0
        if latest is not None:
            self.steps, self.rounds = latest.steps, latest.rounds
            self._trainer.dqn.load(latest.weights)
            self._trainer.dqn.copy_to_target()

    def train(self) -> Progress:
        """Train for one round."""
        progress = self._trainer.train(self.steps)
        self.steps += progress.steps
        self.rounds += 1
        return progress

    def test(self) -> float:
        """Play the test games; return the average score."""
        return self._examiner.average(self._trainer.dqn.q_network)

    def latest(self) -> Latest:
        """Return the state of the training."""
        weights = {n: a.copy() for n, a in self._trainer.dqn.weights().items()}
        return Latest(weights, self.rounds, self.steps)

    def close(self) -> None:
        """Close the environments."""
        self._trainer.close()
        self._examiner.close()
