"""Local mode: every task runs at once, in this process; for debugging.

Rule: the same verbs, no process, no socket, no parallelism. The tables of
the cluster show one node, this process.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from minimr.core import messages as m
from minimr.core import serialization
from minimr.core.process.records import Entry, ObjectRef, References
from minimr.core.process.runtime import Duty
from minimr.core.process.task_io import method
from minimr.exceptions import ActorDiedError, task_error
from minimr.system import machine


class LocalRuntime:
    """Replaces the runtime after `init(local_mode=True)`."""

    address = ("127.0.0.1", 0)
    process = b"local"
    lost = False

    def __init__(self, resources: m.Resources) -> None:
        self.values = self  # it reads and writes them itself
        self.duty = Duty()
        self._references = References(self.address)
        self.resources = resources
        self.job = m.Job("local", (), os.getcwd(), "local", ())
        self.welcome = m.Welcome("local", self.address, (machine.pid(), 0, 0))
        self._count = 0
        self._names: dict[str, LocalActor] = {}

    def put(self, value: Any) -> ObjectRef:
        """Store a value, pickled like everywhere; return its reference."""
        packed = serialization.pack(value)
        ref = self._ref(m.Inline(packed.data, packed.copied(), ()))
        ref.entry.contained = packed.refs
        return ref

    def get(self, refs: Sequence[ObjectRef], timeout_s: Any) -> list[Any]:
        """Return the values, or raise."""
        return [self._load(ref) for ref in refs]

    def wait(
        self, refs: list[ObjectRef], num_returns: int, timeout_s: Any
    ) -> tuple[list[ObjectRef], list[ObjectRef]]:
        """Return as many as wanted: everything is ready."""
        return refs[:num_returns], refs[num_returns:]

    def run(self, function: Any, args: Any, kwargs: Any, returns: int) -> Any:
        """Run a task now; return references to its results."""
        try:
            result = self._call(function, args, kwargs)
            if returns == 1:
                return self.put(result)
            if returns < 0:
                return iter([self.put(part) for part in result])
            return [self.put(x) for x in serialization.split(result, returns)]
        except Exception as error:  # noqa: BLE001  # raised by get
            name = getattr(function, "__name__", "task")
            if not isinstance(error, ActorDiedError):
                error = task_error(name, error, 0)
            failed = serialization.as_failed(error)
            count = returns if returns >= 0 else 1
            refs = [self._ref(failed) for _ in range(count)]
            return refs[0] if len(refs) == 1 else refs

    def actor(self, cls: type, args: Any, kwargs: Any, options: Any) -> Any:
        """Return a new actor: an object of this process."""
        name = options.get("name")
        if name in self._names:
            if options.get("get_if_exists"):
                return self._names[name]
            raise ValueError(f"The name {name} is already taken.")
        actor = LocalActor(self, self._call(cls, args, kwargs))
        if name is not None:
            self._names[name] = actor
        return actor

    def events(self) -> list[Any]:
        """Return no events: nothing is noted."""
        return []

    def ask_head(self, query: m.Query) -> list[Any]:
        """Return the rows of a table of the cluster: this process."""
        if query.what == "actors":
            return [
                {"name": name, "state": "ALIVE", "ray_namespace": "local"}
                for name in self._names
            ]
        about = (self.resources, self.resources, machine.pid(), True)
        node = m.NodeInfo("local", self.address, *about)
        return [node] if query.what == "nodes" else []

    def leave_to_parent(self) -> None:
        """Go on. Runs in: a fork, which has all of this for itself."""

    def find(self, name: str) -> Any:
        """Return the actor of that name, or None."""
        return self._names.get(name)

    def kill(self, actor: LocalActor) -> None:
        """Forget an actor; later calls of its handles fail."""
        actor._target = _Dead()
        for name in [n for n, other in self._names.items() if other is actor]:
            del self._names[name]

    def _call(self, function: Any, args: Any, kwargs: Any) -> Any:
        def value(arg: Any) -> Any:
            return self._load(arg) if isinstance(arg, ObjectRef) else arg

        named = {key: value(arg) for key, arg in kwargs.items()}
        return function(*map(value, args), **named)

    def _ref(self, value: Any) -> ObjectRef:
        self._count += 1
        id = self._count.to_bytes(18, "big")
        return ObjectRef(Entry(id, None, None, self._references, value))

    def _load(self, ref: ObjectRef) -> Any:
        return serialization.load(ref.entry.value)


class _Dead:
    """Replaces an actor that was killed, and its methods."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        raise ActorDiedError("the actor has died: it was ended by kill()")


class LocalActor:
    """A handle to an actor in this process, or one of its methods."""

    def __init__(self, runtime: LocalRuntime, target: Any) -> None:
        self._runtime = runtime
        self._target = target

    def __getattr__(self, name: str) -> Any:
        dead = isinstance(self._target, _Dead)
        target = self._target if dead else method(self._target, name)
        return LocalActor(self._runtime, target)

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it now; return references to its results."""
        marked = getattr(self._target, "__minimr_method__", {})
        returns = marked.get("num_returns", 1)
        return self._runtime.run(self._target, args, kwargs, returns)
