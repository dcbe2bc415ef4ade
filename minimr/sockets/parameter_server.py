"""Rung 1: a parameter server by hand, on processes and sockets.

    driver or worker                 │ server process 0 ... K-1
    [1] shard   deal ────────────────┼─> Start: a part of the names each
    [3] pull    Pull to all servers ─┼─> parked until the worker may read
                arrays of the caller <── weights as they lie in memory
    [4] push    Push to all servers ─┼─> Rounds: kept, or applied at once
                the caller's arrays  │   in the memory it was received in

Rules:

1. The servers do not know of each other; workers keep their clocks, so all
   servers see the same ones.
2. A connection that ends is the death of the workers that used it last.
3. A server that dies is replaced from its last checkpoint. Its port stays
   open meanwhile, and clients send again what was not answered.

The papers: Li et al., OSDI 2014; Ho et al., NIPS 2013.
Mirror: `ray_impl/parameter_server.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from minimr.interface import parameter_server as interface
from minimr.interface.parameter_server import (
    ParameterServerError,
    ServerStats,
    Weights,
)
from minimr.net.frames import MAX_FRAME_BYTES
from minimr.net.hub import Hub
from minimr.net.token import load_token
from minimr.shared.parameter_server.checkpoint import Checkpoint
from minimr.shared.parameter_server.consistency import (
    Average,
    Consistency,
    Synchronous,
    Update,
)
from minimr.shared.parameter_server.rounds import Rounds, add_stats, too_slow
from minimr.shared.parameter_server.weights import (
    Ledger,
    check_weights,
    size_of,
)
from minimr.sockets.servers import messages as m
from minimr.sockets.servers.client_connections import Connections
from minimr.sockets.servers.pending_requests import PendingRequests
from minimr.sockets.servers.server_processes import ServerProcesses


class ParameterServer(interface.ParameterServer):
    """Weights in K server processes on the driver's machine.

    Args:
        weights: what to begin with.
        num_workers: workers 0 to `num_workers` - 1 are waited for.
        consistency: how stale a worker may read.
        update: what a push means.
        num_servers: processes that the names are dealt to, by bytes.
        checkpoint: a folder; a server that dies is replaced from it.
        checkpoint_interval_s: how much time a replaced server may lose; 0:
            nothing that was answered.
        timeout_s: how long to wait for slower workers.
        refuse_nan: refuse a push that holds NaN or infinity.
        host: where to listen, for clients on other machines.
            vs Ray: the cluster knows where its actors are.

    Raises:
        OSError: the address, or the folder, cannot be used.
        TypeError: weights that are not float32 arrays.
    """

    name = "sockets"

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
        host: str = "127.0.0.1",
    ) -> None:
        checked = check_weights(weights)
        load_token()  # or it is refused here, and not in the servers
        # [1] shard: each server gets names of about as many bytes
        self._ledger = Ledger(checked, num_servers, refuse_nan)
        self._timeout_s = timeout_s
        frame_bytes = max(MAX_FRAME_BYTES, 2 * size_of(checked))
        # [2] start: processes of our own, and we replace one that dies
        # vs Ray: actors, which Ray starts again
        self._processes: ServerProcesses | None = ServerProcesses(
            num_servers,
            host,
            frame_bytes,
            checkpoint,
            checkpoint_interval_s,
        )
        self.addresses = self._processes.addresses
        self._connections = Connections(self.addresses, frame_bytes)
        try:
            self._ask(
                m.Start(part, num_workers, consistency, update)
                for part in self._ledger.split(checked)
            )
        except BaseException:
            self.close()
            raise

    def pull(
        self, worker: int | None = None, changed_only: bool = False
    ) -> Weights:
        """Ask all servers at once. Blocks: as long as the interface says."""
        clocks = self._clocks(worker)
        # [3] pull: the reply is received into the arrays that we return
        # vs Ray: it is an object in shared memory, or inside the reply
        pulled = self._ask(
            m.Pull(worker, clocks, reading, self._timeout_s)
            for reading in self._ledger.since(worker, changed_only)
        )
        return self._ledger.merge(worker, pulled)

    def push(self, worker: int, update: Weights) -> None:
        """Send each server its part. Blocks: until all have counted it."""
        parts = self._ledger.split(update)
        clocks = self._clocks(worker)
        # [4] push: the arrays go out from where they lie
        # vs Ray: they are copied into the object store
        self._ledger.clocks.pop(worker)  # not known, should this fail
        self._ask(m.Push(worker, clocks, p, self._timeout_s) for p in parts)
        self._ledger.clocks[worker] = clocks[worker] + 1

    def join(self, worker: int) -> None:
        """Let a worker in, at the same clock on every server."""
        newest = max(self._everywhere(m.Newest()))
        self._everywhere(m.Join(worker, newest))
        self._ledger.clocks[worker] = newest

    def leave(self, worker: int) -> None:
        """Wait for a worker no more."""
        self._everywhere(m.Leave(worker))
        self._ledger.clocks.pop(worker, None)

    def stats(self) -> ServerStats:
        """Return what has happened until now."""
        return add_stats(self._everywhere(m.GetStats()))

    def close(self) -> None:
        """End the servers, after a last checkpoint. A client: hang up."""
        if self._processes is not None:
            with contextlib.suppress(ParameterServerError):  # it is gone
                self._everywhere(m.Save())
            self._processes.close()
        self._connections.close()

    @property
    def pids(self) -> list[int]:
        """The process ids of the servers, in the driver."""
        return [] if self._processes is None else self._processes.pids

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_processes": None}  # a client

    def _clocks(self, worker: int | None) -> dict[int, int]:
        clocks = self._ledger.clocks
        if worker is not None and worker not in clocks:
            clocks[worker] = max(self._everywhere(m.Enter(worker)))
        return dict(clocks)

    def _everywhere(self, request: Any) -> list[Any]:
        return self._ask([request] * len(self.addresses))

    def _ask(self, requests: Iterable[Any]) -> list[Any]:
        return self._connections.ask(requests, self._timeout_s)


class Server(PendingRequests):
    """One server. Runs in: a process of its own, one thread.

    Args:
        hub: the connections.
        checkpoint: where to save.
        rounds: the state to go on from, of a server that has died.
    """

    def __init__(
        self, hub: Hub, checkpoint: Checkpoint, rounds: Rounds | None
    ) -> None:
        super().__init__(hub)
        self._checkpoint = checkpoint
        self._rounds = rounds or Rounds({}, 0, Synchronous(), Average())

    def serve(self) -> None:
        """Answer until the process ends."""
        while True:
            self.step(self._checkpoint.due_in())
            self._checkpoint.save_if_due(self._rounds)

    def handle(self, message: Any) -> m.Reply | None:
        """Answer a message. None: it has to wait."""
        rounds = self._rounds
        match message:
            case m.Pull():
                return self._pull(message)
            case m.Push():
                return self._push(message)
            case m.Newest():
                return m.Done(rounds.newest)
            case m.Enter():
                return m.Done(rounds.clock_of(message.worker))
            case m.GetStats():
                return m.Done(rounds.stats)
            case m.Start():
                self._rounds = Rounds(*message)
                self._home.clear()
                self._checkpoint.save(self._rounds)
            case m.Join():
                rounds.join(message.worker, message.clock)
                self._checkpoint.changed(rounds)
            case m.Leave():
                self.leave(message.worker)
            case m.Save():
                self._checkpoint.try_to_save(rounds)
        return m.Done()

    def _pull(self, message: m.Pull) -> m.Pulled | None:
        # [5] wait: the request stays in a list until it can be answered
        # vs Ray: an async method sleeps in the actor
        worker, clocks, since, _ = message
        if worker is not None and not self._rounds.ready(worker, clocks):
            return None
        return self._rounds.pull(worker, since)

    def _push(self, message: m.Push) -> m.Done | None:
        worker, clocks, update, _ = message
        if not self._rounds.ready(worker, clocks):
            return None
        # [6] update: the same rules on every rung
        if self._rounds.push(worker, clocks[worker] + 1, update):
            self._checkpoint.changed(self._rounds)
        return m.Done()

    def leave(self, worker: int) -> None:
        """Wait for a worker no more."""
        # [7] death: a connection that ends tells
        # vs Ray: an object that the worker's process owns does
        self._rounds.leave(worker)
        self._checkpoint.changed(self._rounds)

    def too_late(self, message: Any) -> str:
        """Return an error that says for which workers this one has waited."""
        laggards = self._rounds.laggards(message.clocks[message.worker])
        return too_slow(message.worker, laggards, message.timeout_s)
