"""Named float32 arrays: what they must be, and which server has which.

    weights ── check_weights ──> the same arrays, C-contiguous
            └─ deal ───────────> [names of server 0, names of server 1, ...]

    Ledger: what one client keeps while it works with K servers
      push: update ── split ──> one part per server, to be sent to it
      pull: one reply per server ── merge ──> the weights

Both ends on every rung use this. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minimr.interface.parameter_server import Weights

Shape = tuple[int, ...]


class Reading(NamedTuple):
    """The state of a server that a client has read."""

    life: int  # the number of restarts
    version: int


class Pulled(NamedTuple):
    """server -> client: what has changed since the reading it sent."""

    reading: Reading
    weights: Weights


NOTHING = Reading(-1, -1)  # what a client has read at first


def check_weights(
    weights: Mapping[str, Any], shapes: Mapping[str, Shape] | None = None
) -> Weights:
    """Return the arrays as they can be sent; refuse what cannot be.

    Args:
        weights: from the user.
        shapes: {name: shape} of the weights; None: any.

    Raises:
        KeyError: a name that is not in `shapes`.
        TypeError: no dict, not a float32 array, or a name that is not a
            string.
        ValueError: another shape.
    """
    if not isinstance(weights, Mapping):
        kind = type(weights).__name__
        raise TypeError(f"weights are a dict {{name: array}}, not a {kind}")
    checked = {}
    for name, array in weights.items():
        if not isinstance(name, str):
            raise TypeError(f"{name!r}: the name of weights is a string")
        if shapes is not None and name not in shapes:
            raise KeyError(f"no weights have the name {name!r}")
        # NumPy computes scalars, not arrays, from arrays of shape ().
        if not isinstance(array, (np.ndarray, np.float32)):
            kind = type(array).__name__
            raise TypeError(f"{name!r} is a {kind}, not a NumPy array")
        if array.dtype != np.float32:
            raise TypeError(
                f"{name!r} holds {array.dtype}: convert it to float32, with "
                ".astype(np.float32)"
            )
        if shapes is not None and array.shape != shapes[name]:
            raise ValueError(
                f"{name!r} has the shape {array.shape}, but the weights of "
                f"this name have {shapes[name]}"
            )
        # A view of its own: one array under two names would be pickled
        # once, and the server computes in the memory of each.
        checked[name] = np.asarray(array, order="C").view()
    return checked


def deal(weights: Weights, num_servers: int) -> list[list[str]]:
    """Return the names of each server, dealt so that the bytes are balanced.

    Largest first, each to the least loaded server: at most 4/3 of the optimum
    (Graham, 1969).
    """
    if num_servers < 1:
        raise ValueError(f"{num_servers} servers: there must be at least one")
    hands: list[list[str]] = [[] for _ in range(num_servers)]
    loads = [0] * num_servers
    for name in sorted(weights, key=lambda n: (-weights[n].nbytes, n)):
        lightest = loads.index(min(loads))
        hands[lightest].append(name)
        loads[lightest] += weights[name].nbytes
    return hands


def size_of(weights: Weights) -> int:
    """Return the number of bytes of the arrays."""
    return sum(array.nbytes for array in weights.values())


class Ledger:
    """What a client keeps: which server has which names, and the clocks.

    Attributes:
        hands: the names of each server.
        clocks: {worker: rounds that it has pushed}; known from its first
            pull, push or join on.
    """

    def __init__(
        self, weights: Weights, num_servers: int, refuse_nan: bool = False
    ) -> None:
        self._refuse_nan = refuse_nan
        self.shapes = {name: a.shape for name, a in weights.items()}
        self.hands = deal(weights, num_servers)
        self.clocks: dict[int, int] = {}
        self._read: dict[int | None, list[Reading]] = {}  # {worker: ...}

    def __getstate__(self) -> dict[str, Any]:
        # A copy may serve another worker, and has read nothing yet.
        return {**self.__dict__, "clocks": {}, "_read": {}}

    def split(self, update: Mapping[str, Any]) -> list[Weights]:
        """Check an update, and return it as one part per server."""
        checked = check_weights(update, self.shapes)
        if self._refuse_nan:
            for name, array in checked.items():
                _check_finite(name, array)
        return [
            {name: checked[name] for name in hand if name in checked}
            for hand in self.hands
        ]

    def since(self, worker: int | None, changed_only: bool) -> list[Reading]:
        """Return what this worker has read of each server."""
        nothing = [NOTHING] * len(self.hands)
        return self._read.get(worker, nothing) if changed_only else nothing

    def merge(self, worker: int | None, replies: list[Pulled]) -> Weights:
        """Return the replies as one dict, in the order of the names."""
        self._read[worker] = [reply.reading for reply in replies]
        found: Weights = {}
        for reply in replies:
            found.update(reply.weights)
        return {name: found[name] for name in self.shapes if name in found}


def _check_finite(name: str, array: np.ndarray[Any, Any]) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = tuple(bad[0].tolist())
        raise ValueError(
            f"{name!r} holds {array[place]} at {place}; {len(bad):,} of its "
            "numbers are not finite: this parameter server refuses them"
        )
