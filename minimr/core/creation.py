"""Actors are made, found by name, and ended.

A.remote() ─> ActorSpec ─> CreateActor ─> control store ─> a node
get_actor(name) ─> FindActor ─> a handle that does not count
kill(handle) ─> KillActor ─> control store ─> its node
"""

from __future__ import annotations

import inspect
from typing import Any

from minimr.core import messages as m
from minimr.core import options as opts
from minimr.core import remote
from minimr.core.actor_calls import Line
from minimr.core.handles import NO_SHAPE, ActorHandle
from minimr.core.local import LocalActor, LocalRuntime
from minimr.core.objects import ObjectRef
from minimr.core.running import ActorExit
from minimr.core.runtime import Runtime
from minimr.core.session import session
from minimr.core.signature import read
from minimr.core.task import FIRST, Task


def create(
    runtime: Runtime,
    cls: type,
    define: m.Define,
    options: dict[str, Any],
    args: Any,
    kwargs: Any,
) -> ActorHandle:
    """Make an actor. Blocks: a named one, until the name is known."""
    name = options.get("name")
    _check_name(name, options)
    if name is not None and options.get("get_if_exists"):
        found = _find(runtime, name, _namespace(runtime, options))
        if found is not None:
            return found  # type: ignore[no-any-return]
    signature = read(cls)
    if signature is not None:
        signature.check(cls.__name__, args, kwargs)
    blob, refs, held = remote.pack_arguments(args, kwargs, runtime)
    id = runtime.new_id()
    spec = _spec(runtime, id, cls, define, options, blob)
    task = Task(
        id, spec.class_name, define, blob, refs, held, 0, NO_SHAPE, 0, False
    )
    with runtime.lock:
        anchor = runtime.objects.new(id + FIRST, None)
        anchor.entry.value = b"N."  # the pickle of None
        line = runtime.actors.own(id, task, detached=spec.owner is None)
        if name is None:
            runtime.outcomes.when_ready(
                task, lambda task: _send(runtime, line, spec, task)
            )
    if name is not None:
        return _create_named(runtime, line, spec, options, anchor)
    runtime.flush()
    return ActorHandle(spec, anchor)


def _create_named(
    runtime: Runtime,
    line: Line,
    spec: m.ActorSpec,
    options: dict[str, Any],
    anchor: ObjectRef,
) -> ActorHandle:
    taken = runtime.call(runtime.control(), m.CreateActor(spec))
    if taken is not None:
        if options.get("get_if_exists"):
            found = _find(runtime, str(spec.name), spec.namespace)
            if found is not None:
                return found  # type: ignore[no-any-return]
        raise ValueError(taken)
    with runtime.lock:
        runtime.actors.follow(line)
    runtime.flush()
    return ActorHandle(spec, anchor)


def _send(runtime: Runtime, line: Line, spec: m.ActorSpec, task: Task) -> None:
    if not task.waits:  # an argument of the constructor is an error
        for ref in task.refs:
            if isinstance(ref.entry.value, m.Failed):
                runtime.actors.end(line, ref.entry.value)
        return
    spec = spec._replace(deps=runtime.outcomes.deps(task))
    head = runtime.link(runtime.welcome.head)
    runtime.ask(head, m.CreateActor(spec), lambda taken: None)
    runtime.actors.follow(line)


def _check_name(name: Any, options: dict[str, Any]) -> None:
    if name == "":
        raise ValueError("Actor name cannot be an empty string.")
    if options.get("get_if_exists") and name is None:
        raise ValueError(
            "The actor name must be specified to use `get_if_exists`."
        )


def _namespace(runtime: Runtime, options: dict[str, Any]) -> str:
    assert runtime.job is not None
    return options.get("namespace") or runtime.job.namespace


