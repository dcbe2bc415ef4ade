"""Reads the log of a run, `run.jsonl`.

{engine, settings}            the first line
{round, seconds, scores, ..}  one line per test
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dqn.errors import DQNError

SCORE = "test_score"
FACTS = ("engine", "environment", "target_score")
NEEDED = ("round", "seconds", "steps", SCORE)


@dataclass(frozen=True)
class History:
    """The course of one run."""

    name: str
    facts: dict[str, Any]  # the settings, and the engine
    tests: list[dict[str, Any]]  # in order, each a `Status`

    @property
    def best(self) -> float | None:
        """The best score of a test, if there was one."""
        return max((test[SCORE] for test in self.tests), default=None)

    def series(self, key: str) -> list[float]:
        """Return one number of every test; NaN if it has none."""
        values = (test.get(key) for test in self.tests)
        return [float("nan") if v is None else float(v) for v in values]

    def seconds_to(self, score: float) -> float | None:
        """Return after how much training a test first had this score."""
        for test in self.tests:
            if test[SCORE] >= score:
                return float(test["seconds"])
        return None


def read(path: str | Path) -> History:
    """Return the log of a run, which may still be going on.

    Raises:
        DQNError: it cannot be read, or is no such log.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise DQNError(f"cannot read {path}: {reason}") from error
    whole = text[: text.rfind("\n") + 1]  # the last line may be incomplete
    try:
        facts, *tests = map(json.loads, whole.splitlines())
        fits = all(key in facts for key in FACTS) and all(
            key in test for test in tests for key in NEEDED
        )
    except (ValueError, TypeError) as error:
        raise DQNError(f"{path} is not the log of a run") from error
    if not fits:
        raise DQNError(f"{path} is not the log of a run")
    return History(str(Path(path).with_suffix("")), facts, tests)
