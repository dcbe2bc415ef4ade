"""xoscar: actors in processes, called from a loop of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import cycle
from typing import Any

import xoscar

from benchmarks.arena.runtime import Runtime


class Holder(xoscar.StatelessActor):
    """Holds an object, and calls it or a function."""

    def __init__(self, kind: type | None = None) -> None:
        super().__init__()
        self.held = kind and kind()

    def run(self, function: Callable[..., Any] | str, *args: Any) -> Any:
        """Call a function, or a method of the object by its name."""
        if isinstance(function, str):
            function = getattr(self.held, function)
        return function(*args)


class Xoscar(Runtime):
    """A task is a call of the next of the workers' actors."""

    has_actors = True

    def start(self, workers: int) -> None:
        """Start a pool of processes, with an actor in each."""
        self.loop = asyncio.new_event_loop()
        self.do = self.loop.run_until_complete
        self.pool = self.do(
            xoscar.create_actor_pool("127.0.0.1:0", n_process=workers)
        )
        self.places = cycle(range(1, workers + 1))
        self.workers = cycle([self.actor(None) for _ in range(workers)])

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call the next worker."""
        return self.call(next(self.workers), function, *args)

    def result(self, handle: Any) -> Any:
        """Run the loop until it is there."""
        return self.do(handle)

    def results(self, handles: list[Any]) -> list[Any]:
        """Run the loop until all are there."""

        async def gathered() -> list[Any]:
            return await asyncio.gather(*handles)

        return self.do(gathered())

    def actor(self, kind: type | None) -> Any:
        """Start an actor that holds one of the class."""
        where = xoscar.allocate_strategy.ProcessIndex(next(self.places))
        return self.do(
            xoscar.create_actor(
                Holder,
                kind,
                address=self.pool.external_address,
                allocate_strategy=where,
            )
        )

    def call(self, actor: Any, method: Any, *args: Any) -> Any:
        """Call an actor."""
        return self.loop.create_task(actor.run(method, *args))

    def stop(self) -> None:
        """Stop the pool."""
        self.do(self.pool.stop())
