"""What the arena asks of a runtime. An adapter answers in its idiom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.arena.work import increment, total


class Runtime(ABC):
    """A runtime with some workers.

    A handle is what `submit` and `call` return: a future, a reference.

    Attributes:
        takes_futures: an argument may be the handle of a result that is not
            there yet. Otherwise the driver waits for it, and sends it.
        has_actors: `actor` and `call` work.
        keeps_order: an actor does what it is told in the order of the calls.
    """

    takes_futures = False
    has_actors = False
    keeps_order = True

    @abstractmethod
    def start(self, workers: int) -> None:
        """Start it, its workers on this machine."""

    @abstractmethod
    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Begin a call; return its handle."""

    @abstractmethod
    def result(self, handle: Any) -> Any:
        """Return the result of a call. Blocks: until it is there."""

    @abstractmethod
    def stop(self) -> None:
        """Stop what `start` has started."""

    def map(self, function: Callable[..., Any], items: Sequence[Any]) -> Any:
        """Return the result for each item; each is a task of its own."""
        return self.results([self.submit(function, item) for item in items])

    def results(self, handles: list[Any]) -> list[Any]:
        """Return the results of many calls."""
        return [self.result(handle) for handle in handles]

    def chain(self, length: int) -> int:
        """Increment 0 so many times, each result an argument of the next."""
        value: Any = 0
        for _ in range(length):
            value = self.submit(increment, value)
            if not self.takes_futures:
                value = self.result(value)
        return int(self.result(value) if self.takes_futures else value)

    def fan_in(self, width: int) -> int:
        """Increment 0 to width - 1, and have one task add up the results."""
        parts = [self.submit(increment, number) for number in range(width)]
        if not self.takes_futures:
            parts = self.results(parts)
        return int(self.result(self.submit(total, *parts)))

    def actor(self, kind: type) -> Any:
        """Return a new actor of a class, in a worker."""
        raise NotImplementedError

    def call(self, actor: Any, method: str, *args: Any) -> Any:
        """Begin a call of an actor; return its handle."""
        raise NotImplementedError
