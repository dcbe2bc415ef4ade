"""Rung 3: a parameter server on Ray actors.

    driver or worker                 │ actor 0 ... K-1
    [1] shard   deal ────────────────┼─> start: a part of the names each
    [3] pull    pull.remote() to all ┼─> sleeps until the worker may read
                a copy of what get   <── an object in shared memory, or
                gives                │   inside the reply when it is small
    [4] push    push.remote() to all ┼─> Rounds: kept, or applied at once
                an object again      │   to a copy of what has come

Rules:

1. The servers do not know of each other; workers keep their clocks, so all
   servers see the same ones.
2. Every client holds an object that never gets a value. Its owner is the
   client's process: when that dies, waiting for it ends with an error.
3. An actor that dies is started again by Ray, and takes its last
   checkpoint; `max_task_retries` sends again what was not answered.

The module that has the verbs is a parameter: this file runs on whatever
has Ray's interface. Mirror: `minimr/sockets/parameter_server.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from minimr.interface import parameter_server as interface
from minimr.interface.parameter_server import (
    ParameterServerError,
    ServerStats,
    Weights,
)
from minimr.shared.parameter_server.checkpoint import (
    Checkpoint,
    checkpoint_files,
    load,
)
from minimr.shared.parameter_server.consistency import (
    Average,
    Consistency,
    Synchronous,
    Update,
)
from minimr.shared.parameter_server.rounds import Rounds, add_stats, too_slow
from minimr.shared.parameter_server.weights import (
    Ledger,
    Pulled,
    Reading,
    check_weights,
)
from ray_impl.cluster import at_home, open_cluster
from ray_impl.lifeline import Caller, Homes, Lifeline
from ray_impl.results import get_answers


class ParameterServer(interface.ParameterServer):
    """Weights in K actors of a cluster.

    Args:
        weights: what to begin with.
        num_workers: workers 0 to `num_workers` - 1 are waited for.
        consistency: how stale a worker may read.
        update: what a push means.
        num_servers: actors that the names are dealt to, by bytes.
        checkpoint: a folder that all nodes see; an actor that dies is
            replaced from it. None: they stand on the driver's node.
        checkpoint_interval_s: how much time a replaced server may lose; 0:
            nothing that was answered.
        timeout_s: how long to wait for slower workers.
        refuse_nan: refuse a push that holds NaN or infinity.
        api: the module that has the verbs; None: `ray`.
            vs sockets: there it is told where to listen.

    Raises:
        OSError: the folder cannot be used.
        TypeError: weights that are not float32 arrays.
    """

    name = "ray"

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
        api: Any = None,
    ) -> None:
        checked = check_weights(weights)
        # [1] shard: each server gets names of about as many bytes
        self._ledger = Ledger(checked, num_servers, refuse_nan)
        self._timeout_s = timeout_s
        api, self._started = open_cluster(api)
        self._api, self.name = api, api.__name__
        files = checkpoint_files(checkpoint, num_servers)
        # [2] start: actors, and Ray starts one again that dies
        # vs sockets: processes of our own, which we replace
        times = -1 if checkpoint else 0
        server = api.remote(Server).options(
            num_cpus=0,
            max_restarts=times,
            max_task_retries=times,
            # where nothing replaces it, it must outlive all but the driver
            scheduling_strategy=None if checkpoint else at_home(api),
        )
        self._servers: list[Any] = [
            server.remote(file, checkpoint_interval_s) for file in files
        ]
        self._owner = True  # of the actors
        self._lifeline = Lifeline(self._servers, api.exceptions.RayError)
        parts = self._ledger.split(checked)
        try:
            self._ask(
                s.start.remote(part, num_workers, consistency, update)
                for s, part in zip(self._servers, parts, strict=True)
            )
        except BaseException:
            self.close()
            raise

    def pull(
        self, worker: int | None = None, changed_only: bool = False
    ) -> Weights:
        """Ask all servers at once. Blocks: as long as the interface says."""
        reader = None if worker is None else self._caller(worker)
        since = self._ledger.since(worker, changed_only)
        # [3] pull: `get` gives arrays that nobody may write to: a copy
        # vs sockets: received into the memory that the caller gets
        pulled = self._ask(
            s.pull.remote(reader, reading)
            for s, reading in zip(self._servers, since, strict=True)
        )
        merged = self._ledger.merge(worker, pulled)
        return {name: array.copy() for name, array in merged.items()}

    def push(self, worker: int, update: Weights) -> None:
        """Send each server its part. Blocks: until all have counted it."""
        parts = self._ledger.split(update)
        writer = self._caller(worker)
        # [4] push: the arrays are copied into the object store
        # vs sockets: they go out from where they lie
        self._ledger.clocks.pop(worker)  # not known, should this fail
        self._ask(
            s.push.remote(writer, part)
            for s, part in zip(self._servers, parts, strict=True)
        )
        self._ledger.clocks[worker] = writer.clocks[worker] + 1

    def join(self, worker: int) -> None:
        """Let a worker in, at the same clock on every server."""
        newest = max(self._ask(s.newest.remote() for s in self._servers))
        self._ask(
            s.join.remote(self._lifeline.client, worker, newest)
            for s in self._servers
        )
        self._ledger.clocks[worker] = newest

    def leave(self, worker: int) -> None:
        """Wait for a worker no more."""
        self._ask(s.leave.remote(worker) for s in self._servers)
        self._ledger.clocks.pop(worker, None)

    def stats(self) -> ServerStats:
        """Return what has happened until now."""
        return add_stats(self._ask(s.stats.remote() for s in self._servers))

    def close(self) -> None:
        """End the actors, after a last checkpoint. A client: let go."""
        self._lifeline.close()
        if self._owner:
            with contextlib.suppress(ParameterServerError):  # it is gone
                self._ask(s.save.remote() for s in self._servers)
            for actor in self._servers:
                self._api.kill(actor)
            if self._started:
                self._api.shutdown()
            self._owner = False

    def __getstate__(self) -> dict[str, Any]:
        kept = ("_ledger", "_timeout_s", "_servers")
        state = {name: self.__dict__[name] for name in kept}
        return {**state, "_api": self._api.__name__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _owner=False, _started=False)
        self._api = import_module(state["_api"])
        errors = self._api.exceptions
        self._lifeline = Lifeline(self._servers, errors.RayError)

    def _caller(self, worker: int) -> Caller:
        client, clocks = self._lifeline.client, self._ledger.clocks
        if worker not in clocks:
            clocks[worker] = max(
                self._ask(
                    s.enter.remote(client, worker) for s in self._servers
                )
            )
        return Caller(client, worker, dict(clocks), self._timeout_s)

    def _ask(self, calls: Iterable[Any]) -> list[Any]:
        return get_answers(self._api, calls)


class Server(Homes):
    """One server: an actor whose methods are coroutines of one thread.

    Args:
        path: the file of its checkpoint.
        interval_s: between checkpoints.
    """

    def __init__(self, path: Path | None, interval_s: float) -> None:
        super().__init__()
        self._checkpoint = Checkpoint(path, interval_s)
        self._rounds = Rounds({}, 0, Synchronous(), Average())
        if path is not None and path.exists():  # we have died, or `start`
            self._rounds = load(path)  # will begin anew
        self._changed = asyncio.Condition()

    async def start(
        self, weights: Weights, workers: int, c: Consistency, u: Update
    ) -> None:
        """Begin with these weights, first of all."""
        self._rounds = Rounds(weights, workers, c, u)
        self._home.clear()
        self._checkpoint.save(self._rounds)

    async def newest(self) -> int:
        """Return the largest clock that there ever was."""
        return self._rounds.newest

    async def enter(self, client: str, worker: int) -> int:
        """Return how many rounds a worker has pushed."""
        self._home[worker] = client
        return self._rounds.clock_of(worker)

    async def stats(self) -> ServerStats:
        """Return what has happened until now."""
        return self._rounds.stats

    async def join(self, client: str, worker: int, clock: int) -> None:
        """Let a worker in at this clock."""
        self._home[worker] = client
        self._rounds.join(worker, clock)
        await self._note_change()

    async def save(self) -> None:
        """Write a checkpoint now."""
        self._checkpoint.try_to_save(self._rounds)

    async def pull(self, reader: Caller | None, since: Reading) -> Pulled:
        """Return the weights, once this worker may read."""
        # [5] wait: the method sleeps, and others run
        # vs sockets: the request stays in a list
        if reader is not None:
            await self._ready(reader)
        return self._rounds.pull(reader and reader.worker, since)

    async def push(self, writer: Caller, update: Weights) -> None:
        """Count this update once, as that of the writer's next round."""
        await self._ready(writer)
        # [6] update: the same rules on every rung
        clock = writer.clocks[writer.worker] + 1
        if self._rounds.push(writer.worker, clock, update):
            await self._note_change()

    async def leave(self, worker: int) -> None:
        """Wait for a worker no more."""
        # [7] death: the owner of an object tells, see `lifeline.py`
        # vs sockets: a connection that ends does
        self._rounds.leave(worker)
        await self._note_change()

    async def _ready(self, caller: Caller) -> None:
        client, worker, clocks, timeout_s = caller
        self._home[worker] = client
        # [5] wait: until somebody has pushed, joined or left
        async with self._changed:
            if self._rounds.ready(worker, clocks):
                return
            waiting = self._changed.wait_for(
                lambda: self._rounds.ready(worker, clocks)
            )
            try:
                await asyncio.wait_for(waiting, timeout_s)
            except asyncio.TimeoutError:
                late = self._rounds.laggards(clocks[worker])
                why = too_slow(worker, late, timeout_s)
                raise ParameterServerError(why) from None

    async def _note_change(self) -> None:
        self._checkpoint.changed(self._rounds)
        due_in = self._checkpoint.due_in()
        if due_in is not None:
            asyncio.get_running_loop().call_later(
                due_in, self._checkpoint.save_if_due, self._rounds
            )
        async with self._changed:
            self._changed.notify_all()
