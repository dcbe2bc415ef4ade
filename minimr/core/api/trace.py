"""What ran where and when, in Chrome's trace format.

    workers, nodes ── events ──> control store ── timeline() ──> here

Each worker has a row (a "thread" of the format), and each node one for its
object store; rows are grouped by node. The phases of a task are inside of it.
The ids of rows and groups are small integers, with their names in metadata
events: Perfetto does not read the texts that Ray writes there.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import Any

from minimr.core import messages as m
from minimr.core.process.history import ROW

# Of a task, under Ray's names; an attempt that raised has fewer.
PHASES = (
    "task:deserialize_arguments", "task:execute", "task:store_outputs",
)  # fmt: skip


def chrome_trace(blobs: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the events of a trace: complete ones, and names of rows."""
    nodes: dict[str, int] = {}  # {node: its number}
    rows: dict[tuple[str, str], int] = {}  # {(node, row): its number}
    trace: list[dict[str, Any]] = []
    for node, row, events in told(blobs):
        if node not in nodes:
            nodes[node] = len(nodes) + 1
            name = f"node {node[:8]}"
            trace.append(_named("process_name", name, nodes[node], 0))
        if (node, row) not in rows:
            number = rows[node, row] = len(rows) + 1
            trace.append(_named("thread_name", row, nodes[node], number))
        place = {"pid": nodes[node], "tid": rows[node, row]}
        for event in events:
            trace += ({**part, **place} for part in _parts(*event))
    return trace


def task_rows(blobs: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return a row per task that has ended, for `list`."""
    return [
        {
            "task_id": id.hex(),
            "name": name,
            "state": "FINISHED" if succeeded else "FAILED",
            "seconds": round(ended - began, 6),
            "node_id": node,
            "worker": row,
        }
        for node, row, events in told(blobs)
        for kind, id, name, succeeded, began, _, _, ended in events
        if kind == "task"
    ]


def told(
    blobs: Sequence[bytes],
) -> Iterator[tuple[str, str, Iterator[m.Event]]]:
    """Yield what workers and nodes have told: (node, row, events)."""
    for node, row, values in map(pickle.loads, blobs):
        if row != ROW:
            columns = [iter(values)] * m.EVENT_FIELDS
            yield node, row, zip(*columns, strict=True)


def _parts(
    kind: str, id: bytes, name: str, succeeded: bool, *reached: float | None
) -> Iterator[dict[str, Any]]:
    times = [at for at in reached if at is not None]
    more = {f"{kind}_id": id.hex(), "succeeded": succeeded}
    whole = _complete(f"{kind}::{name}", name, times[0], times[-1], more)
    if not succeeded:
        whole["cname"] = "terrible"  # red, in the format's words
    yield whole
    if kind == "task":
        phases = zip(PHASES, times, times[1:], strict=False)
        for phase, begin, end in phases:
            yield _complete(phase, phase, begin, end, {})


def _complete(
    category: str, name: str, begin: float, end: float, args: dict[str, Any]
) -> dict[str, Any]:
    about = {"cat": category, "name": name, "ph": "X", "args": args}
    return {**about, "ts": begin * 1e6, "dur": (end - begin) * 1e6}


def _named(what: str, name: str, pid: int, tid: int) -> dict[str, Any]:
    about = {"cat": "__metadata", "name": what, "ph": "M", "ts": 0}
    return {**about, "pid": pid, "tid": tid, "args": {"name": name}}
