"""What the cluster is doing: nodes, workers, actors, tasks, objects.

    control store ── nodes, actors, tasks that have ended ──┐
    nodes ────────── workers, drivers, stored objects ──────┼──> rows
    owners ───────── tasks that have not ended ─────────────┘

Rules:

1. No process keeps a table for this: each row comes from the process that
   has it. A task that waits is known to its owner alone.
2. A filter is (column, "=" or "!=", value); texts are compared ignoring case,
   as in Ray.

Ray: `ray.util.state`. There every task reports each change of its state, and
`detail` asks for more columns; here a row always has all columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from minimr.core import messages as m
from minimr.core.api.session import session
from minimr.core.api.trace import task_rows

LIMIT = 100
Filter = tuple[str, str, Any]


class _Columns:
    """A row: read it as an object or as a dictionary, as in Ray."""

    def __getitem__(self, column: str) -> Any:
        return getattr(self, column)

    def get(self, column: str, default: Any = None) -> Any:
        """Return a column, or `default` if there is no such column."""
        return getattr(self, column, default)

    def asdict(self) -> dict[str, Any]:
        """Return the row as a dictionary."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class NodeState(_Columns):
    """One node, living or dead."""

    node_id: str
    node_ip: str
    is_head_node: bool
    state: str  # ALIVE, DEAD
    resources_total: dict[str, float]
    labels: dict[str, str]


@dataclass(frozen=True)
class WorkerState(_Columns):
    """One process of the cluster that runs user code."""

    worker_id: str
    worker_type: str  # WORKER, DRIVER
    is_alive: bool
    node_id: str
    ip: str
    pid: int
    lease: str  # IDLE, LEASED, ACTOR
    runs: str  # the task that runs there, or has run last


@dataclass(frozen=True)
class ActorState(_Columns):
    """One actor; a dead one stays for a while."""

    actor_id: str
    class_name: str
    state: str  # PENDING_CREATION, ALIVE, RESTARTING, DEAD
    job_id: str
    name: str
    node_id: str
    pid: int  # 0: none
    ray_namespace: str
    is_detached: bool
    num_restarts: int
    death_cause: str
    required_resources: dict[str, float]


@dataclass(frozen=True)
class TaskState(_Columns):
    """One task or method call."""

    task_id: str
    attempt_number: int
    name: str
    state: str  # PENDING_ARGS_AVAIL, ..., RUNNING, FINISHED, FAILED
    type: str  # NORMAL_TASK, ACTOR_TASK, ACTOR_CREATION_TASK
    actor_id: str
    parent_task_id: str
    node_id: str  # where it runs, or has run
    worker: str
    seconds: float | None  # None: it has not ended


@dataclass(frozen=True)
class ObjectState(_Columns):
    """One copy of an object in a node's object store."""

    object_id: str
    node_id: str
    object_size: int  # bytes
    state: str  # MEMORY, SPILLED
    pins: int  # how many readers hold it in memory


Row = TypeVar("Row", bound=_Columns)


def list_nodes(
    filters: Sequence[Filter] | None = None, limit: int = LIMIT
) -> list[NodeState]:
    """Return the nodes, dead ones too. Blocks: until the head answers."""
    runtime = session()
    rows = [
        NodeState(
            node_id=node.id,
            node_ip=node.address[0],
            is_head_node=node.address == runtime.welcome.head,
            state="ALIVE" if node.alive else "DEAD",
            resources_total=dict(node.total),
            labels=dict(node.labels),
        )
        for node in runtime.ask_head(m.Query("nodes"))
    ]
    return _chosen(NodeState, rows, filters, limit)


def list_workers(
    filters: Sequence[Filter] | None = None, limit: int = LIMIT
) -> list[WorkerState]:
    """Return workers and drivers. Blocks: until all nodes answer."""
    rows = [
        WorkerState(**{k: v for k, v in row.items() if k != "address"})
        for row in of_nodes("workers")
    ]
    return _chosen(WorkerState, rows, filters, limit)


def list_objects(
    filters: Sequence[Filter] | None = None, limit: int = LIMIT
) -> list[ObjectState]:
    """Return the objects in the stores; small values are not in them.

    Blocks: until all nodes answer.
    """
    rows = [ObjectState(**row) for row in of_nodes("objects")]
    return _chosen(ObjectState, rows, filters, limit)


