"""The engines by name: the rungs of the ladder, from the for loop to Ray.

Nothing of an engine is loaded before it is opened.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from functools import partial
from typing import Any

from minimr.interface.mapreduce import MapReduce
from minimr.net.channel import Address, parse_address


class EngineError(ValueError):
    """No such engine, or it cannot be opened this way."""


@dataclass(frozen=True)
class Options:
    """How to open an engine."""

    workers: int
    address: Address | None = None  # of a cluster to join
    listen: Address | None = None  # where workers may join us


# {name on the command line: (module, what it can be told)}
ENGINES = {
    "serial": ("minimr.serial.mapreduce", ""),
    "minimr": ("minimr.sockets.mapreduce", "listen"),
    "minimr-tasks": ("ray_impl.mapreduce", "address"),
    "ray": ("ray_impl.mapreduce", "address"),
}
# {engine: the module whose verbs it runs on, where that is not its own}
VERBS = {"minimr-tasks": "minimr"}


def open_engine(name: str, options: Options) -> MapReduce:
    """Start an engine. Blocks: until its workers are there.

    Raises:
        EngineError: no such engine, or the options do not fit it.
        ConnectionError: nobody answers at `options.address`.
        OSError: `options.listen` cannot be listened at.
    """
    if name not in ENGINES:
        raise EngineError(
            f"unknown engine {name!r}: choose one of {', '.join(ENGINES)}"
        )
    module_name, accepts = ENGINES[name]
    check_options(name, options)
    try:
        engine = importlib.import_module(module_name).MapReduce
    except ModuleNotFoundError as error:
        raise EngineError(
            f"the engine {name} needs the package {error.name}: install it"
        ) from error
    if accepts == "":
        return engine()  # type: ignore[no-any-return]
    where = options.listen if accepts == "listen" else options.address
    if name in VERBS:
        engine = partial(engine, api=importlib.import_module(VERBS[name]))
    return engine(options.workers, where)  # type: ignore[no-any-return]


def running(name: str) -> Address | None:
    """Find the cluster of this user that an engine can join, if one runs.

    Blocks: until its head has answered.
    """
    if ENGINES[name][1] != "address":
        return None
    cluster = importlib.import_module("ray_impl.cluster")
    found = cluster.running(VERBS.get(name, name))
    return None if found is None else parse_address(found)


def size_of(engine: MapReduce) -> tuple[int, int]:
    """Count the nodes and the CPUs of the cluster of an open engine."""
    verbs = verbs_of(engine)
    nodes = sum(node["Alive"] for node in verbs.nodes())
    return nodes, int(verbs.cluster_resources().get("CPU", 0))


def verbs_of(engine: MapReduce) -> Any:
    """Load the module whose verbs an open engine runs on."""
    return importlib.import_module(VERBS.get(engine.name, engine.name))


def check_options(name: str, options: Options) -> None:
    """Refuse an address that the engine would silently ignore."""
    accepts = ENGINES[name][1]
    if options.address is not None and accepts != "address":
        raise EngineError(
            f"--address joins a running cluster, and {name} has none to "
            "join: leave it out"
            + (
                ", or let workers join with --listen HOST:PORT"
                if accepts == "listen"
                else ""
            )
        )
    if options.listen is not None and accepts != "listen":
        raise EngineError(
            f"--listen lets workers join, and {name} takes none: leave it out"
        )


def default_workers() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
