"""Interleaved rounds, and statistics over them.

    round 0   loop  ray  pool     the warm-up: kept, but in no statistics
    round 1   ray  pool  loop
    round 2   pool  loop  ray     each round in an order of its own

Rules:

1. Contenders take turns, so that whatever else the machine does slows all of
   them alike.
2. A contender that fails drops out, and the others continue.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeVar

WARM_UP = 0  # the number of the round
T = TypeVar("T")


class ContenderError(RuntimeError):
    """A contender has failed. `details` is its traceback, if any."""

    def __init__(self, reason: str, details: str = "") -> None:
        super().__init__(reason)
        self.details = details


@dataclass(frozen=True)
class Sample:
    """The result of one measurement."""

    seconds: dict[str, float]  # by what was timed
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """A sample, with its contender and round."""

    contender: str
    round: int
    sample: Sample


@dataclass(frozen=True)
class Spread:
    """Seconds of several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of one or more values."""
        return cls(median(values), min(values), max(values))


@dataclass
class Outcome:
    """The results of all rounds."""

    measurements: list[Measurement] = field(default_factory=list)
    failures: dict[str, ContenderError] = field(default_factory=dict)

    def samples(self, contender: str) -> list[Sample]:
        """Return the samples of a contender, the warm-up's left out."""
        return [
            measurement.sample
            for measurement in self.measurements
            if measurement.contender == contender
            and measurement.round != WARM_UP
        ]

    def why_failed(self) -> dict[str, dict[str, str]]:
        """Return why contenders have failed, for the JSON."""
        return {
            name: {"reason": str(error), "details": error.details}
            for name, error in self.failures.items()
        }

    def spread(self, contender: str, what: str) -> Spread:
        """Return the spread of a contender's times over its rounds."""
        samples = self.samples(contender)
        return Spread.of([sample.seconds[what] for sample in samples])


def orders(
    names: Sequence[T], rounds: int, seed: int
) -> Iterator[tuple[int, list[T]]]:
    """Yield the rounds, the warm-up first, with the order of each."""
    generator = random.Random(seed)
    for number in range(WARM_UP, WARM_UP + 1 + rounds):
        yield number, generator.sample(list(names), len(names))


def interleave(
    contenders: Mapping[str, Callable[[], Sample]],
    rounds: int,
    seed: int,
    tell: Callable[[str], None],
) -> Outcome:
    """Measure the contenders round by round, a warm-up first.

    Args:
        contenders: {name: a function that measures once}. It raises
            `ContenderError` if it cannot; nothing else is caught.
        tell: called with a line per measurement.
    """
    outcome = Outcome()
    for number, order in orders(list(contenders), rounds, seed):
        where = f"round {number}/{rounds}" if number else "warm-up"
        for name in order:
            if name in outcome.failures:
                continue
            try:
                sample = contenders[name]()
            except ContenderError as error:
                outcome.failures[name] = error
                tell(f"{where:<10} {name:<13} failed: {error}")
                continue
            outcome.measurements.append(Measurement(name, number, sample))
            tell(f"{where:<10} {name:<13} {_in_words(sample.seconds)}")
    return outcome


def _in_words(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{what} {s:.3f} s" for what, s in seconds.items())
