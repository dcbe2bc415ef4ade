"""What Ray tells of a run, as lines of a trace.

    task events of the GCS ── states, phases, parents ──> task
    nodes ──────────────────────────────────────────────> node
    their agents: `ray_usage` ──────────────────────────> usage
    nodes, state API, processes, log files ─────────────> `now`

Ray's public `timeline` has no ids of parents and no states; what it is made
of has both, and is asked here. Every process of Ray reports once a second,
so the lines are complete when no new ones come for longer than that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from lecture.processes import processes
from lecture.ray_usage import Usage

Line = dict[str, Any]

ABSENT = (
    "which results a task takes as arguments",
    "when its owner had the result",
    "what the object stores did",
)
WAITS = "waits in get: start Ray with $RAY_PROFILING set"
USED = "what its nodes use: their agents say so, after some seconds"
REPORT_S = 1.0  # of each process, by default
PATIENCE_S = 5.0
STATE_S = 3  # for an answer of the state API
MOST = 200  # rows of a table
LAST_BYTES = 2000  # of what a worker has printed
# Numbers of `TaskStatus` in Ray's protocol.
SUBMITTED, WAITS_FOR_NODE, SENT, RUNNING, FINISHED, FAILED = 1, 2, 5, 8, 11, 12
PHASES = {
    "task:deserialize_arguments": "loaded",
    "task:execute": "executed",
    "task:store_outputs": "ended",
}

usage = Usage()


def lines(api: Any, settle: bool = True) -> list[Line]:
    """Return what Ray knows. Blocks: until its processes have reported.

    Args:
        api: the module `ray`, connected to a cluster.
        settle: wait until nothing more comes.
    """
    events = _events(api)
    until, since = time.monotonic() + PATIENCE_S, time.monotonic()
    while settle and time.monotonic() < min(until, since + 1.2 * REPORT_S):
        time.sleep(0.1)  # nobody tells when a process has reported
        before, events = events, _events(api)
        if _size(events) != _size(before):
            since = time.monotonic()
    nodes = [
        {
            "kind": "node",
            "id": node["NodeID"],
            "name": _name(node),
            "cpus": node["Resources"].get("CPU", 0),
            "state": "ALIVE" if node["Alive"] else "DEAD",
        }
        for node in api.nodes()
    ]
    told = (line for event in events for line in _told(event))
    return [*nodes, *told, *usage.look(api)]


def _name(node: dict[str, Any]) -> str:
    """Return what one calls a node: several may be on one machine."""
    return "{NodeManagerAddress}:{NodeManagerPort}".format(**node)


def absent(lines: Iterable[Line]) -> tuple[str, ...]:
    """Return what is not among the lines, since Ray does not tell it."""
    kinds = {line["kind"] for line in lines}
    told = "wait" in kinds or "RAY_PROFILING" in os.environ
    waits = () if told else (WAITS,)
    return (*ABSENT, *waits, *(() if "usage" in kinds else (USED,)))


def _events(api: Any) -> list[Any]:
    """Ask the GCS. No public function does without a dashboard."""
    state = import_module(f"{api.__name__}._private.state").state
    gcs = state._connect_and_get_accessor()
    protocol = import_module(f"{api.__name__}.core.generated.gcs_pb2")
    found = gcs.get_task_events()
    return [protocol.TaskEvents.FromString(each) for each in found]


def _size(events: list[Any]) -> int:
    return sum(
        1 + len(e.state_updates.state_ts_ns) + len(e.profile_events.events)
        for e in events
    )


def _told(event: Any) -> Iterator[Line]:
    states = {
        key: at / 1e9 for key, at in event.state_updates.state_ts_ns.items()
    }
    name = event.task_info.name
    if not states or not name:
        return
    where = event.state_updates
    phases = {
        PHASES[each.event_name]: each.end_time / 1e9
        for each in event.profile_events.events
        if each.event_name in PHASES
    }
    ended = states.get(FINISHED) or states.get(FAILED)
    state = "FAILED" if FAILED in states else "RUNNING"
    if FAILED in states and _died(where):
        state = "DIED"
    if FINISHED in states:
        state = "FINISHED"
    elif RUNNING not in states and not ended:
        state = "WAITING"
    parent = event.task_info.parent_task_id.hex()
    told = {
        "kind": "task",
        "id": event.task_id.hex(),
        "name": name,
        "state": state,
        "attempt": event.attempt_number,
        "parent": "" if parent.startswith("ffff") else parent,
        "node": where.node_id.hex(),
        "worker": f"worker {where.worker_pid}" if where.worker_pid else "",
        "submitted": states.get(SUBMITTED),
        "sent": states.get(SENT),
        "started": states.get(RUNNING),
        **phases,
        "ended": phases.get("ended") or ended,
    }
    yield {key: value for key, value in told.items() if value is not None}
    for each in event.profile_events.events:
        if each.event_name == "ray.get":  # told with $RAY_PROFILING alone
            span = {"begin": each.start_time / 1e9, "end": each.end_time / 1e9}
            yield {"kind": "wait", "id": told["id"], "name": "get", **span}
    if state == "DIED":
        # A worker reports once a second: of one that died sooner, Ray knows
        # neither its number nor when the attempt began.
        text = f"{name}() was lost with {told['worker'] or 'its worker'}"
        told = {"kind": "story", "at": ended, "what": "death", "text": text}
        yield {**told, "tasks": [event.task_id.hex()]}


def _died(where: Any) -> bool:
    """Return whether an attempt ended with its process.

    Of one that is tried again, Ray says nothing: an error of user code would
    be told.
    """
    if not where.HasField("error_info"):
        return True
    kinds = where.error_info.DESCRIPTOR.fields_by_name["error_type"].enum_type
    kind = kinds.values_by_number[where.error_info.error_type].name
    return str(kind).endswith("_DIED") or kind == "OUT_OF_MEMORY"


def now(api: Any) -> dict[str, Any]:
    """Return what a cluster is and does now, as `minimr.util.overview`."""
    # In public, Ray adds up what all nodes have available.
    private = import_module(f"{api.__name__}._private.state")
    free = private.available_resources_per_node()
    return {
        "nodes": [
            {
                "id": node["NodeID"],
                "name": _name(node),
                "state": "ALIVE" if node["Alive"] else "DEAD",
                "total": node["Resources"],
                "available": free.get(node["NodeID"], {}),
            }
            for node in api.nodes()
        ],
        "workers": [
            {
                "pid": each.pid,
                "node": each.node,
                "state": "LEASED" if each.runs else "IDLE",
                "runs": each.runs,
            }
            for each in processes(api)
            if each.kind == "worker"
        ],
        "objects": _objects(api),
        "prints": _prints(api),
    }


def _objects(api: Any) -> list[dict[str, Any]]:
    """Ask the state API, which answers only if Ray has its dashboard."""
    state = import_module(f"{api.__name__}.util.state")
    try:
        rows = state.list_objects(limit=MOST, timeout=STATE_S)
    except Exception:  # noqa: BLE001  of Ray: no class of its own
        return []
    return [
        {
            "id": row.object_id,
            "node": row.ip,
            "size": row.object_size,
            "state": row.reference_type,
        }
        for row in rows
    ]


def _prints(api: Any) -> list[dict[str, Any]]:
    """Return the ends of the files that workers of this machine print to.

    They are in a folder beside that of the sockets of their node.
    """
    sockets = {Path(each["ObjectStoreSocketName"]) for each in api.nodes()}
    folders = {socket.parents[1] / "logs" for socket in sockets}
    files = [
        file
        for folder in folders
        for end in ("out", "err")
        for file in folder.glob(f"worker-*.{end}")
    ]
    files.sort(key=lambda file: file.stat().st_mtime)
    rows = []
    for file in files[-MOST:]:
        with file.open("rb") as whole:
            whole.seek(max(0, file.stat().st_size - LAST_BYTES))
            lines = whole.read().decode(errors="replace").splitlines()
        said = [line for line in lines if not line.startswith(":")]
        if said:
            pid, text = int(file.stem.rpartition("-")[2]), "\n".join(said)
            rows.append({"node": "", "pid": pid, "text": text})
    return rows
