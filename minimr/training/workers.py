"""N workers of a parameter server, on its rung's threads, processes, actors.

Crew(engine, n) ── start(function, [arguments of each]) ──> worker 0
              <────────── what each has returned ──────── ...
  serial        threads of this process
  sockets       processes of this machine; they end with this one
  minimr, ray   actors, where the cluster puts them
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any

from minimr.ladder import LADDER
from minimr.system.leaving import deaf, ignore_ctrl_c


class Crew(ABC):
    """Workers that are started, and wait for what to do."""

    @abstractmethod
    def start(
        self, function: Callable[..., Any], arguments: Sequence[Sequence[Any]]
    ) -> None:
        """Make each worker call the function, with arguments of its own."""

    @abstractmethod
    def done(self, timeout_s: float) -> bool:
        """Return whether all have returned. Blocks: at most `timeout_s`."""

    @abstractmethod
    def results(self) -> list[Any]:
        """Return what they returned. Blocks: until all have.

        Raises: what one of them raised.
        """

    @abstractmethod
    def close(self) -> None:
        """End the workers."""

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def open_crew(engine: str, number: int) -> Crew:
    """Start workers. Blocks: until they are ready.

    Args:
        engine: its name; its cluster runs already, if it has one.
        number: of workers.
    """
    verbs = LADDER[engine].verbs
    if verbs:
        return _Actors(verbs, number)
    if engine == "serial":
        return _Pool(futures.ThreadPoolExecutor(number), number)
    context = multiprocessing.get_context("spawn")
    pool = futures.ProcessPoolExecutor(number, context, _end_with_the_parent)
    return _Pool(pool, number)


class _Pool(Crew):
    def __init__(self, pool: futures.Executor, number: int) -> None:
        self._pool = pool
        self._futures: list[futures.Future[Any]] = []
        # A pool starts its processes when the first tasks come.
        with deaf():
            self.start(_say_nothing, [()] * number)
        self.results()

    def start(
        self, function: Callable[..., Any], arguments: Sequence[Sequence[Any]]
    ) -> None:
        self._futures = [
            self._pool.submit(function, *each) for each in arguments
        ]

    def done(self, timeout_s: float) -> bool:
        return not futures.wait(self._futures, timeout_s).not_done

    def results(self) -> list[Any]:
        return [future.result() for future in self._futures]

    def close(self) -> None:
        self._pool.shutdown()


class _Actors(Crew):
    def __init__(self, module: str, number: int) -> None:
        from importlib import import_module

        self._api = import_module(module)
        kind = self._api.remote(_Hand).options(
            num_cpus=0, scheduling_strategy="SPREAD"
        )
        self._actors = [kind.remote() for _ in range(number)]
        self._refs: list[Any] = []
        self.start(_say_nothing, [()] * number)
        self.results()

    def start(
        self, function: Callable[..., Any], arguments: Sequence[Sequence[Any]]
    ) -> None:
        self._refs = [
            actor.call.remote(function, *each)
            for actor, each in zip(self._actors, arguments, strict=True)
        ]

    def done(self, timeout_s: float) -> bool:
        _, left = self._api.wait(
            self._refs, num_returns=len(self._refs), timeout=timeout_s
        )
        return not left

    def results(self) -> list[Any]:
        return list(self._api.get(self._refs))

    def close(self) -> None:
        for actor in self._actors:
            self._api.kill(actor)


class _Hand:
    """An actor that does what it is told."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)


def _say_nothing() -> None:
    pass


def _end_with_the_parent() -> None:
    ignore_ctrl_c()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