def _spec(
    runtime: Runtime,
    id: bytes,
    cls: type,
    define: m.Define,
    options: dict[str, Any],
    blob: bytes,
) -> m.ActorSpec:
    methods = _methods(cls)
    is_async = any(
        inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f)
        for _, f in inspect.getmembers(cls, inspect.isfunction)
    )
    default = remote.ASYNC_CONCURRENCY if is_async else 1
    assert runtime.job is not None
    env = runtime.job.env
    detached = options.get("lifetime") == "detached"
    # As in Ray: an actor that asks for nothing holds nothing while it lives.
    asks = ("num_cpus", "num_gpus", "resources", "memory")
    held = int(any(options.get(name) is not None for name in asks))
    return m.ActorSpec(
        id,
        cls.__name__,
        define.blob,
        blob,
        (),
        opts.shape(options, 1, env),
        opts.shape(options, held, env),
        options.get("name"),
        _namespace(runtime, options),
        options.get("max_restarts") or 0,
        options.get("max_task_retries") or 0,
        options.get("max_concurrency") or default,
        is_async,
        methods,
        runtime.job,
        None if detached else runtime.address,
        options.get("max_pending_calls") or -1,
    )


def _methods(cls: type) -> dict[str, dict[str, Any]]:
    methods: dict[str, dict[str, Any]] = {}
    for name, function in inspect.getmembers(cls, callable):
        if name.startswith("__") and name not in ("__init__", "__call__"):
            continue
        options = dict(getattr(function, "__minimr_method__", {}))
        if inspect.isgeneratorfunction(function) or (
            inspect.isasyncgenfunction(function)
        ):
            options["generator"] = True
        plain = isinstance(inspect.getattr_static(cls, name), staticmethod)
        bound = inspect.ismethod(function)  # of the class
        options["signature"] = read(function, not plain and not bound)
        methods[name] = options
    return methods


def method(**options: Any) -> Any:
    """Give a method of an actor class its own options.

    Ray: `ray.method`.
    """
    opts.check(options, opts.METHOD, "actor methods")
    if not options:
        raise ValueError("method() takes at least one option")

    def mark(function: Any) -> Any:
        function.__minimr_method__ = options
        return function

    return mark


def _find(runtime: Runtime, name: str, namespace: str) -> Any:
    find = m.FindActor(name, namespace)
    spec = runtime.call(runtime.control(), find)
    return ActorHandle(spec, None) if isinstance(spec, m.ActorSpec) else None


def get_actor(name: str, namespace: str | None = None) -> ActorHandle:
    """Find an actor by its name. Blocks: until the control store answers.

    Raises:
        ValueError: there is none that lives.
    Ray: the same.
    """
    if not name:
        raise ValueError("Please supply a non-empty value to get_actor")
    runtime = session()
    if isinstance(runtime, LocalRuntime):
        found = runtime.find(name)
    else:
        namespace = _namespace(runtime, {"namespace": namespace})
        found = _find(runtime, name, namespace)
    if found is None:
        raise ValueError(
            f"Failed to look up actor with name '{name}'. This could be "
            "because 1. You are trying to look up a named actor you didn't "
            "create. 2. The named actor died. 3. You did not use a namespace "
            "matching the namespace of the actor."
        )
    return found  # type: ignore[no-any-return]


def kill(actor: Any, *, no_restart: bool = True) -> None:
    """End an actor at once; its calls fail. Blocks: no.

    Ray: the same.
    """
    runtime = session()
    if isinstance(actor, LocalActor):
        runtime.kill(actor)
        return
    if not isinstance(actor, ActorHandle):
        raise ValueError(
            "ray.kill() only supported for actors. For tasks, try "
            f"ray.cancel(). Got: {type(actor)}."
        )
    why = "it was ended by kill()"
    head = runtime.control()
    head.post(m.KillActor(actor._spec.id, no_restart, why))
    runtime.hub.flush()


def exit_actor() -> None:
    """End this actor, after this method.

    Runs in: actor.

    Raises:
        TypeError: this is no actor.
    Ray: `ray.actor.exit_actor`.
    """
    from minimr.core.context import executor

    if executor() is None or executor().spec is None:
        raise TypeError(
            "exit_actor API is called on a non-actor worker. Call this API "
            "inside an actor methods if you'd like to exit the actor "
            "gracefully."
        )
    raise ActorExit