def list_actors(
    filters: Sequence[Filter] | None = None, limit: int = LIMIT
) -> list[ActorState]:
    """Return the actors, dead ones too. Blocks: until the nodes answer."""
    pids = {row["address"]: row["pid"] for row in of_nodes("workers")}
    rows = [
        ActorState(pid=pids.get(row.pop("worker"), 0), **row)
        for row in session().ask_head(m.Query("actors"))
    ]
    return _chosen(ActorState, rows, filters, limit)


def list_tasks(
    filters: Sequence[Filter] | None = None, limit: int = LIMIT
) -> list[TaskState]:
    """Return tasks that wait or run, and the last thousands that ended.

    The first task that was pushed to a worker counts as running.
    Blocks: until the control store, the nodes and all owners answer.
    """
    runtime = session()
    rows = {
        row["task_id"]: TaskState(
            attempt_number=0,
            type="NORMAL_TASK",
            actor_id="",
            parent_task_id="",
            **row,
        )
        for row in task_rows(runtime.events())
    }
    found = [row["address"] for row in of_nodes("workers")]
    owners = [address for address in found if address is not None]
    for row in asked(owners, "tasks"):
        rows[row["task_id"]] = TaskState(**row)
    return _chosen(TaskState, list(rows.values()), filters, limit)


def get_node(id: str) -> NodeState | None:
    """Return the node with that id, or None."""
    return _one(list_nodes, ("node_id", "=", id))


def get_worker(id: str) -> WorkerState | None:
    """Return the worker with that id, or None."""
    return _one(list_workers, ("worker_id", "=", id))


def get_actor(id: str) -> ActorState | None:
    """Return the actor with that id, or None."""
    return _one(list_actors, ("actor_id", "=", id))


def get_task(id: Any) -> TaskState | None:
    """Return the task with that id, or the one that made that object."""
    text = id if isinstance(id, str) else id.task_id().hex()
    return _one(list_tasks, ("task_id", "=", text))


def get_objects(id: str) -> list[ObjectState]:
    """Return the copies of an object."""
    return list_objects([("object_id", "=", id)])


def summarize_tasks() -> dict[str, Any]:
    """Return the numbers of tasks by name and state."""
    return _summary(list_tasks(limit=2**31), "name")


def summarize_actors() -> dict[str, Any]:
    """Return the numbers of actors by class and state."""
    return _summary(list_actors(limit=2**31), "class_name")


def _summary(rows: Sequence[_Columns], by: str) -> dict[str, Any]:
    counts: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = counts.setdefault(row[by], {by: row[by], "state_counts": {}})
        states = entry["state_counts"]
        states[row["state"]] = states.get(row["state"], 0) + 1
    total = dict(Counter(row["state"] for row in rows))
    return {"cluster": {"summary": counts, "total": total}}


def _one(
    listing: Callable[[list[Filter], int], list[Row]], filter: Filter
) -> Row | None:
    found = listing([filter], 1)
    return found[0] if found else None


def of_nodes(what: str) -> list[dict[str, Any]]:
    """Return the rows of all living nodes. Blocks: until they answer."""
    nodes = session().ask_head(m.Query("nodes"))
    return asked([node.address for node in nodes if node.alive], what)


def asked(addresses: Sequence[Any], what: str) -> list[dict[str, Any]]:
    """Return the rows of processes, all asked at once; none of dead ones."""
    runtime, answers = session(), []
    with runtime.lock:
        for address in addresses:
            if address == runtime.address:
                answers.append(runtime.inspect(what))
                continue
            link = runtime.link(address)
            runtime.ask(link, answers.append, m.Inspect(what))
    runtime.wait_for(lambda: len(answers) == len(addresses), None)
    return [row for rows in answers if isinstance(rows, list) for row in rows]


def _chosen(
    kind: type[Row],
    rows: list[Row],
    filters: Sequence[Filter] | None,
    limit: int,
) -> list[Row]:
    columns = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for column, how, value in filters or ():
        if column not in columns:
            raise ValueError(
                f"{column!r} is no column: filter by one of {columns}"
            )
        if how not in ("=", "!="):
            raise ValueError(f"{how!r} is no comparison: use '=' or '!='")
        wanted = str(value).lower()
        rows = [
            row
            for row in rows
            if (str(row[column]).lower() == wanted) is (how == "=")
        ]
    return rows[:limit]
