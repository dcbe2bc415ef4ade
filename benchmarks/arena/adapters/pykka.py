"""Pykka: actors that are threads of the driver, and share its lock."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

from pykka import ActorRegistry, ThreadingActor

from benchmarks.arena.runtime import Runtime


class Holder(ThreadingActor):
    """Holds an object, and calls it or a function."""

    def __init__(self, kind: type | None = None) -> None:
        super().__init__()
        self.held = kind and kind()

    def on_receive(self, message: Any) -> Any:
        """Call a function, or a method of the object by its name."""
        function, args = message
        if isinstance(function, str):
            function = getattr(self.held, function)
        return function(*args)


class Pykka(Runtime):
    """A task is a call of the next of the workers' actors."""

    has_actors = True

    def start(self, workers: int) -> None:
        """Start an actor per worker."""
        self.workers = cycle([Holder.start() for _ in range(workers)])

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Ask the next worker."""
        return self.call(next(self.workers), function, *args)

    def result(self, handle: Any) -> Any:
        """Wait for a future."""
        return handle.get()

    def actor(self, kind: type) -> Any:
        """Start an actor that holds one of the class."""
        return Holder.start(kind)

    def call(self, actor: Any, method: Any, *args: Any) -> Any:
        """Ask an actor."""
        return actor.ask((method, args), block=False)

    def stop(self) -> None:
        """Stop all actors."""
        ActorRegistry.stop_all()
