"""What is simulated: the programs, where they run, and how they may end.

    wordcount          4 texts, 3 workers of the driver's machine and one on
                       each of two others, on `minimr.sockets`
    parameter-server   2 servers, 3 workers that push and pull, a mode each
    tasks, actors, ... on rung 2: `core_programs.py`

A program runs as the driver of its cluster. Its words, weights and times are
such that an exact result has no rounding in it.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from minimr.interface.mapreduce import Job, JobError
from minimr.interface.parameter_server import ParameterServerError
from minimr.simulation.core_programs import ON_CORE
from minimr.simulation.machine import Machine
from minimr.simulation.program import DRIVER as DRIVER
from minimr.simulation.program import Program as Program
from minimr.simulation.words import splits, total, words_of
from minimr.system import machine

WORKERS = 3
PATIENCE_S = 200.0  # to wait so long for who is dead is a finding
UNSAVED = "cannot write the checkpoint"
IN_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None


def wordcount(simulated: Machine, local: int = 3, others: int = 2) -> Any:
    """Count words on rung 1, and look at the result in two ways."""
    from minimr.sockets.cluster import worker
    from minimr.sockets.mapreduce import MapReduce

    with MapReduce(local, (DRIVER, 0)) as engine:
        address = "{}:{}".format(*engine.address)
        for number in range(others):
            simulated.processes.make(
                "joined", partial(worker.main, address), f"10.0.0.{number + 2}"
            )
        job = Job("words", words_of, total)
        result = engine.run(job, splits(), 3)
        machine.sleep(0.2)  # whoever dies now has outputs
        return sorted(result.merged().items()), result.top(5)


def train(client: bytes, worker: int, rounds: int, told: list[str]) -> None:
    """Pull and push: a worker, in a process of its own."""
    import numpy as np

    weights = pickle.loads(client)
    try:
        for number in range(rounds):
            weights.pull(worker)
            machine.sleep(0.02 * (worker + 1))
            gradient = np.zeros(WORKERS, np.float32)
            gradient[worker] = -6 * (number + 1)  # 6: for a mean of 1, 2 or 3
            weights.push(worker, dict.fromkeys("abc", gradient))
        weights.close()
    except ParameterServerError as error:
        told.append(f"worker {worker}: {error}")
        machine.leave(1)  # the driver lets it go


def parameter_server(simulated: Machine, rounds: int = 12) -> None:
    """Train in a mode; what each worker has pushed has counted once."""
    import numpy as np

    from minimr.shared.parameter_server.consistency import (
        Asynchronous,
        Gradients,
        Stale,
        Synchronous,
    )
    from minimr.sockets.parameter_server import ParameterServer

    modes = (Synchronous(), Stale(1), Asynchronous())
    mode = simulated.world.random.choice(modes)
    lived: list[int] = []
    told: list[str] = []

    def look_after(worker: int, process: int) -> None:
        if machine.exit_code(process) == 0:
            lived.append(worker)
            return
        try:
            server.leave(worker)
        except ParameterServerError as error:
            told.append(f"worker {worker} is dead: {error}")

    with (
        tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder,
        ParameterServer(
            {name: np.zeros(WORKERS, np.float32) for name in "abc"},
            WORKERS,
            mode,
            Gradients(1.0),
            num_servers=2,
            checkpoint=Path(folder),
            checkpoint_interval_s=0.0,
            timeout_s=PATIENCE_S,
        ) as server,
    ):
        client, watchers = pickle.dumps(server), []
        for worker in range(WORKERS):
            born = machine.fork(partial(train, client, worker, rounds, told))
            watcher = machine.thread(
                target=look_after, args=(worker, born.pid)
            )
            watcher.start()
            watchers.append(watcher)
        for watcher in watchers:
            watcher.join()
        if told:
            why = [UNSAVED] if _has_warned(simulated) else []
            raise ParameterServerError("; ".join(why + told))
        weights = server.pull()
    try:
        _check(weights, mode, lived, rounds)
    except AssertionError as error:
        if not _has_warned(simulated):
            raise
        raise ParameterServerError(f"{UNSAVED}, and lost") from error


def _has_warned(simulated: Machine) -> bool:
    """Return whether a server has said that its death would lose pushes."""
    logs = (e["text"] for e in simulated.world.trace if e["what"] == "log")
    return any(text.startswith(UNSAVED) for text in logs)


def _check(weights: Any, mode: Any, lived: list[int], rounds: int) -> None:
    """Refuse weights that no pushes of which each counts once can make."""
    from minimr.shared.parameter_server.consistency import Synchronous

    possible = [3.0 * n * (n + 1) for n in range(rounds + 1)]
    synchronous = isinstance(mode, Synchronous)
    if synchronous and len(lived) < WORKERS:
        return  # the mean of how many is not known
    for name, array in weights.items():
        for worker, value in enumerate(array.tolist()):
            value *= WORKERS if synchronous else 1
            fits = possible[-1:] if worker in lived else possible
            if value not in fits:
                raise AssertionError(
                    f"{mode}: {name} has {value} of worker {worker}, which "
                    f"can be {fits}"
                )


PROGRAMS = {
    "wordcount": Program(
        "wordcount",
        wordcount,
        (JobError,),
        (
            "has taken [0-9]+ workers down",
            "cannot fetch its blocks",
            "no worker is left",
            "workers have started",
            "No space left on device",
        ),
    ),
    "parameter-server": Program(
        "parameter-server",
        parameter_server,
        (ParameterServerError,),
        (
            "worker [0-9]+ is not in: it left, its connection ended",
            UNSAVED,
            "server [0-9]+ at .*: (it is silent|it ends every connection)",
        ),
        ready_s=0.5,  # a server has no checkpoint before that
    ),
    **ON_CORE,
}
