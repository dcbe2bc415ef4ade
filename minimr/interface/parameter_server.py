"""A parameter server, as every rung of the ladder implements it.

    worker ── pull() ──> weights ── compute ──> push(worker, update)
      ^                                            │
      └── waits while too far ahead of the slowest ┘

Rules that hold on every rung:

1. In a synchronous round the pushes are folded in the order of the worker
   ids, so that the weights are the same bits on every rung.
2. A push counts exactly once, however often it is sent.

The names are those of Li et al., "Scaling Distributed Machine Learning with
the Parameter Server", OSDI 2014.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# {name: array of any shape, also () and (0,)}
Weights: TypeAlias = "dict[str, NDArray[np.float32]]"


@dataclass
class ServerStats:
    """Counters of server 0; bytes and restarts are summed over all servers."""

    rounds: int = 0  # updates applied; unless synchronous, one per push
    pushes: int = 0
    pulls: int = 0
    duplicates: int = 0  # pushes that came again and did not count
    pushed_bytes: int = 0  # of the arrays alone
    pulled_bytes: int = 0
    restarts: int = 0  # servers replaced
    # {updates applied between a worker's pull and its push: pushes}
    staleness: Counter[int] = field(default_factory=Counter)
    # {rounds that a reader was ahead of the slowest worker: pulls}
    lead: Counter[int] = field(default_factory=Counter)


class ParameterServerError(RuntimeError):
    """A worker waited too long or is not in, or a server is gone."""


class ParameterServer(ABC):
    """Weights that workers share. A pickled copy is a client of it."""

    name: str

    @abstractmethod
    def pull(
        self, worker: int | None = None, changed_only: bool = False
    ) -> Weights:
        """Return the weights, in arrays that are the caller's own.

        Blocks: until `worker` is no further ahead of the slowest than it
        may be; not at all for None, which only looks.

        Args:
            worker: the one that reads; its next push is based on what it
                gets.
            changed_only: leave out what has not changed since this object's
                last pull for this worker.

        Raises:
            ParameterServerError: the others were too slow; the
                worker has left; a server is gone.
        """

    @abstractmethod
    def push(self, worker: int, update: Weights) -> None:
        """Add an update, of all the weights or some.

        Blocks: until it counts. It is applied when its round is complete.

        Raises:
            ParameterServerError: as `pull`.
            KeyError, TypeError, ValueError: an unknown name, a type other
                than float32, a wrong shape. Nothing was sent.
        """

    @abstractmethod
    def join(self, worker: int) -> None:
        """Add a worker, new or again: it begins with the next round."""

    @abstractmethod
    def leave(self, worker: int) -> None:
        """Remove a worker: nobody waits for it. What it has pushed counts."""

    @abstractmethod
    def stats(self) -> ServerStats:
        """Return the counters."""

    @abstractmethod
    def close(self) -> None:
        """Stop the servers; a client only disconnects from them."""

    def __enter__(self) -> ParameterServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
