"""What a process knows, as tables of short texts, for who reads a trace.

{table: {key: text}}    the trace has what is new; "": it is gone
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minimr.sockets.cluster.coordinator import Coordinator
from minimr.sockets.cluster.tracker import Task
from minimr.sockets.cluster.worker import Worker
from minimr.sockets.parameter_server import Server

Table = dict[str, str]


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


TABLES: dict[type[Any], Callable[[Any], dict[str, Table]]] = {
    Coordinator: of_coordinator,
    Worker: of_worker,
    Server: of_server,
}
