"""Says what an object waits for, as far as this process knows.

    get() ── too long ──> the task that makes it ─┬─ waits for an argument:
                                                  │    the task that makes that
                                                  ├─ waits for a worker, actor
                                                  └─ runs there

Ray: a line in the log that its user had better not ignore, or silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from minimr.core import messages as m
from minimr.core.process.records import Entry, Lease, Queue, Task

MAX_STEPS = 4  # from a task to what it waits for


def missing(entries: Sequence[Entry]) -> str:
    """Say how many are not there, and what the first of them waits for.

    The process's lock is held.
    """
    waiting = [entry for entry in entries if entry.value is None]
    count = f"{len(waiting)} of {len(entries)} objects are not there yet"
    return f"{count}; {reason(waiting[0])}" if waiting else count


def reason(entry: Entry) -> str:
    """Return what an object waits for. The process's lock is held."""
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
    lease = task.lease()
    if lease is not None:
        first = task.id == next(iter(lease.inflight))
        what = "runs" if first else "waits for its turn"
        where = "{}:{}".format(*lease.peer.data.address)
        return f"{what} in the worker at {where}"
    if task.shape is not None:
        wanted = m.format_resources(task.shape.resources)
        return f"waits for a worker with {wanted}"
    if task.queue is not None and task.queue.leases:
        return "waits behind other calls of its actor"
    return "waits for its actor to start (see `minimr list actors`)"


def task_rows(
    tasks: Iterable[Task], actors: Mapping[bytes, Queue]
) -> list[dict[str, Any]]:
    """Return a row for each task; `actors`: {id: the queue of its calls}."""
    ids = {queue: id for id, queue in actors.items()}
    return [_row(task, ids) for task in tasks]


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
    lease = task.lease()
    if lease is not None:
        first = task.id == next(iter(lease.inflight))
        row["state"] = "RUNNING" if first else "SUBMITTED_TO_WORKER"
        row["worker"] = f"worker {lease.peer.data.pid}"
    return row


def stuck(entries: Sequence[Entry], leases: Iterable[Lease]) -> str | None:
    """Say what a program waits for, if nothing of it runs.

    The process's lock is held.
    """
    waiting = [entry for entry in entries if entry.value is None]
    if not waiting or waiting[0].owner is not None:
        return None
    busy = any(lease.inflight for lease in leases)
    return None if busy else missing(entries)


def free(nodes: Iterable[m.NodeInfo]) -> str:
    """Say what the living nodes have that nobody uses."""
    living = [n for n in nodes if n.alive]
    have = [
        f"{n.id[:8]} {m.format_resources(n.available.items())}" for n in living
    ]
    return "; ".join(have) or "unknown"
