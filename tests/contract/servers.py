"""The rungs of the parameter server, and how a test begins on one.

Starting servers takes a while, so all tests of a rung share two of them,
which `begin` gives new weights; faults have servers of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minimr.interface.parameter_server import ParameterServer, Weights
from minimr.serial import parameter_server as serial
from minimr.shared.parameter_server.checkpoint import load
from minimr.shared.parameter_server.consistency import (
    Average,
    Consistency,
    Synchronous,
    Update,
)
from minimr.shared.parameter_server.weights import Ledger
from minimr.sockets import parameter_server
from minimr.sockets.servers import messages as m
from ray_impl import parameter_server as ray_parameter_server

NUM_SERVERS = 2
TIMEOUT_S = 20.0

RUNGS = ("serial", "sockets", "minimr", "ray")


def only_on(*names: str) -> pytest.MarkDecorator:
    """Run a test on these rungs alone."""
    return pytest.mark.parametrize("rung", names, indirect=True)


on_servers = only_on(*(name for name in RUNGS if name != "serial"))


class Rung:
    """One rung, and two servers of it.

    Attributes:
        api: the module with the verbs, where the rung is made of them.
    """

    def __init__(self, name: str, api: Any) -> None:
        self.name = name
        self.api = api
        self._servers: Any = None

    def __enter__(self) -> Rung:
        self.begin({"w": array(0)}, 1)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._servers is not None:
            self._servers.close()

    def open(
        self, weights: Weights, num_workers: int, *args: Any, **options: Any
    ) -> Any:
        """Start servers of one's own."""
        if self.name == "serial":
            kind: Any = serial.ParameterServer
        elif self.name == "sockets":
            kind = parameter_server.ParameterServer
        else:
            kind = ray_parameter_server.ParameterServer
            options["api"] = self.api
        return kind(weights, num_workers, *args, **options)

    def begin(
        self,
        weights: Weights,
        num_workers: int,
        consistency: Consistency = Synchronous(),  # noqa: B008
        update: Update = Average(),  # noqa: B008
        timeout_s: float = TIMEOUT_S,
    ) -> ParameterServer:
        """Give the shared servers new weights."""
        rules = (num_workers, consistency, update)
        if self._servers is None or self.name == "serial":
            self._servers = self.open(
                weights,
                *rules,
                num_servers=NUM_SERVERS,
                timeout_s=timeout_s,
            )
            return self._servers  # type: ignore[no-any-return]
        servers = self._servers
        servers._ledger = Ledger(weights, NUM_SERVERS)
        servers._timeout_s = timeout_s
        parts = servers._ledger.split(weights)
        if self.name == "sockets":
            servers._ask(m.Start(part, *rules) for part in parts)
        else:
            servers._ask(
                server.start.remote(part, *rules)
                for server, part in zip(servers._servers, parts, strict=True)
            )
        return servers  # type: ignore[no-any-return]


def array(*numbers: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Make a float32 array."""
    return np.array(numbers, np.float32)


def load_weights(folder: Path) -> Weights:
    """Read the weights from the checkpoints of all servers in a folder."""
    files = sorted(folder.glob("server-*.rounds"))
    assert files, f"no checkpoint in {folder}"
    weights: Weights = {}
    for file in files:
        weights.update(load(file).weights)
    return weights


def same(left: Weights, right: Weights) -> bool:
    """Tell whether two weights are the same bits under the same names."""
    return left.keys() == right.keys() and all(
        left[name].shape == right[name].shape
        and left[name].dtype == right[name].dtype
        and left[name].tobytes() == right[name].tobytes()
        for name in left
    )
