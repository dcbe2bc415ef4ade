"""A pool of actors that share work: `ray.util.ActorPool`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from minimr.core.api import verbs
from minimr.exceptions import GetTimeoutError


class ActorPool:
    """Gives each piece of work to the next idle actor.

    Ray: the same.
    """

    def __init__(self, actors: Iterable[Any]) -> None:
        self._idle = list(actors)
        self._under_way: dict[Any, tuple[int, Any]] = {}  # {ref: (i, actor)}
        # {index: the reference or references of a call}, not returned yet
        self._refs: dict[int, Any] = {}
        self._submitted = 0
        self._returned = 0  # the index that get_next returns next
        self._waiting: list[tuple[Callable[..., Any], Any]] = []

    def map(self, fn: Callable[..., Any], values: Any) -> Iterator[Any]:
        """Return the results in the order of the values."""
        self._forget()
        for value in values:
            self.submit(fn, value)

        def results() -> Iterator[Any]:
            while self.has_next():
                yield self.get_next()

        return results()

    def map_unordered(
        self, fn: Callable[..., Any], values: Any
    ) -> Iterator[Any]:
        """Return the results as they come."""
        self._forget()
        for value in values:
            self.submit(fn, value)

        def results() -> Iterator[Any]:
            while self.has_next():
                yield self.get_next_unordered()

        return results()

    def submit(self, fn: Callable[..., Any], value: Any) -> None:
        """Call `fn(actor, value)` with the next idle actor."""
        if not self._idle:
            self._waiting.append((fn, value))
            return
        actor = self._idle.pop()
        ref = fn(actor, value)
        self._under_way[_last(ref)] = (self._submitted, actor)
        self._refs[self._submitted] = ref
        self._submitted += 1

    def has_next(self) -> bool:
        """Return whether there are results to come."""
        return bool(self._refs)

    def get_next(
        self, timeout: float | None = None, ignore_if_timedout: bool = False
    ) -> Any:
        """Return the next result in the order of submission.

        Raises:
            StopIteration: there is none.
            TimeoutError: it did not come in time.
        """
        if not self.has_next():
            raise StopIteration("No more results to get")
        if self._returned not in self._refs:
            raise ValueError(
                "It is not allowed to call get_next() after "
                "get_next_unordered()."
            )
        ref = self._refs[self._returned]
        done, _ = verbs.wait([_last(ref)], timeout=timeout)
        message = "Timed out waiting for result"
        if not done:
            if not ignore_if_timedout:
                raise TimeoutError(message)
            raise GetTimeoutError(message)
        del self._refs[self._returned]
        self._returned += 1
        self._free(_last(ref))
        return verbs.get(ref)

    def get_next_unordered(
        self, timeout: float | None = None, ignore_if_timedout: bool = False
    ) -> Any:
        """Return the result that is there first.

        Raises:
            StopIteration: there is none.
            TimeoutError: none came in time.
        """
        if not self.has_next():
            raise StopIteration("No more results to get")
        done, _ = verbs.wait(list(self._under_way), timeout=timeout)
        if not done:
            raise TimeoutError("Timed out waiting for result")
        index, _ = self._under_way[done[0]]
        ref = self._refs.pop(index)
        self._returned = max(self._returned, index + 1)
        self._free(done[0])
        return verbs.get(ref)

    def _free(self, ref: Any) -> None:
        _, actor = self._under_way.pop(ref)
        self._return_actor(actor)

    def _return_actor(self, actor: Any) -> None:
        self._idle.append(actor)
        if self._waiting:
            self.submit(*self._waiting.pop(0))

    def _forget(self) -> None:
        # As in Ray: a map waits for earlier calls and drops their results.
        while self.has_next():
            self.get_next_unordered()

    def has_free(self) -> bool:
        """Return whether an actor is idle."""
        return bool(self._idle) and not self._waiting

    def pop_idle(self) -> Any:
        """Return an idle actor, removed from the pool; None: there is none."""
        return self._idle.pop() if self.has_free() else None

    def push(self, actor: Any) -> None:
        """Add an actor to the pool.

        Raises:
            ValueError: it is in the pool already.
        """
        busy = [other for _, other in self._under_way.values()]
        if actor in self._idle or actor in busy:
            raise ValueError("Actor already belongs to current ActorPool")
        self._return_actor(actor)


def _last(refs: Any) -> Any:
    """Return the reference that stands for a call: its last one."""
    return refs[-1] if isinstance(refs, list) else refs
