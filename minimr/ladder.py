"""The ladder: every engine by its name, from the for loop to Ray.

    name ──> LADDER[name] ──> the modules with its MapReduce, its parameter
                              server and its verbs

This is the only table of engines. No module of an engine is loaded before it
is opened.
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
class Rung:
    """Where the parts of one engine are.

    Attributes:
        idea: what this rung adds to the one below.
        mapreduce: the module that has its `MapReduce`.
        parameter_server: the module that has its `ParameterServer`.
        verbs: the module that has its tasks and actors; "": it has none.
        option: "listen" if it can listen for workers at an address,
            "address" if it can join a cluster, else "".
    """

    idea: str
    mapreduce: str
    parameter_server: str
    verbs: str = ""
    option: str = ""


# {name of the engine, the same in every command, table and file: its rung}
LADDER = {
    "serial": Rung(
        "the for loop: what is computed",
        "minimr.serial.mapreduce",
        "minimr.serial.parameter_server",
    ),
    "sockets": Rung(
        "processes and sockets by hand",
        "minimr.sockets.mapreduce",
        "minimr.sockets.parameter_server",
        option="listen",
    ),
    "minimr": Rung(
        "Ray's core, small",
        "ray_impl.mapreduce",
        "ray_impl.parameter_server",
        verbs="minimr",
        option="address",
    ),
    "ray": Rung(
        "Ray itself",
        "ray_impl.mapreduce",
        "ray_impl.parameter_server",
        verbs="ray",
        option="address",
    ),
}
ENGINES = tuple(LADDER)
WITH_VERBS = tuple(name for name in LADDER if LADDER[name].verbs)
RENAMED = {"minimr-tasks": "minimr"}  # {old name: name}


@dataclass(frozen=True)
class Options:
    """How to open an engine."""

    workers: int
    address: Address | None = None  # of a cluster to join
    listen: Address | None = None  # where workers may join us


def renamed(name: str) -> str:
    """Return the error for the old name of an engine."""
    return (
        f"the engine {name} is called {RENAMED[name]} now, and what was "
        "called minimr is sockets"
    )


def rung(name: str) -> Rung:
    """Return the rung of an engine.

    Raises:
        EngineError: there is no engine of that name.
    """
    if name in RENAMED:
        raise EngineError(renamed(name))
    if name not in LADDER:
        known = ", ".join(LADDER)
        raise EngineError(f"unknown engine {name!r}: choose one of {known}")
    return LADDER[name]


def open_engine(name: str, options: Options) -> MapReduce:
    """Start an engine. Blocks: until its workers are there.

    Raises:
        EngineError: no such engine, or the options do not fit it.
        ConnectionError: nobody answers at `options.address`.
        OSError: this machine cannot listen at `options.listen`.
    """
    found = rung(name)
    check_options(name, options)
    engine: Any = load(name, found.mapreduce).MapReduce
    if not found.option:
        return engine()  # type: ignore[no-any-return]
    if found.verbs == "minimr":  # Ray is loaded there, with its settings
        engine = partial(engine, api=importlib.import_module(found.verbs))
    where = options.listen if found.option == "listen" else options.address
    return engine(options.workers, where)  # type: ignore[no-any-return]


def open_parameter_server(name: str, *args: Any, **options: Any) -> Any:
    """Start the parameter servers of an engine, on its cluster if it has one.

    Raises:
        EngineError: no such engine, or it is not installed.
    """
    found = rung(name)
    if found.verbs:
        options["api"] = importlib.import_module(found.verbs)
    module = load(name, found.parameter_server)
    return module.ParameterServer(*args, **options)


def load(name: str, module: str) -> Any:
    """Import a module of an engine and return it.

    Raises:
        EngineError: a package is missing.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise EngineError(
            f"the engine {name} needs the package {error.name}: install it"
        ) from error


def running(name: str) -> Address | None:
    """Return the address of the cluster of this user, if one runs.

    Blocks: until its head has answered.
    """
    if not LADDER[name].verbs:
        return None
    cluster = importlib.import_module("ray_impl.cluster")
    found = cluster.running(LADDER[name].verbs)
    return None if found is None else parse_address(found)


def size_of(engine: MapReduce) -> tuple[int, int]:
    """Return the numbers of nodes and CPUs of an engine's cluster."""
    verbs = verbs_of(engine)
    nodes = sum(node["Alive"] for node in verbs.nodes())
    return nodes, int(verbs.cluster_resources().get("CPU", 0))


def verbs_of(engine: MapReduce) -> Any:
    """Return the module whose verbs an open engine runs on."""
    return importlib.import_module(LADDER[engine.name].verbs)


def check_options(name: str, options: Options) -> None:
    """Refuse an address that the engine would silently ignore."""
    option = LADDER[name].option
    if options.address is not None and option != "address":
        raise EngineError(
            f"--address joins a running cluster, and {name} has none to "
            "join: leave it out"
            + (
                ", or let workers join with --listen HOST:PORT"
                if option == "listen"
                else ""
            )
        )
    if options.listen is not None and option != "listen":
        raise EngineError(
            f"--listen lets workers join, and {name} takes none: leave it out"
        )


def default_workers() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
