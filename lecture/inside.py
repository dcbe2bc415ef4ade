"""Where the calls of a program go by, in `minimr` and in Ray.

| what | minimr | Ray |
|---|---|---|
| a task is submitted | `RemoteCall._submit` | `RemoteFunction._remote`, ... |
| an actor is started | `ActorClass.remote` | `ActorClass._remote` |
| a reference is pickled | `ObjectRef.__reduce__` | its context notes it |

No public name of Ray does for these: its state API, and `ray.timeline`, know
what its processes have reported, and not what a program passes or captures.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice
from typing import Any

LOOKED_AT = 1000  # parts of a value
ASKED = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "bytes"}
STREAMS = ("dynamic", "streaming")


@dataclass(frozen=True)
class Submitted:
    """A call: whose, with what, and what it asks for."""

    name: str
    arguments: list[Any]
    target: Any = None  # the function, or the class of an actor
    method: bool = False  # of an actor
    yields: bool = False  # its result is a generator
    asks: dict[str, float] = field(default_factory=dict)


class Inside:
    """What an engine has inside, by the names that both have or lack."""

    def __init__(self, api: Any) -> None:
        self._api, self._is_ray = api, api.__name__ == "ray"

    def submits(self) -> Iterator[tuple[Any, str]]:
        """Yield (class, method) of all that submits, in the driver."""
        if self._is_ray:
            yield self._find("remote_function", "RemoteFunction"), "_remote"
            yield self._find("actor", "ActorMethod"), "_remote"
            yield self._find("actor", "ActorClass"), "_remote"
        else:
            yield self._find("core.api.calls", "RemoteCall"), "_submit"
            yield self._find("core.api.actors", "ActorClass"), "remote"

    def pickles(self) -> tuple[Any, str]:
        """Return (class, method) of what sees a reference being pickled."""
        if self._is_ray:
            context = "SerializationContext"
            found = self._find("_private.serialization", context)
            return found, "add_contained_object_ref"
        return self._api.ObjectRef, "__reduce__"

    def is_out_of_band(self, me: Any) -> bool:
        """Return whether no engine pickles now, but the program itself."""
        if self._is_ray:
            return not me.is_in_band_serialization()
        outgoing = self._find("core.serialization", "outgoing")
        return outgoing.get() is None

    def submitted(self, stub: Any, args: Any, kwargs: Any) -> Submitted:
        """Return what is called, of what `submits` names."""
        if self._is_ray:  # _remote(args, kwargs, **options)
            options = {**kwargs}
            args = args[0] if args else options.pop("args", None)
            kwargs = options.pop("kwargs", None)
        elif hasattr(stub, "_cls"):
            options = stub._options
        else:  # _submit(runtime, args, kwargs)
            (_, args, kwargs), options = args, stub._options
        values = [*(args or ()), *(kwargs or {}).values()]
        if hasattr(stub, "_cls") or hasattr(stub, "__ray_metadata__"):
            target = self._class_of(stub)
            return Submitted(target.__name__, values, target)
        target = getattr(stub, "_function" if self._is_ray else "_target", "")
        if not callable(target):
            return Submitted(self._method_of(stub), values, method=True)
        asks = {
            short: float(options[long])
            for long, short in ASKED.items()
            if isinstance(options.get(long), int | float)
        }
        asks |= options.get("resources") or {}
        yields = options.get("num_returns") in STREAMS
        yields = yields or inspect.isgeneratorfunction(target)
        return Submitted(target.__name__, values, target, False, yields, asks)

    def _class_of(self, stub: Any) -> Any:
        if self._is_ray:
            # Ray derives one of its own from it.
            made = stub.__ray_metadata__.modified_class
            return getattr(made, "__ray_actor_class__", made)
        return stub._cls

    def _method_of(self, stub: Any) -> str:
        if not self._is_ray:
            return str(stub._name)
        about = stub._actor._ray_actor_creation_function_descriptor
        return f"{about.class_name.rpartition('.')[2]}.{stub._method_name}"

    def is_ref(self, value: Any) -> bool:
        """Return whether that is a reference."""
        return isinstance(value, self._api.ObjectRef)

    def refs_in(self, value: Any, depth: int = 1) -> Iterator[Any]:
        """Yield the references in a container, and in containers there."""
        parts = value.values() if isinstance(value, dict) else value
        if isinstance(value, list | tuple | set | dict):
            for part in islice(parts, LOOKED_AT):
                if self.is_ref(part):
                    yield part
                elif depth:
                    yield from self.refs_in(part, depth - 1)

    def task_of(self, result: Any) -> str:
        """Return the id of the task whose result that is, or ""."""
        ref = next(self.refs_in(result), result)
        return str(ref.task_id().hex()) if self.is_ref(ref) else ""

    def is_put_by(self, inner: Any, outer: Any) -> bool:
        """Return whether the task of `outer` may have put `inner`.

        Ids of Ray say so: what a task puts has its id, but for the first
        byte. Of `minimr`, it is another process that owns it, and the task
        of `inner` is no task that is known.
        """
        if self._is_ray:
            return self.task_of(inner)[2:] == self.task_of(outer)[2:]
        return inner.entry.owner is not None

    def store_bytes(self) -> int:
        """Return the bytes of all object stores. Blocks: a question."""
        total = self._api.cluster_resources()
        return int(total.get("object_store_memory", 0))

    def _find(self, module: str, name: str) -> Any:
        return getattr(import_module(f"{self._api.__name__}.{module}"), name)
