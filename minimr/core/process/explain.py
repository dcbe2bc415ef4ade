"""Says what an object waits for, as far as this process knows.

    get() ── too long ──> the task that makes it ─┬─ waits for an argument:
                                                  │    the task that makes that
                                                  ├─ waits for a worker, actor
                                                  └─ runs there

Ray: a line in the log that its user had better not ignore, or silence.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.process.refs import Entry
from minimr.core.process.tasks import Queue, Task

if TYPE_CHECKING:
    from minimr.core.process.runtime import Runtime

MAX_STEPS = 4  # from a task to what it waits for

log = logging.getLogger(__name__)


def missing(entries: Sequence[Entry]) -> str:
    """Say how many are not there, and what the first of them waits for.

    The runtime's lock is held.
    """
    waiting = [entry for entry in entries if entry.value is None]
    count = f"{len(waiting)} of {len(entries)} objects are not there yet"
    return f"{count}; {reason(waiting[0])}" if waiting else count


def reason(entry: Entry) -> str:
    """Say what an object waits for. The runtime's lock is held."""
    told = ""
    for _ in range(MAX_STEPS):
        task = entry.task
        if entry.owner is not None:
            where = "{}:{}".format(*entry.owner)
            return f"{told}the process at {where} owns it, and has no value"
        if task is None or not task.waits:
            return f"{told}object {entry.id.hex()}"
        told += f"{task.name}() "
        inputs = [ref.entry for ref in task.refs if ref.entry.value is None]
        if not inputs:
            return told + _place(task)
        told += "waits for an argument: "
        entry = inputs[0]
    return told + "..."


def _place(task: Task) -> str:
    queue = task.queue
    for lease in queue.leases if queue is not None else ():
        if task.id in lease.inflight:
            first = task.id == next(iter(lease.inflight))
            what = "runs" if first else "waits for its turn"
            return "{} in the worker at {}:{}".format(
                what, *lease.peer.data.address
            )
    if task.shape is not None:
        wanted = m.format_resources(task.shape.resources)
        return f"waits for a worker with {wanted}"
    if queue is not None and queue.leases:
        return "waits behind other calls of its actor"
    return "waits for its actor to start (see `minimr list actors`)"


def task_rows(runtime: Runtime) -> list[dict[str, Any]]:
    """Return a row for each task of ours that has not ended. Lock held."""
    actors = {queue: id for id, queue in runtime.actors.queues.items()}
    return [_row(task, actors) for task in runtime.tasks.live.values()]


def _row(task: Task, actors: dict[Queue, bytes]) -> dict[str, Any]:
    kind, actor = "NORMAL_TASK", b""
    if task.shape is None and task.queue in actors:
        kind, actor = "ACTOR_TASK", actors[task.queue]
    elif task.shape is None:
        kind, actor = "ACTOR_CREATION_TASK", task.id
    row = {
        "task_id": task.id.hex(),
        "attempt_number": task.attempt,
        "name": task.name,
        "state": "PENDING_NODE_ASSIGNMENT",
        "type": kind,
        "actor_id": actor.hex(),
        "parent_task_id": (task.parent or b"").hex(),
        "node_id": "",
        "worker": "",
        "seconds": None,
    }
    if any(ref.entry.value is None for ref in task.refs):
        return {**row, "state": "PENDING_ARGS_AVAIL"}
    for lease in task.queue.leases if task.queue is not None else ():
        if task.id in lease.inflight:
            first = task.id == next(iter(lease.inflight))
            row["state"] = "RUNNING" if first else "SUBMITTED_TO_WORKER"
            row["worker"] = f"worker {lease.peer.data.pid}"
    return row


def complain(
    runtime: Runtime, entries: Sequence[Entry], waited_s: float
) -> None:
    """Warn that a program waits while nothing of it runs.

    Blocks: until the control store has said what is free, a second at most.
    """
    with runtime.lock:
        waiting = [entry for entry in entries if entry.value is None]
        leases = runtime.leases.by_peer.values()
        busy = any(lease.inflight for lease in leases)
        if busy or not waiting or waiting[0].owner is not None:
            return
        text, head = missing(entries), runtime.head()
    nodes = runtime.call(head, m.Query("nodes"), timeout_s=1.0)
    living = [n for n in nodes if n.alive] if type(nodes) is list else []
    free = [
        f"{node.id[:8]} {m.format_resources(node.available.items())}"
        for node in living
    ]
    what = "waited for %.0f s, and nothing of this program runs: %s. Free: %s"
    log.warning(what, waited_s, text, "; ".join(free) or "unknown")
