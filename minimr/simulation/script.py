"""A program of a user's, simulated: a file that says `import minimr as ray`.

    the file ── run as __main__, anew in every run ──> what it prints
    import ray ──> minimr
    threading, queue, concurrent.futures ──> simulated threads
    subprocess, a socket, os.fork ──> NotSimulated

Its result is what it prints, but for what its tasks print. `time` is
virtual for it, as in all runs (`runs.py`).
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib
import importlib.abc
import importlib.util
import os
import queue
import random
import re
import shlex
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minimr
from minimr.simulation import threads
from minimr.simulation.cluster import Cluster
from minimr.simulation.core_programs import DEATHS
from minimr.simulation.machine import Machine
from minimr.simulation.program import Program
from minimr.system.interrupt import is_closed

MAIN = threading.main_thread()  # of the interpreter
OF_A_TASK = re.compile(r"\(.* pid=\d+, node=\w+\) ")


class NotSimulated(RuntimeError):  # noqa: N818  what it is more than an error
    """A program does what would leave the simulated machine."""


def of_file(
    path: str, arguments: Sequence[str] = (), cluster: Cluster | None = None
) -> Program:
    """Return the program that is in a file. It joins its cluster itself.

    Raises:
        OSError: it cannot be read.
        SyntaxError: it is no program.
    """
    file = Path(path).resolve()
    code = compile(file.read_bytes(), str(file), "exec")
    run = partial(_run, code, file, arguments)
    cluster = cluster or Cluster(joined=False)
    options = f"--nodes {cluster.nodes} --cpus {cluster.cpus}"
    options = " ".join(filter(None, (shlex.join(arguments), options)))
    return Program(path, run, DEATHS, options=options, cluster=cluster)


def _run(
    code: types.CodeType,
    file: Path,
    arguments: Sequence[str],
    simulated: Machine,
) -> list[str]:
    """Run it, and return what it has printed. Runs in: driver."""
    main = types.ModuleType("__main__")
    main.__file__ = str(file)
    sys.path.insert(0, str(file.parent))
    fiber = simulated.world.current
    assert fiber is not None
    process = simulated.processes.known[fiber.process.pid]
    random.seed(simulated.world.random.random())
    np.random.seed(simulated.world.random.randrange(2**32))
    with _alone(main, [str(file), *arguments]), _patched(simulated):
        try:
            exec(code, vars(main))
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"it exits with {end.code!r}") from None
        process.wind_up()
    printed = [
        entry[process.name]
        for entry in simulated.world.trace
        if entry["what"] == "print" and process.name in entry
    ]
    return [line for line in printed if not OF_A_TASK.match(line)]


@contextlib.contextmanager
def _alone(main: types.ModuleType, arguments: list[str]) -> Iterator[None]:
    """Be the main module, and forget what it imports from beside it."""
    before, argv, modules = sys.modules["__main__"], sys.argv, set(sys.modules)
    folder = str(Path(arguments[0]).parent) + os.sep
    renamed = Renamed()
    rays = {
        name: sys.modules.pop(name)
        for name in list(sys.modules)
        if name.partition(".")[0] == "ray"
    }
    sys.modules["__main__"], sys.argv = main, arguments
    sys.meta_path.insert(0, renamed)
    try:
        yield
    finally:
        sys.meta_path.remove(renamed)
        sys.modules["__main__"], sys.argv = before, argv
        for name in set(sys.modules) - modules | {"ray"}:
            file = str(getattr(sys.modules.get(name), "__file__", None))
            if name.partition(".")[0] == "ray" or file.startswith(folder):
                sys.modules.pop(name, None)
        sys.modules.update(rays)


class Renamed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds minimr where Ray is asked for."""

    def __init__(self) -> None:
        self._specs: dict[str, Any] = {}

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """Return how to load a module; None: it is not of Ray."""
        if name.partition(".")[0] != "ray":
            return None
        ours = minimr.__name__ + name.removeprefix("ray")
        if importlib.util.find_spec(ours) is None:
            return None
        return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec: Any) -> types.ModuleType:
        """Return ours."""
        ours = minimr.__name__ + spec.name.removeprefix("ray")
        module = importlib.import_module(ours)
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Let it be what it was."""
        assert module.__spec__ is not None
        module.__spec__ = self._specs[module.__spec__.name]


def _threads(simulated: Machine) -> tuple[type, type]:
    """Return what stands for `threading.Thread`, and for `Timer`."""

    class Thread(threads.Thread):
        def __init__(
            self,
            group: None = None,
            target: Callable[..., Any] | None = None,
            name: str | None = None,
            args: Sequence[Any] = (),
            kwargs: dict[str, Any] | None = None,
            *,
            daemon: bool | None = None,
        ) -> None:
            call = partial(target or (lambda: None), *args, **(kwargs or {}))
            super().__init__(simulated.world, call, name, (), daemon)

    class Timer(Thread):
        def __init__(
            self,
            interval: float,
            function: Callable[..., Any],
            args: Sequence[Any] = (),
            kwargs: dict[str, Any] | None = None,
        ) -> None:
            super().__init__(target=function, args=args, kwargs=kwargs)
            self.interval, self.finished = interval, simulated.event()

        def cancel(self) -> None:
            self.finished.set()

        def run(self) -> None:
            if not self.finished.wait(self.interval):
                super().run()

    return Thread, Timer


def _thread(simulated: Machine) -> Any:
    """Return what stands for `threading.current_thread()`."""
    fiber = simulated.world.current
    return MAIN if fiber is None else threads.Thread.of(fiber)


def _main_thread(simulated: Machine) -> Any:
    fiber = simulated.world.current
    main = None if fiber is None else fiber.process.main
    return MAIN if main is None else threads.Thread.of(main)


def _guard(simulated: Machine, what: str, real: Any) -> Any:
    """Return a function that only an import may call in a simulation."""

    def guarded(*args: Any, **named: Any) -> Any:
        if simulated.world.current is None or is_closed(sys._getframe()):
            return real(*args, **named)
        raise NotSimulated(
            f"{what} would leave the simulated machine: it stops all of it, "
            "and no seed plays it again"
        )

    return guarded


@contextlib.contextmanager
def _patched(simulated: Machine) -> Iterator[None]:
    """Let threads be simulated, and nothing that is real be begun."""
    pool: Any = partial(threads.Pool, simulated.world)
    thread, timer = _threads(simulated)
    new: list[tuple[Any, str, Any]] = [
        (threading, "Thread", thread),
        (threading, "Timer", timer),
        (threading, "Lock", simulated.lock),
        (threading, "RLock", simulated.recursive_lock),
        (threading, "Condition", simulated.condition),
        (threading, "Event", simulated.event),
        (threading, "get_ident", simulated.this_thread),
        (os, "urandom", simulated.random_bytes),
        (random, "_urandom", simulated.random_bytes),
        (threading, "current_thread", partial(_thread, simulated)),
        (threading, "main_thread", partial(_main_thread, simulated)),
        (queue, "time", simulated.monotonic),
        (queue, "SimpleQueue", simulated.queue),
        (concurrent.futures, "ThreadPoolExecutor", pool),
    ]
    for owner, name, what in (
        (subprocess.Popen, "__init__", "a process of the system"),
        (socket.socket, "connect", "a socket of the system"),
        (socket.socket, "bind", "a socket of the system"),
        (os, "fork", "os.fork()"),
        (threading, "_start_new_thread", "a thread of the system"),
    ):
        real = getattr(owner, name)
        new.append((owner, name, _guard(simulated, what, real)))
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in new]
    for owner, name, value in new:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
