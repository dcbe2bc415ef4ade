"""Rounds of a parameter server, on any engine: its workers are map tasks.

    driver: ParameterServer ──> Job(Worker(a client of it)) ──> N map tasks
    round:  work, a part of the same whole ─> pull ─> push

Every gradient is 1, so the weights count the rounds: a push that is lost or
counted twice shows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.scaling.jobs import add_up, check_numbers
from minimr.interface.mapreduce import Job, MapReduce
from minimr.interface.parameter_server import ParameterServer, Weights
from minimr.ladder import open_parameter_server
from minimr.shared.parameter_server.consistency import Gradients, Synchronous

UNIT = 1_000_000  # numbers in a unit of work: about a millisecond of a core
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Worker:
    """A map function that trains; its split is the number of the worker."""

    servers: ParameterServer
    rounds: int
    units: int  # of work in each round

    def __call__(self, number: int) -> Mapping[str, int]:
        """Work, pull and push in each round; return the rounds."""
        numbers = np.linspace(-1, 1, UNIT, dtype=np.float32)
        for _ in range(self.rounds):
            # Work first: a task that waits gives its CPU back, so another
            # task would come to its node while a third node stays idle.
            for _ in range(self.units):
                np.tanh(np.sin(numbers))
            weights = self.servers.pull(number)
            ones = {n: np.ones_like(array) for n, array in weights.items()}
            self.servers.push(number, ones)
        return {"rounds": self.rounds}


_begun: list[ParameterServer] = []  # for the next `train`


def begin(
    engine: MapReduce, workers: int, rounds: int, units: int, size: int
) -> None:
    """Start a server for the next `train`. Blocks: until it has started."""
    weights = {"w": np.zeros(size // 4, np.float32)}
    _begun.append(_servers(engine, weights, workers))


def train(
    engine: MapReduce, workers: int, rounds: int, units: int, size: int
) -> dict[str, Any]:
    """Train with one worker per node; `size`: of the weights, in bytes."""
    if not _begun:
        begin(engine, workers, rounds, units, size)
    with _begun.pop() as servers:
        job = Job("train", Worker(servers, rounds, units // workers), _total)
        start, used = time.perf_counter(), time.process_time()
        result = engine.run(job, range(workers), 1)
        seconds = time.perf_counter() - start
        used = time.process_time() - used
        checked = add_up(result.apply(check_numbers))
        reruns = result.stats.reruns
        result.close()
        final = servers.pull()["w"]
        stats = servers.stats()
    return {
        "seconds": seconds,
        "driver_cpu_seconds": used,
        "check": {
            **checked,
            "applied": round(float(-final.mean())),
            "pushes": stats.pushes,
        },
        "reruns": reruns,
        "pulled_bytes": stats.pulled_bytes,
    }


def _servers(
    engine: MapReduce, weights: Weights, workers: int
) -> ParameterServer:
    rules = (Synchronous(), Gradients(1.0))
    options: dict[str, Any] = {"timeout_s": TIMEOUT_S}
    if engine.name == "sockets":
        options["host"] = engine.address[0]
    servers: ParameterServer = open_parameter_server(
        engine.name, weights, workers, *rules, **options
    )
    return servers


def _total(key: str, rounds: list[int]) -> int:
    return sum(rounds)
