"""Rung 0: a parameter server in one process. What is computed.

    pull ──> Rounds 0, ..., Rounds K-1 <── push

Threads may be workers: one that is too far ahead sleeps until another has
pushed. Every other rung gives what this one gives: it is the oracle of the
tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from minimr.interface import parameter_server as interface
from minimr.interface.parameter_server import (
    ParameterServerError,
    ServerStats,
    Weights,
)
from minimr.shared.parameter_server.consistency import (
    Average,
    Consistency,
    Synchronous,
    Update,
)
from minimr.shared.parameter_server.rounds import Rounds, add_stats, too_slow
from minimr.shared.parameter_server.weights import Ledger, check_weights
from minimr.system import machine


class ParameterServer(interface.ParameterServer):
    """Weights in the memory of this process.

    Args:
        weights: what to begin with.
        num_workers: workers 0 to `num_workers` - 1 are waited for.
        consistency: how stale a worker may read.
        update: what a push means.
        num_servers: parts that the names are dealt to; here it changes
            nothing but the counts.
        checkpoint: not used: what dies here is all of it.
        checkpoint_interval_s: not used.
        timeout_s: how long to wait for slower workers.
        refuse_nan: refuse a push that holds NaN or infinity.
    """

    name = "serial"

    def __init__(
        self,
        weights: Weights,
        num_workers: int,
        consistency: Consistency = Synchronous(),  # noqa: B008  frozen
        update: Update = Average(),  # noqa: B008
        num_servers: int = 1,
        checkpoint: Path | None = None,
        checkpoint_interval_s: float = 5.0,
        timeout_s: float = 600.0,
        refuse_nan: bool = False,
    ) -> None:
        own = {n: a.copy() for n, a in check_weights(weights).items()}
        # [1] shard: the names are dealt to the servers
        self._ledger = Ledger(own, num_servers, refuse_nan)
        # [2] start: nothing to start, a server is an object
        self._servers = [
            Rounds({n: own[n] for n in hand}, num_workers, consistency, update)
            for hand in self._ledger.hands
        ]
        self._timeout_s = timeout_s
        self._changed = machine.condition()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "this parameter server is in one process and cannot travel: "
            "minimr.sockets.parameter_server has one that can"
        )

    def pull(
        self, worker: int | None = None, changed_only: bool = False
    ) -> Weights:
        """Copy the weights. Blocks: as long as the interface says."""
        with self._changed:
            if worker is not None:
                self._wait(worker)
            # [3] pull: what has changed, from each server
            pulled = [
                server.pull(worker, reading)
                for server, reading in zip(
                    self._servers,
                    self._ledger.since(worker, changed_only),
                    strict=True,
                )
            ]
            merged = self._ledger.merge(worker, pulled)
        # Published arrays are never written to, so this needs no lock.
        return {name: array.copy() for name, array in merged.items()}

    def push(self, worker: int, update: Weights) -> None:
        """Copy an update and apply it, or keep it for its round."""
        parts = self._ledger.split(update)
        with self._changed:
            clock = self._wait(worker) + 1
            # [4] push: each server gets a copy of its part
            for server, part in zip(self._servers, parts, strict=True):
                own = {name: array.copy() for name, array in part.items()}
                server.push(worker, clock, own)
            self._changed.notify_all()

    def join(self, worker: int) -> None:
        """Let a worker in."""
        with self._changed:
            newest = max(server.newest for server in self._servers)
            for server in self._servers:
                server.join(worker, newest)
            self._changed.notify_all()

    def leave(self, worker: int) -> None:
        """Wait for a worker no more."""
        with self._changed:
            for server in self._servers:
                server.leave(worker)
            self._changed.notify_all()

    def stats(self) -> ServerStats:
        """Return what has happened until now."""
        with self._changed:
            return add_stats([server.stats for server in self._servers])

    def close(self) -> None:
        """Nothing was started."""

    def _wait(self, worker: int) -> int:
        """Wait until a worker may go on. Returns: its clock."""
        # [5] wait: the thread sleeps until another one has pushed
        first = self._servers[0]

        def ready() -> bool:
            return first.ready(worker, {worker: first.clock_of(worker)})

        if not self._changed.wait_for(ready, self._timeout_s):
            laggards = first.laggards(first.clocks[worker])
            raise ParameterServerError(
                too_slow(worker, laggards, self._timeout_s)
            )
        return first.clocks[worker]
