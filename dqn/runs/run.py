"""A training run: rounds, tests, the checkpoint, the log.

    train ─> train ─> ... ─> test ─> checkpoint, log ─> good enough? end
      ^                                                     │ no
      └─────────────────────────────────────────────────────┘

One loop runs both the learner of one process and the team of agents. Its
clock stands still during tests.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from math import isnan
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dqn.algorithm.dqn import layers_of
from dqn.algorithm.network import Weights
from dqn.algorithm.trainer import Progress
from dqn.errors import DQNError
from dqn.runs.checkpoint import CheckpointFile, Latest
from dqn.settings import Settings

NEWEST_GAMES = 100  # of which the training score is the average
SPENT = ("episodes", "updates", "seconds", "cpu_seconds")


class Trains(Protocol):
    """What a run needs of a learner or a team."""

    steps: int
    rounds: int

    def train(self) -> Progress:
        """Train for one round."""
        ...

    def test(self) -> float:
        """Play the test games; return the average score."""
        ...

    def latest(self) -> Latest:
        """Return the state of the training."""
        ...


@dataclass
class Status:
    """How a run is doing."""

    round: int = 0
    episodes: int = 0
    steps: int = 0
    updates: int = 0
    seconds: float = 0.0  # of training, without tests
    cpu_seconds: float = 0.0  # of training, of all processes
    average_score: float | None = None  # of the newest training games
    test_score: float | None = None  # of the newest test
    test_round: int = 0  # the round of that test
    best_score: float | None = None

    @property
    def steps_per_second(self) -> float:
        """How fast it has trained."""
        return self.steps / self.seconds if self.seconds else 0.0


class Log:
    """Writes a line of JSON per test: `run.jsonl`.

    The first line has the settings, so that a picture can name them. A line
    that cannot be written is kept, and written before the next one.

    Args:
        path: of the file; None: nothing is written.
        facts: the first line.
        resume: keep the lines that are there, the first one included.

    Raises:
        DQNError: the file cannot be written.
    """

    def __init__(
        self, path: str | None, facts: dict[str, Any], resume: bool = False
    ) -> None:
        self._path = None if path is None else Path(path)
        self._waiting = ""  # what could not be written yet
        if not (resume and self._path and self._path.exists()):
            self._write("w", facts)

    def add(self, status: Status, game: dict[str, Any] | None = None) -> None:
        """Write one line.

        Args:
            status: with the newest test.
            game: one of that test, as `dqn.watch.flight` tells it.

        Raises:
            DQNError: it cannot be written now.
        """
        played = {} if game is None else {"game": game}
        self._write("a", {**asdict(status), **played})

    def _write(self, mode: str, line: dict[str, Any]) -> None:
        if self._path is None:
            return
        self._waiting += json.dumps(line) + "\n"
        size = None
        try:
            with self._path.open(mode, encoding="utf-8") as file:
                size = file.tell()
                file.write(self._waiting)
        except OSError as error:
            if size is not None:  # no half a line
                with suppress(OSError):
                    os.truncate(self._path, size)
            raise DQNError(
                f"cannot write {self._path}: {error.strerror}"
            ) from error
        self._waiting = ""


class Run:
    """Trains until a test is good enough.

    Args:
        settings: when to test and when to end.
        learner: a `Learner` or a `Team`.
        file: keeps the best model and the state of the run, if any.
        log: gets a line per test, if any.
        show: called after every round.
        latest: where the learner continues; so do the counters.
        tell: called with a line for the user.
        fly: plays a game with the weights of a test, for the log.

    A file that cannot be written does not end a run: the user gets a line,
    and it is tried again after the next test.
    """

    def __init__(
        self,
        settings: Settings,
        learner: Trains,
        file: CheckpointFile | None = None,
        log: Log | None = None,
        show: Callable[[Status], None] = lambda status: None,
        latest: Latest | None = None,
        tell: Callable[[str], None] = lambda line: None,
        fly: Callable[[Weights], dict[str, Any]] | None = None,
    ) -> None:
        self._settings, self._learner, self._tell = settings, learner, tell
        self._fly = fly
        self._file, self._log, self._show = file, log, show
        self._scores: deque[float] = deque(maxlen=NEWEST_GAMES)
        self.status = Status()
        if latest is not None:
            self.status = Status(
                latest.rounds,
                steps=latest.steps,
                **latest.spent,  # type: ignore[arg-type]
            )
        self._first_round = self.status.round
        self._unwritten: DQNError | None = None

    def run(self) -> Status:
        """Train. Blocks: until the target or the last round is reached.

        If a Ctrl-C or an error ends it, the state of the run is saved, unless
        its weights are not finite.

        Raises:
            DQNError: the newest test could not be written.
        """
        try:
            while not self._is_over():
                self._round()
                if self._is_time_to_test():
                    self._test()
                self._show(self.status)
        except BaseException:
            if self._file is not None and self._has_trained():
                latest = self._latest()
                if all(np.isfinite(w).all() for w in latest.weights.values()):
                    self._file.save(latest)
            raise
        if self._unwritten is not None:
            raise self._unwritten
        return self.status

    @property
    def verdict(self) -> str:
        """Whether a test has reached the target, in words."""
        has = "has reached" if self._is_good_enough() else "has not reached"
        return f"the test average {has} {self._settings.target_score:g}"

    def _has_trained(self) -> bool:
        return self.status.round > self._first_round

    def _latest(self) -> Latest:
        spent = {name: getattr(self.status, name) for name in SPENT}
        return replace(self._learner.latest(), spent=spent)

    def _is_over(self) -> bool:
        return self._is_good_enough() or self._is_time_up()

    def _is_good_enough(self) -> bool:
        best = self.status.best_score
        return best is not None and best >= self._settings.target_score

    def _is_time_up(self) -> bool:
        seconds = self._settings.max_seconds
        return self._learner.rounds >= self._settings.max_rounds or (
            seconds is not None and self.status.seconds >= seconds
        )

    def _is_time_to_test(self) -> bool:
        rounds = self._learner.rounds
        every = self._settings.rounds_between_tests
        return rounds % every == 0 or self._is_time_up()

    def _round(self) -> None:
        begin = time.perf_counter()
        progress = self._learner.train()
        status = self.status
        status.seconds += time.perf_counter() - begin
        status.round = self._learner.rounds
        status.steps += progress.steps
        status.updates += progress.updates
        status.episodes += len(progress.scores)
        status.cpu_seconds += progress.cpu_seconds
        self._scores.extend(progress.scores)
        if self._scores:
            status.average_score = sum(self._scores) / len(self._scores)

    def _test(self) -> None:
        status = self.status
        score = status.test_score = self._learner.test()
        status.test_round = status.round
        if not isnan(score) and (
            status.best_score is None or score > status.best_score
        ):
            status.best_score = score
        self._unwritten = None
        game = None
        if self._file is not None or self._fly is not None:
            latest = self._latest()
            if self._file is not None:
                self._try(self._file.save, latest, score)
            game = self._fly and self._fly(layers_of(latest.weights))
        if self._log is not None:
            self._try(self._log.add, status, game)

    def _try(self, write: Callable[..., object], *args: Any) -> None:
        try:
            write(*args)
        except DQNError as error:
            self._unwritten = error
            self._tell(f"{error}; it is tried again after the next test")
