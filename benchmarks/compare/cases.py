"""What is measured of a version, whatever its modules are called.

A benchmark makes its cases when their turn has come, starts what they run
on before it, and stops it after them. A case is a name, what is run again
and again, and how much one run counts.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from benchmarks.micro.cases import OPTIONS, Case, cases

# {module: what it was called before rungs had folders of their own}
EARLIER = {
    "minimr.serial.mapreduce": "minimr.serial",
    "minimr.shared.mapreduce.corpus": "minimr.corpus",
    "minimr.shared.mapreduce.wordcount": "minimr.wordcount",
    "minimr.shared.parameter_server.consistency": "minimr.consistency",
    "minimr.sockets.mapreduce": "minimr.mapreduce",
    "minimr.sockets.parameter_server": "minimr.parameter_server",
}
WORKERS = 2
RATE = 1e-6  # a push is applied, with all that it costs
SIZES = {"4 KB": 2**12, "1 MB": 2**20, "16 MB": 2**24}


def module(name: str) -> Any:
    """Import a module of the version under its own name for it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise  # it is there, and lacks something else
        return importlib.import_module(EARLIER[name])


@contextmanager
def cluster() -> Iterator[Any]:
    """Run a cluster of rung 2, and give the module with its verbs."""
    import minimr

    minimr.init(num_cpus=WORKERS, **OPTIONS["minimr"])
    try:
        yield minimr
    finally:
        minimr.shutdown()


def micro() -> Iterator[Case]:
    """Ray's microbenchmark, and before it how soon a cluster works."""

    def start() -> None:
        with cluster() as ray:
            ray.get(ray.remote(lambda: 1).remote())

    yield "start, first result, shutdown", start, 1
    with cluster() as ray:
        yield from cases(ray)


def wordcount(
    files: list[str], map_tasks: int, reduce_tasks: int, megabytes: float
) -> Iterator[Case]:
    """Count the words of files on each rung; megabytes per second."""
    corpus = module("minimr.shared.mapreduce.corpus")
    job = module("minimr.shared.mapreduce.wordcount").JOBS["combined"]
    splits = corpus.split_files(files, map_tasks)
    serial, sockets, verbs = (
        module(name).MapReduce
        for name in (
            "minimr.serial.mapreduce",
            "minimr.sockets.mapreduce",
            "ray_impl.mapreduce",
        )
    )

    def both(name: str, engine: Any) -> Iterator[Case]:
        def run() -> Any:
            return engine.run(job, splits, reduce_tasks)

        yield f"{name}, counted, MB", lambda: run().close(), megabytes
        yield f"{name}, and merged, MB", lambda: merge(run()), megabytes

    with serial() as engine:
        yield from both("serial", engine)
    with sockets(WORKERS) as engine:
        yield from both("sockets", engine)
    with cluster() as ray, verbs(WORKERS, api=ray) as engine:
        yield from both("minimr", engine)


def merge(result: Any) -> None:
    """Bring all counts here, and let go of them where they were."""
    result.merged()
    result.close()


def parameter_server() -> Iterator[Case]:
    """Push, pull and do rounds of one worker on each rung."""
    sockets = module("minimr.sockets.parameter_server").ParameterServer
    verbs = module("ray_impl.parameter_server").ParameterServer
    yield from server_cases("sockets", sockets, {})
    with cluster() as ray:
        yield from server_cases("minimr", verbs, {"api": ray})


def server_cases(
    rung: str, make: Callable[..., Any], options: dict[str, Any]
) -> Iterator[Case]:
    """Time one array on one server, and eight on two."""
    rules = module("minimr.shared.parameter_server.consistency")
    about = (1, rules.Asynchronous(), rules.Gradients(RATE), 1)
    for size, number in SIZES.items():
        update = {"w": np.ones(number // 4, np.float32)}
        with make(update, *about, **options) as servers:
            yield f"{rung}, push {size}", partial(servers.push, 0, update), 1
            yield f"{rung}, pull {size}", partial(servers.pull, 0), 1
    weights = {f"layer{n}": np.ones(2**17, np.float32) for n in range(8)}
    with make(weights, 1, num_servers=2, **options) as servers:

        def a_round() -> None:
            servers.push(0, servers.pull(0))

        yield f"{rung}, round of 8 arrays of 512 KB", a_round, 1


BENCHMARKS: dict[str, Callable[..., Iterator[Case]]] = {
    "micro": micro,
    "wordcount": wordcount,
    "parameter-server": parameter_server,
}
