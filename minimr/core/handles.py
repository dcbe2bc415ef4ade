"""Handles of actors: made by the creator, found by name, or received.

Rule: a counted handle holds a reference to the actor's anchor, an object
that stands for the actor. When the last one is gone, wherever it had
travelled, the owner of the anchor lets the actor end. A handle that was
found by name does not count, as in Ray.
"""

from __future__ import annotations

from typing import Any

from minimr.core import messages as m
from minimr.core import options as opts
from minimr.core import remote
from minimr.core.objects import ObjectRef, released
from minimr.core.runtime import current
from minimr.core.task import Task

NO_SHAPE = m.Shape((), None, ())


class ActorMethod:
    """A method of a handle: `handle.method.remote(...)`."""

    def __init__(
        self, handle: ActorHandle, name: str, options: dict[str, Any]
    ) -> None:
        spec = handle._spec
        self._runtime, self._line = handle._runtime, handle._line
        # Not the handle itself, which keeps this method: no cycles.
        self._anchor = [handle._anchor] if handle._anchor else []
        self._name = options.get("name") or f"{spec.class_name}.{name}"
        self._define = m.Define(b"", name, b"")
        self._returns = remote.count_returns(options.get("num_returns"), None)
        if options.get("generator") and options.get("num_returns") is None:
            self._returns = -1
        retries = options.get("max_task_retries")
        self._retries = spec.max_task_retries if retries is None else retries
        again = options.get("retry_exceptions") or False
        self._again = tuple(again) if isinstance(again, list) else again
        self._signature = options.get("signature")
        self._limit = spec.max_pending_calls
        self._base = (handle, name, options)[1:]
        self._spec = spec

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: it is `remote` that calls."""
        raise TypeError(
            "Actor methods cannot be called directly. Instead of running "
            f"'object.{self._base[0]}()', try "
            f"'object.{self._base[0]}.remote()'."
        )

    def options(self, **options: Any) -> ActorMethod:
        """Give the same method with other options."""
        opts.check(options, opts.METHOD, "actor methods")
        name, known = self._base
        anchor = self._anchor[0] if self._anchor else None
        handle = ActorHandle(self._spec, anchor)
        return ActorMethod(handle, name, {**known, **options})

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Call the method. Blocks: no; gives references to its results."""
        runtime = self._runtime
        if runtime is not current():
            raise RuntimeError("the actor is of an earlier init()")
        if self._signature is not None:
            self._signature.check(self._name, args, kwargs)
        blob, refs, held = remote.pack_arguments(args, kwargs, runtime)
        task = Task(
            runtime.new_id(),
            self._name,
            self._define,
            blob,
            refs,
            held + self._anchor,
            self._returns,
            NO_SHAPE,
            self._retries,
            self._again,
        )
        with runtime.lock:
            result = remote.outcome(runtime, task)
            runtime.actors.submit(self._line, task, self._limit)
            if released:
                runtime.objects.drain()
        runtime.flush()
        return result


class ActorHandle:
    """An actor, as somebody who can call it has it."""

    def __init__(self, spec: m.ActorSpec, anchor: ObjectRef | None) -> None:
        self._spec = spec
        self._anchor = anchor
        self._runtime = current()
        with self._runtime.lock:
            self._line = self._runtime.actors.line(spec.id)

    def __getattr__(self, name: str) -> ActorMethod:
        if name in self._spec.methods:
            options = self._spec.methods[name]
        elif name in ("__ray_ready__", "__ray_terminate__"):
            options = {}
        else:
            raise AttributeError(
                f"'{self._spec.class_name}' object has no attribute '{name}'"
            )
        method = self.__dict__[name] = ActorMethod(self, name, options)
        return method

    def __reduce__(self) -> tuple[Any, ...]:
        # What it takes to start the actor stays with the control store.
        spec = self._spec._replace(blob=b"", args=b"", deps=())
        return ActorHandle, (spec, self._anchor)

    def __repr__(self) -> str:
        return f"Actor({self._spec.class_name}, {self._spec.id.hex()})"

    def __hash__(self) -> int:
        return hash(self._spec.id)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ActorHandle) and self._spec.id == other._spec.id
        )

    @property
    def _actor_id(self) -> Any:
        return self._spec.id
