"""The verbs: what a program calls, under Ray's names.

Each checks its arguments, as Ray does, and leaves the work to the runtime.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from minimr.core import messages as m
from minimr.core.api.actors import ActorHandle, find_actor, old_handle
from minimr.core.api.generator import ObjectRefGenerator
from minimr.core.api.local import LocalActor, LocalRuntime
from minimr.core.api.session import session
from minimr.core.api.trace import chrome_trace
from minimr.core.process.current import current
from minimr.core.process.records import FIRST, ObjectRef, Task
from minimr.core.process.runtime import Runtime


def get(refs: Any, *, timeout: float | None = None) -> Any:
    """Return the value of a reference, or the values of a list of them.

    Blocks: until they are there.

    Raises:
        GetTimeoutError: `timeout` seconds have passed.
        RayTaskError: a task raised; it is also what the task raised.
        RayError: the value is lost, the actor is dead, ...
    Ray: the same.
    """
    runtime = session()
    if isinstance(refs, ObjectRef):
        return runtime.values.get([refs], timeout)[0]
    if isinstance(refs, ObjectRefGenerator):
        return refs
    if not isinstance(refs, list):
        raise ValueError(
            f"Invalid type of object refs, {type(refs)}: 'object_refs' must "
            "be an ObjectRef or a list of ObjectRefs"
        )
    for ref in refs:
        if not isinstance(ref, ObjectRef):
            raise TypeError(f"get() of {ref!r:.80}: it is no ObjectRef")
    return runtime.values.get(refs, timeout)


def put(value: Any) -> ObjectRef:
    """Store a value; return a reference, to be passed to tasks.

    Blocks: a large value, until the node has made room.

    Raises:
        ObjectStoreFullError: there is no room, in memory or on disk.
    Ray: the same.
    """
    if isinstance(value, ObjectRef):
        raise TypeError("put() of an ObjectRef: put it into a list first")
    return session().values.put(value)  # type: ignore[no-any-return]


def wait(
    refs: Sequence[Any],
    *,
    num_returns: int = 1,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> tuple[list[Any], list[Any]]:
    """Return the references that are ready, and the others, in their order.

    Blocks: until `num_returns` are ready, or `timeout` seconds have passed.
    Ray: the same; but `fetch_local` has no effect: a value is ready when it
    exists, and `get` fetches it.
    """
    global _checked
    if timeout is not None and timeout < 0:
        raise ValueError(f"the timeout must not be negative: {timeout}")
    if not isinstance(refs, list) or _checked != (id(refs), len(refs)):
        _check_refs(refs)
    if not refs:
        return [], []
    if not 1 <= num_returns <= len(refs):
        raise ValueError(f"num_returns must be 1 to {len(refs)} here")
    ready, rest = session().values.wait(refs, num_returns, timeout)
    _checked = (id(rest), len(rest))
    return ready, rest


# The list that `wait` returned last, by its id and length. A program that
# waits for one reference at a time passes it again: no need to check all of
# its references each time.
_checked = (0, 0)


def _check_refs(refs: Any) -> None:
    for ref in refs if isinstance(refs, list) else [None]:
        if not isinstance(ref, ObjectRef | ObjectRefGenerator):
            kind = type(refs if ref is None else ref)
            raise TypeError(f"wait() takes a list of ObjectRefs, got {kind}")
    if len(refs) != len({ref.entry.id for ref in refs}):
        raise ValueError("Wait requires a list of unique object refs.")


def cancel(ref: Any, *, force: bool = False, recursive: bool = True) -> None:
    """Stop a task: its result is a `TaskCancelledError`. Blocks: no.

    A running task gets a KeyboardInterrupt; with `force`, its process ends. A
    task that has ended stays as it is.
    Ray: the same.
    """
    if isinstance(ref, ObjectRefGenerator):
        entry = None
        task: Task | None = ref.task
    elif isinstance(ref, ObjectRef):
        entry, task = ref.entry, ref.entry.task
    else:
        raise TypeError(
            "ray.cancel() only supported for object refs. For actors, try "
            f"ray.kill(). Got: {type(ref)}."
        )
    runtime = session()
    if not isinstance(runtime, Runtime):
        return
    with runtime.lock:
        if entry is not None and entry.owner is not None:
            made_by = entry.id[: -len(FIRST)]
            owner = runtime.link(entry.owner)
            owner.post(m.Abort(made_by, force, recursive))
        elif task is not None:
            runtime.cancels.cancel(task, force, recursive)
    runtime.hub.flush()


def get_actor(name: str, namespace: str | None = None) -> Any:
    """Return an actor by its name. Blocks: until the control store answers.

    Raises:
        ValueError: no living actor has it.
    Ray: the same.
    """
    if not name:
        raise ValueError("Please supply a non-empty value to get_actor")
    runtime = session()
    if isinstance(runtime, LocalRuntime):
        found = runtime.find(name)
    else:
        space = namespace or runtime.job.namespace
        found = find_actor(runtime, name, space)
    if found is None:
        raise ValueError(
            f"Failed to look up actor with name '{name}': it was never "
            "created, has died, or is in another namespace"
        )
    return found


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
            "kill() is only for actors; for tasks there is cancel(). Got: "
            f"{type(actor)}."
        )
    if actor._runtime is not runtime:
        raise old_handle(actor._spec.class_name)
    with runtime.lock:
        why = "it was ended by kill()"
        runtime.actors.end(actor._spec.id, no_restart, why)
    runtime.hub.flush()


def nodes() -> list[dict[str, Any]]:
    """Return a row per node. Blocks: until the control store answers.

    Ray: the same, with fewer fields.
    """
    return [
        {
            "NodeID": node.id,
            "Alive": node.alive,
            "alive": node.alive,
            "NodeManagerAddress": node.address[0],
            "NodeManagerPort": node.address[1],
            "Resources": dict(node.total) if node.alive else {},
            "Labels": dict(node.labels),
            "pid": node.pid,
        }
        for node in current().ask_head(m.Query("nodes"))
    ]


def cluster_resources() -> dict[str, float]:
    """Return what all nodes have together. Ray: the same."""
    return _sum("total")


def available_resources() -> dict[str, float]:
    """Return what is not in use on all nodes together. Ray: the same."""
    return _sum("available")


def _sum(what: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    for node in current().ask_head(m.Query("nodes")):
        for name, amount in getattr(node, what).items() if node.alive else ():
            sums[name] = sums.get(name, 0.0) + amount
    return {name: amount for name, amount in sums.items() if amount > 0}


def timeline(filename: str | None = None) -> list[dict[str, Any]] | None:
    """Return what ran where and when, as a Chrome trace, or write it.

    Ray: the same. Open the file in Perfetto or chrome://tracing.
    """
    rows = chrome_trace(current().events())
    if filename is None:
        return rows
    from minimr.system.files import atomic_writer  # `init` needs it not

    with atomic_writer(filename) as file:
        json.dump(rows, file)
    return None
