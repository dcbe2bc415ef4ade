"""One of three workers is slow: who waits for it, and how long?

Watch: the same rounds three times. Synchronous, all walk in step; stale, the
fast ones run two rounds ahead; asynchronous, they never wait.
"""

import time
from importlib import import_module
from typing import Any

import numpy as np

from minimr.shared.parameter_server import consistency as way


def main(api: Any, cluster: Any) -> None:
    """Train with each consistency, and count how far ahead readers were."""
    servers = import_module("ray_impl.parameter_server")

    @api.remote
    def train(server: Any, worker: int) -> float:
        for _ in range(6):
            weights = server.pull(worker)
            time.sleep(0.2 if worker == 2 else 0.05)
            server.push(worker, {"sum": np.ones_like(weights["sum"])})
        server.leave(worker)
        return time.perf_counter()

    ready = api.remote(lambda server: time.sleep(0.2))
    for rule in (way.Synchronous(), way.Stale(2), way.Asynchronous()):
        start = {"sum": np.zeros(1, np.float32)}
        with servers.ParameterServer(start, 3, rule, api=api) as server:
            api.get([ready.remote(server) for _ in range(3)])
            begin = time.perf_counter()
            ends = api.get([train.remote(server, n) for n in range(3)])
            ahead = max(server.stats().lead)
        took = [round(end - begin, 2) for end in ends]
        print(f"{type(rule).__name__}: {took} s, ahead by {ahead} at most")
        assert ahead <= rule.bound
