"""The rules of a parameter server: when a worker may read, what a push does.

    push(worker, clock, update)          pull(worker, since)
       │ counted before? ─> nothing         │
       v                                    v
    ┌ Synchronous: kept until every ┐    weights that changed,
    │   live worker has pushed      │    and the reading they make
    └ else: applied at once ────────┘

A worker's clock is the number of rounds that it has pushed. The worker counts
them and sends the clock along, with the clocks of others that its client
knows. So a server recognises a push that comes twice, and one that was
replaced from an old checkpoint catches up.

Rules:

1. A worker proceeds while its clock is at most `bound` ahead of that of the
   slowest live worker: 0 is synchronous, infinity asynchronous.
2. A round is folded in the order of the worker ids.
3. A published array is never written to again, so it can be sent meanwhile.
   An update builds the next array in the memory of the push.
4. Nothing here blocks or does I/O: `ready` returns whether to wait.

Every rung runs this. The rungs differ in how a message gets here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from minimr.interface.parameter_server import (
    ParameterServerError,
    ServerStats,
    Weights,
)
from minimr.shared.parameter_server.consistency import (
    Consistency,
    Gradients,
    Synchronous,
    Update,
)
from minimr.shared.parameter_server.update import apply_update
from minimr.shared.parameter_server.weights import Pulled, Reading, size_of


class Push(NamedTuple):
    """What a worker has pushed, and the version that it is based on."""

    read_at: int
    update: Weights


class Rounds:
    """The state of one server. Runs in: one thread at a time.

    Args:
        weights: this server's part of them; the arrays are its own now.
        num_workers: the workers 0 to `num_workers` - 1 are in from the
            beginning.
        consistency: how far a worker may be ahead.
        update: what a push means.
    """

    def __init__(
        self,
        weights: Weights,
        num_workers: int,
        consistency: Consistency,
        update: Update,
    ) -> None:
        self.weights = dict(weights)
        self.stats = ServerStats()
        self.clocks = dict.fromkeys(range(num_workers), 0)  # of the live
        self.newest = 0  # the largest clock that there ever was
        self._consistency = consistency
        self._update = update
        self._velocity: Weights = {}  # where gradients have momentum
        if isinstance(update, Gradients) and update.momentum:
            self._velocity = {n: np.zeros_like(a) for n, a in weights.items()}
        self._changed = dict.fromkeys(weights, 0)  # {name: in which version}
        self._read_at: dict[int, int] = {}  # {worker: version}
        self._waiting: dict[int, Push] = {}  # {worker: ...}
        self._round = 0  # the clock of those that have pushed in it

    @property
    def reading(self) -> Reading:
        """The state that the weights are in."""
        return Reading(self.stats.restarts, self.stats.rounds)

    def ready(self, worker: int, clocks: Mapping[int, int]) -> bool:
        """Return whether a worker may pull, or push its next round.

        Args:
            worker: the one that wants to go on.
            clocks: all that its client knows, the worker's own among them.

        Raises:
            ParameterServerError: the worker is not in.
        """
        self.clock_of(worker)
        for other, clock in clocks.items():
            # Ahead of what we know: it pushed to a server that is gone.
            if clock > self.clocks.get(other, clock):
                self._set_clock(other, clock)
        self._fold_if_complete()
        return not self.laggards(clocks[worker])

    def laggards(self, clock: int) -> list[int]:
        """Return the workers that a worker with this clock has to wait for."""
        limit = clock - self._consistency.bound
        return [other for other, at in self.clocks.items() if at < limit]

    def pull(self, worker: int | None, since: Reading) -> Pulled:
        """Return what has changed since a reading of these weights."""
        if worker is not None:
            lead = self.clocks[worker] - min(self.clocks.values())
            self.stats.lead[lead] += 1
            self._read_at[worker] = self.stats.rounds
        version = since.version if since.life == self.reading.life else -1
        changed = {
            name: array
            for name, array in self.weights.items()
            if self._changed[name] > version
        }
        self.stats.pulls += 1
        self.stats.pulled_bytes += size_of(changed)
        return Pulled(self.reading, changed)

    def push(self, worker: int, clock: int, update: Weights) -> bool:
        """Count the push with which a worker's clock becomes `clock`.

        The arrays of the update are the server's own afterwards.

        Returns: False if it has counted before.
        """
        if self.clocks[worker] >= clock:
            self.stats.duplicates += 1
            return False
        push = Push(self._read_at.get(worker, 0), update)
        self.stats.pushes += 1
        self.stats.pushed_bytes += size_of(update)
        if isinstance(self._consistency, Synchronous):
            self._waiting[worker], self._round = push, clock
        else:
            self._apply({worker: push})
        self._set_clock(worker, clock)
        self._fold_if_complete()
        return True

    def clock_of(self, worker: int) -> int:
        """Return how many rounds a worker has pushed. Raises: as `ready`."""
        if worker not in self.clocks:
            raise ParameterServerError(
                f"worker {worker} is not in: it left, its connection ended "
                f"or it never came; join({worker}) lets it in"
            )
        return self.clocks[worker]

    def join(self, worker: int, clock: int) -> None:
        """Add a worker, at a clock that all servers agree on."""
        self._set_clock(worker, clock)
        self._fold_if_complete()

    def leave(self, worker: int) -> None:
        """Remove a worker: nobody waits for it any more."""
        self.clocks.pop(worker, None)
        self._read_at.pop(worker, None)
        self._fold_if_complete()

    def _set_clock(self, worker: int, clock: int) -> None:
        self.clocks[worker] = clock
        self.newest = max(self.newest, clock)

    def _fold_if_complete(self) -> None:
        slowest = min(self.clocks.values(), default=self._round)
        if self._waiting and slowest >= self._round:
            pushes, self._waiting = self._waiting, {}
            self._apply(pushes)

    def _apply(self, pushes: dict[int, Push]) -> None:
        for push in pushes.values():
            self.stats.staleness[self.stats.rounds - push.read_at] += 1
        self.stats.rounds += 1
        in_order = [pushes[worker].update for worker in sorted(pushes)]
        whole = isinstance(self._consistency, Synchronous)
        for name, old in self.weights.items():
            arrays = [push[name] for push in in_order if name in push]
            if arrays:
                self.weights[name] = apply_update(
                    self._update,
                    old,
                    arrays,
                    self._velocity.get(name),
                    # One of n workers moves the average by its share only.
                    1 if whole else max(1, len(self.clocks)),
                )
                self._changed[name] = self.stats.rounds


def add_stats(parts: list[ServerStats]) -> ServerStats:
    """Return the counters of all servers as one.

    Every push and pull goes to every server, so server 0's are counted.
    """
    return replace(
        parts[0],
        pushed_bytes=sum(part.pushed_bytes for part in parts),
        pulled_bytes=sum(part.pulled_bytes for part in parts),
        restarts=sum(part.restarts for part in parts),
        staleness=Counter(parts[0].staleness),
        lead=Counter(parts[0].lead),
    )


def too_slow(worker: int, laggards: list[int], timeout_s: float) -> str:
    """Return the error of a worker that has waited for others in vain."""
    names = ", ".join(map(str, laggards))
    return (
        f"worker {worker} has waited {timeout_s:g} s for worker {names}: if "
        f"it is gone, leave({laggards[0] if laggards else 0}) lets the others "
        "go on"
    )
