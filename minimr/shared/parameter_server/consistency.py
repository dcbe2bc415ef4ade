"""The settings of a parameter server: how stale, and what a push means.

ParameterServer(weights, 4, Synchronous(), Gradients(0.1, momentum=0.9))
                            │              └─ what a push means
                            └─ how many rounds ahead of the slowest a
                               worker may read: 0, `bound`, any number
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import ClassVar


@dataclass(frozen=True)
class Synchronous:
    """All wait for all. A round is one update, made of all its pushes."""

    bound: ClassVar[float] = 0


@dataclass(frozen=True)
class Stale:
    """A worker reads at most `bound` rounds ahead of the slowest one.

    Each push is applied when it comes (Ho et al., NIPS 2013).
    """

    bound: float

    def __post_init__(self) -> None:
        if not self.bound >= 0:  # NaN is refused as well
            raise ValueError(
                f"Stale({self.bound!r}): nobody can be that far ahead: give 0 "
                "or more rounds"
            )


@dataclass(frozen=True)
class Asynchronous:
    """Nobody waits."""

    bound: ClassVar[float] = inf


@dataclass(frozen=True)
class Gradients:
    """A push is a gradient: v = momentum v + g; weights -= learning_rate v.

    In a synchronous round, g is the mean of its gradients.
    """

    learning_rate: float
    momentum: float = 0.0

    def __post_init__(self) -> None:
        for name, number in vars(self).items():
            if not isfinite(number):
                raise ValueError(f"{name}={number!r} is no finite number")


@dataclass(frozen=True)
class Average:
    """A push is a worker's weights: the new weights are their mean.

    Outside of synchronous rounds one worker of n moves the weights 1/n of
    the way to its own (elastic averaging: Zhang et al., NIPS 2015).
    """


Consistency = Synchronous | Stale | Asynchronous
Update = Gradients | Average
