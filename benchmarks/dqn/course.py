"""One training run against the clock.

    train ── seconds of training ──> Course.go_on ── due? ──> test, score
      ^                                  │
      └── not over ──────────────────────┘

Rules, the same for all contenders:

1. The clock runs during training and stands still during tests and start.
2. A test is due at fixed times of that clock, or after fixed numbers of
   environment steps, and all play the same test games. By the clock, a slow
   contender has more tests for the same progress. As scores go up and down,
   that is a better chance to pass one early.
3. A run is over at the first test with the highest score of the plan, or when
   its time is up. Not reaching the score is a result, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import floor
from typing import NamedTuple


@dataclass(frozen=True)
class Plan:
    """What every run of the benchmark has in common."""

    environment: str
    scores: tuple[float, ...]  # average test scores, ascending
    limit_s: float  # of training
    test_every_s: float  # of training
    test_games: int
    test_every_steps: int = 0  # 0: by the clock


class Test(NamedTuple):
    """A test, and the training until then."""

    seconds: float  # of training, by the clock on the wall
    cpu_seconds: float  # of training, of all processes that train
    steps: int
    score: float  # the average of the test games


class Course:
    """Decides when to test and when to end.

    Args:
        plan: its settings.
        test: plays the test games, and returns the average score.
    """

    def __init__(self, plan: Plan, test: Callable[[], float]) -> None:
        self._plan, self._test = plan, test
        self._by_steps = plan.test_every_steps > 0
        self._due: float = plan.test_every_steps or plan.test_every_s
        self._every = self._due
        self.tests: list[Test] = []
        self.testing_seconds = 0.0  # the clock that learners subtract
        self.testing_cpu_seconds = 0.0  # of this process

    def go_on(self, seconds: float, cpu_seconds: float, steps: int) -> bool:
        """Test if it is time; return whether to continue training.

        Args:
            seconds: of training until now; so are the others.
        """
        is_up = seconds >= self._plan.limit_s
        now = steps if self._by_steps else seconds
        if now < self._due and not is_up:
            return True
        self._due = self._every * (floor(now / self._every) + 1)
        begin, cpu = time.perf_counter(), time.process_time()
        score = self._test()
        self.testing_seconds += time.perf_counter() - begin
        self.testing_cpu_seconds += time.process_time() - cpu
        self.tests.append(Test(seconds, cpu_seconds, steps, score))
        return score < self._plan.scores[-1] and not is_up
