"""The contenders of the benchmark of parameter servers, and its worker.

bare socket   sendall ──> recv_into one buffer, one byte back: a push
              one byte ──> sendall, recv_into one buffer: a pull
the rungs     push and pull of one array, by one worker, asynchronous
the call      the same array to an actor that does nothing with it, and back:
              what a rung with verbs cannot be faster than
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.common.timing import Sample
from minimr.interface.parameter_server import ParameterServer, Weights
from minimr.ladder import ENGINES, LADDER, WITH_VERBS, open_parameter_server
from minimr.shared.parameter_server.consistency import Asynchronous, Gradients
from minimr.system.leaving import deaf

RATE = Gradients(1e-6)  # a push is applied, with all that it costs

RUNGS = ENGINES[1:]  # not the for loop: nothing is sent there
BARE = "bare socket"
ALONE = ", the call alone"  # after the name of a rung
ROUNDS = 10  # of a worker, in one sample


def start_clusters(rungs: tuple[str, ...]) -> list[Any]:
    """Start the clusters of the rungs that have one; return the modules."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    modules = []
    for rung in rungs:
        if rung in WITH_VERBS:
            api = import_module(LADDER[rung].verbs)
            quiet = {"include_dashboard": False, "logging_level": "ERROR"}
            options = quiet if rung == "ray" else {}
            api.init(address="local", num_cpus=2, **options)
            modules.append(api)
    return modules


class Rung:
    """One array on one server."""

    def __init__(self, rung: str, size: int) -> None:
        self._update = {"w": np.ones(size // 4, np.float32)}
        self._servers = open_parameter_server(
            rung, self._update, 1, Asynchronous(), RATE
        )

    def push(self) -> None:
        """Push once."""
        self._servers.push(0, self._update)

    def pull(self) -> None:
        """Pull once."""
        self._servers.pull(0)

    def close(self) -> None:
        """Stop the server."""
        self._servers.close()


class Box:
    """An actor that keeps an array. Its methods are coroutines, as there."""

    def __init__(self, update: Weights) -> None:
        self._update = update

    async def take(self, update: Weights) -> None:
        """Take an array."""

    async def give(self) -> Weights:
        """Return one."""
        return self._update


class CallAlone:
    """One array as an argument, and as a result, of a call."""

    def __init__(self, rung: str, size: int) -> None:
        self._api = import_module(LADDER[rung].verbs)
        self._update = {"w": np.ones(size // 4, np.float32)}
        actor = self._api.remote(Box).options(num_cpus=0)
        self._box = actor.remote(self._update)

    def push(self) -> None:
        """Send the array."""
        self._api.get(self._box.take.remote(self._update))

    def pull(self) -> Weights:
        """Return one that may be written to."""
        got = self._api.get(self._box.give.remote())
        return {name: array.copy() for name, array in got.items()}

    def close(self) -> None:
        """End the actor."""
        self._api.kill(self._box)


class BareSocket:
    """The same bytes through one socket, into existing memory."""

    def __init__(self, size: int) -> None:
        self._data = np.ones(size, np.uint8).data
        with socket.create_server(("127.0.0.1", 0)) as listener:
            context = multiprocessing.get_context("spawn")
            self._process = context.Process(
                target=_serve_bytes, args=(listener.getsockname(), size)
            )
            with deaf():
                self._process.start()
            self._socket, _ = listener.accept()
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def push(self) -> None:
        """Send all, and wait for a byte."""
        self._socket.sendall(b">")
        self._socket.sendall(self._data)
        self._socket.recv(1)

    def pull(self) -> None:
        """Send a byte, and receive all."""
        self._socket.sendall(b"<")
        _receive(self._socket, self._data)

    def close(self) -> None:
        """End the other process."""
        self._socket.close()
        self._process.join()


def _serve_bytes(address: tuple[str, int], size: int) -> None:
    data = np.ones(size, np.uint8).data
    with socket.create_connection(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while what := connection.recv(1):
            if what == b">":
                _receive(connection, data)
                connection.sendall(b".")
            else:
                connection.sendall(data)


def _receive(connection: socket.socket, data: memoryview) -> None:
    filled = 0
    while filled < len(data):
        filled += connection.recv_into(data[filled:])


def sample(mover: Any, seconds: float) -> Sample:
    """Push for a while, then pull; return the seconds of one of each."""
    return Sample(
        {
            "push": seconds_each(mover.push, seconds),
            "pull": seconds_each(mover.pull, seconds),
        }
    )


def seconds_each(move: Callable[[], None], seconds: float) -> float:
    """Return the mean seconds of a move, over two or more, after one more."""
    move()
    begun, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begun) < seconds or count < 2:
        move()
        count += 1
    return took / count


def time_rounds(
    rung: str, weights: Weights, num_workers: int, shards: int
) -> Sample:
    """Time synchronous rounds; return the slowest worker's time per round."""
    with open_parameter_server(
        rung, weights, num_workers, num_servers=shards, timeout_s=60.0
    ) as servers:
        if rung in WITH_VERBS:
            api = import_module(LADDER[rung].verbs)
            task = api.remote(work).options(num_cpus=0)
            refs = [
                task.remote(servers, worker, ROUNDS)
                for worker in range(num_workers)
            ]
            return Sample({"round": max(api.get(refs))})
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(num_workers, mp_context=context) as pool:
            travels = pickle.dumps(servers)
            with deaf():
                futures = [
                    pool.submit(work_for, travels, worker, ROUNDS)
                    for worker in range(num_workers)
                ]
            took = max(future.result() for future in futures)
            return Sample({"round": took})


def work_for(travels: bytes, worker: int, rounds: int) -> float:
    """Be a worker with a pickled client."""
    return work(pickle.loads(travels), worker, rounds)


def work(servers: ParameterServer, worker: int, rounds: int) -> float:
    """Be a worker: push and pull; return the seconds per round."""
    update = servers.pull(worker)
    servers.push(worker, update)
    servers.pull(worker)  # when all have come so far
    begun = time.perf_counter()
    for _ in range(rounds):
        servers.push(worker, update)
        servers.pull(worker)
    return (time.perf_counter() - begun) / rounds
