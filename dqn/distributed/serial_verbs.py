"""The verbs of an engine as a for loop: every call runs at once, here.

    Agent = remote(cls) ─> Agent.remote(..) ─> a handle ─> .method.remote(..)
                                                              └─> get: result

Rules:

1. Actors share no memory: results are copied, as if they had travelled.
   Arguments are not: a parameter server of one process cannot travel.
2. An error waits in its reference until `get`.

Ray had the same for debugging (`local_mode`).
"""

from __future__ import annotations

import copy
from math import inf
from types import SimpleNamespace
from typing import Any


class RayActorError(RuntimeError):
    """The actor was killed."""


class ObjectLostError(RuntimeError):
    """The object is lost. It cannot happen in one process."""


exceptions = SimpleNamespace(
    RayActorError=RayActorError, ObjectLostError=ObjectLostError
)


def remote(cls: type) -> _Actors:
    """Return a class whose instances are actors."""
    return _Actors(cls)


def get(refs: Any) -> Any:
    """Return the result of a call, or of a list of calls; raise its error."""
    if isinstance(refs, list):
        return [get(ref) for ref in refs]
    if refs.error is not None:
        raise refs.error
    return refs.value


def kill(actor: Any) -> None:
    """End an actor: later calls of it fail."""
    actor.instance = None


def nodes() -> list[dict[str, Any]]:
    """Return the one node, this process: it has room for all actors."""
    return [{"NodeID": "here", "Alive": True, "Resources": {"CPU": inf}}]


class _Actors:
    def __init__(self, cls: type) -> None:
        self._cls = cls

    def options(self, **options: Any) -> _Actors:
        return self  # there is one place

    def remote(self, *args: Any, **kwargs: Any) -> _Actor:
        return _Actor(self._cls(*args, **kwargs))


class _Actor:
    def __init__(self, instance: Any) -> None:
        self.instance = instance

    def __getattr__(self, name: str) -> _Method:
        return _Method(self, name)


class _Method:
    def __init__(self, actor: _Actor, name: str) -> None:
        self._actor, self._name = actor, name

    def remote(self, *args: Any, **kwargs: Any) -> _Ref:
        instance = self._actor.instance
        if instance is None:
            return _Ref(None, RayActorError(f"{self._name}: it was killed"))
        try:
            args = tuple(get(a) if isinstance(a, _Ref) else a for a in args)
            value = getattr(instance, self._name)(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  # raised by get
            return _Ref(None, error)
        return _Ref(copy.deepcopy(value), None)


class _Ref:
    def __init__(self, value: Any, error: Exception | None) -> None:
        self.value, self.error = value, error
