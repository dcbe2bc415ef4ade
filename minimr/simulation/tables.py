"""What a process knows, as tables of short texts, for who reads a trace.

{table: {key: text}}    the trace has what is new; "": it is gone
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from minimr.core import messages as m
from minimr.core.control.actors import Actors
from minimr.core.node.leasing import Leasing
from minimr.core.process.leases import Leases
from minimr.core.process.ownership import Objects
from minimr.core.process.records import Entry
from minimr.sockets.cluster.coordinator import Coordinator
from minimr.sockets.cluster.tracker import Task
from minimr.sockets.cluster.worker import Worker
from minimr.sockets.parameter_server import Server

Table = dict[str, str]

MOST = 200  # rows of a table: more are for nobody to read


def of_coordinator(coordinator: Coordinator) -> dict[str, Table]:
    """Return the tasks of all jobs, and what each worker does."""
    return {
        "tasks": {
            f"job {run.id}, {task.id}": _task(task)
            for run in coordinator._runs.values()
            for task in (*run.tracker.maps, *run.tracker.reduces)
        },
        "workers": {
            f"worker {member.id}": (
                str(member.attempt.task) if member.attempt else "idle"
            )
            for member in coordinator._members
        },
    }


def _task(task: Task) -> str:
    if task.holder is not None:
        return f"done, worker {task.holder} has it"
    workers = " and ".join(map(str, task.attempts))
    return f"in progress, worker {workers}" if workers else "idle"


def of_worker(worker: Worker) -> dict[str, Table]:
    """Return what a worker has made."""
    jobs = worker._jobs.items()
    blocks = {
        f"job {number}, block {key}": "here"
        for number, job in jobs
        for key in job._blocks._places
    }
    outputs = {
        f"job {number}, output {partition}": "here"
        for number, job in jobs
        for partition in job.outputs
    }
    return {"blocks": blocks, "outputs": outputs}


def of_server(server: Server) -> dict[str, Table]:
    """Return the clocks of a server, and who waits."""
    rounds = server._rounds
    return {
        "clocks": {f"worker {w}": str(c) for w, c in rounds.clocks.items()},
        "pushed": {f"worker {w}": "waits" for w in rounds._waiting},
        "rounds": {"version": str(rounds.stats.rounds)},
    }


def of_objects(objects: Objects) -> dict[str, Table]:
    """Return what a process of rung 2 knows of objects, and who counts."""
    return {
        "objects": {
            f"object {_number(id)}": _object(entry)
            for id, entry in islice(objects.table.items(), MOST)
        }
    }


def _number(id: bytes) -> int:
    """Return which task, put or actor of its process it is of."""
    return int.from_bytes(id[8:14], "big")


def _object(entry: Entry) -> str:
    match entry.value:
        case None:
            what = "not there yet"
        case m.Stored(size, places, _):
            what = f"{size:,} bytes, stores: {len(places)}"
        case m.Failed():
            what = "an error"
        case _:
            what = "its value"
    whose = "own" if entry.owner is None else "borrowed"
    made = f", of {entry.task.name}()" if entry.task is not None else ""
    counts = f"references: {entry.handles}"
    if entry.borrowers:
        counts += f", borrowers: {len(entry.borrowers)}"
    return f"{whose}{made}, {what}, {counts}"


def of_leases(leases: Leases) -> dict[str, Table]:
    """Return the workers that an owner of rung 2 has, and what waits."""
    return {
        "leases": {
            f"process {peer.data.pid}": f"tasks sent: {len(lease.inflight)}"
            for peer, lease in leases.by_peer.items()
            if peer.data.pid  # it has answered
        },
        "queues": {
            f"queue {queue.number}": f"tasks that wait: {len(queue.tasks)}"
            for queue in leases.queues
            if queue.tasks
        },
    }


def of_leasing(leasing: Leasing) -> dict[str, Table]:
    """Return the leases of a node of rung 2."""
    leases = leasing.leases.values()
    return {
        "leases": {
            f"lease {lease.number}": (
                f"process {lease.worker.pid}"
                if lease.worker is not None
                else "a worker starts"
            )
            + (", its task waits" if lease.blocked else "")
            for lease in leases
        }
    }


def of_actors(actors: Actors) -> dict[str, Table]:
    """Return the actors that the head of rung 2 knows."""
    return {
        "actors": {
            f"{actor.spec.class_name} {_number(id)}": (
                actor.phase.name.lower()
                + (f", restarts: {actor.restarts}" if actor.restarts else "")
            )
            for id, actor in islice(actors.table.items(), MOST)
        }
    }


TABLES: dict[type[Any], Callable[[Any], dict[str, Table]]] = {
    Coordinator: of_coordinator,
    Worker: of_worker,
    Server: of_server,
    Objects: of_objects,
    Leases: of_leases,
    Leasing: of_leasing,
    Actors: of_actors,
}
