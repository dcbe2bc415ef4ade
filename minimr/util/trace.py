"""A trace of what a cluster has done: the lines that `minimr show` draws.

    workers, nodes ── what ran, when ────> control store ──┐
    owners ────────── submitted, sent, inputs, deaths ─────┼──> lines
    control store ─── nodes, actors, what nodes use ───────┘

`docs/lecture.md` has the format. Times are `time.time()` of the machine that
tells them. A task is known in parts: its owner knows when it was submitted
and sent, its worker when it ran; a part that nobody tells is absent.

Ray: `ray.timeline` and `ray.util.state.list_tasks`, put together.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from minimr.core import messages as m
from minimr.core.api.session import session
from minimr.core.api.trace import told
from minimr.core.process.history import ROW
from minimr.util.state import asked, of_nodes

Line = dict[str, Any]
Ran = dict[bytes, list[Line]]  # {task: its attempts, as workers tell them}
# {words of what a user is told: what that is about}
WHAT = {
    "runs again": "retry",
    "starts again": "restart",
    "has died": "death",
}
PHASES = ("started", "loaded", "executed", "ended")


def lines() -> list[Line]:
    """Return all that is known by now. Blocks: until everybody answers.

    A worker that does not answer, for its task holds the interpreter, is
    waited for a second.
    """
    runtime = session()
    blobs = runtime.events()
    nodes = runtime.ask_head(m.Query("nodes"))
    processes = of_nodes("workers")
    owners = [row["address"] for row in processes]
    rows = asked([each for each in owners if each is not None], "history")
    rows += _left(blobs)
    ids = {node.address: node.id for node in nodes}
    ran: Ran = defaultdict(list)
    others = [*_told_by_workers(blobs, ran)]
    return [
        *(_node(node) for node in nodes),
        *_tasks([row for row in rows if row["kind"] == "task"], ran, ids),
        *others,
        *_usage(runtime.ask_head(m.Query("usage"))),
        *(_actor(row) for row in runtime.ask_head(m.Query("actors"))),
        *(_story(row) for row in rows if row["kind"] == "said"),
        *({**row, "kind": "source"} for row in rows if row["kind"] == "place"),
    ]


def _left(blobs: list[bytes]) -> list[Line]:
    """Return the rows of drivers that are gone."""
    return [
        row
        for _, kind, rows in map(pickle.loads, blobs)
        if kind == ROW
        for row in rows
    ]


def _story(row: Line) -> Line:
    text = row["text"]
    what = next((WHAT[words] for words in WHAT if words in text), "note")
    return {"kind": "story", "at": row["at"], "text": text, "what": what}


def _node(node: m.NodeInfo) -> Line:
    where = "{}:{}".format(*node.address)
    cpus = node.total.get("CPU", 0)
    state = "ALIVE" if node.alive else "DEAD"
    return {
        "kind": "node", "id": node.id, "name": where, "cpus": cpus,
        "state": state,
    }  # fmt: skip


def _usage(rows: list[tuple[str, float, float, int]]) -> Iterator[Line]:
    for node, at, cpus, memory in rows:
        about = {"kind": "usage", "at": at, "node": node}
        yield {**about, "cpu": round(cpus, 3), "memory": memory}


def _actor(row: Line) -> Line:
    return {
        "kind": "actor",
        "id": row["actor_id"],
        "name": row["name"] or row["class_name"],
        "class": row["class_name"],
        "state": row["state"],
        "restarts": row["num_restarts"],
        "why": row["death_cause"],
    }


def _told_by_workers(blobs: list[bytes], ran: Ran) -> Iterator[Line]:
    """Put attempts into `ran`; yield the rest."""
    for node, row, events in told(blobs):
        place = {"node": node, "worker": row}
        for kind, id, name, succeeded, *times in events:
            if kind == "task":
                phases = dict(zip(PHASES, times, strict=True))
                state = "FINISHED" if succeeded else "FAILED"
                about = {"name": name, "state": state, **place, **phases}
                ran[id].append(about)
                continue
            span = {"name": name, "begin": times[0], "end": times[-1]}
            known = {"wait": "wait", "actor": "constructor"}
            what = known.get(kind, "object")
            yield {"kind": what, "id": id.hex(), **place, **span}


def _tasks(rows: list[Line], ran: Ran, ids: dict[Any, str]) -> Iterator[Line]:
    """Yield attempts: what owners tell, joined with what workers tell."""
    for row in rows:
        attempts = ran[row["id"]]
        if row["state"] != "DIED":
            while len(attempts) > 1:  # earlier ones, that raised
                yield _attempt(row["id"], attempts.pop(0), row)
        place: Line = {}
        if row["pid"]:
            place["worker"] = f"worker {row['pid']}"
            place["node"] = ids.get(row["home"], "")
        ended = None if row["state"] == "WAITING" else row["ended"]
        told = {**place, "state": row["state"], "ended": ended}
        if attempts and row["state"] not in ("DIED", "WAITING"):
            told |= attempts.pop(0)
        elif row["state"] == "WAITING" and row["sent"]:
            told["state"] = "RUNNING"
        yield _attempt(row["id"], told, row)
    for id, attempts in ran.items():  # their owner is gone
        for about in attempts:
            yield _attempt(id, about, {})


def _attempt(id: bytes, told: Line, row: Line) -> Line:
    """Return the line of an attempt; `row`: what its owner tells, or {}."""
    line = {"kind": "task", "id": id.hex(), **told}
    if row:
        answered = row["state"] in ("FINISHED", "FAILED")
        line |= {
            "name": row["name"],
            "attempt": row["attempt"],
            "parent": (row["parent"] or b"").hex(),
            "after": list(dict.fromkeys(i[:-4].hex() for i in row["inputs"])),
            "submitted": row["submitted"],
            "sent": row["sent"] or None,
            "answered": row["ended"] if answered else None,
        }
    return {key: value for key, value in line.items() if value is not None}
