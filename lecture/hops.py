"""Where the code is that is behind a step, to be shown beside it.

step of a task, on an engine ──> PLACES
message of a simulated run ────> who sends it, who takes it
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from typing import Any

from lecture.messages import ROOT, receiver_of, role_of, sender_of

MAX_LINES = 45

Place = tuple[str, str, str]  # who, the file, the function in it

CORE = "minimr/core"
PLACES: dict[str, dict[str, list[Place]]] = {
    "sockets": {
        "sent": [
            ("coordinator", "minimr/sockets/cluster/coordinator.py",
             "Coordinator._assign"),
            ("coordinator", "minimr/sockets/mapreduce.py",
             "MapReduce._next_task"),
        ],
        "started": [("worker", "minimr/sockets/mapreduce.py", "_map_task")],
        "answered": [
            ("coordinator", "minimr/sockets/cluster/coordinator.py",
             "Coordinator._on_done"),
            ("coordinator", "minimr/sockets/cluster/tracker.py",
             "Tracker.finish"),
        ],
        "died": [
            ("coordinator", "minimr/sockets/cluster/coordinator.py",
             "Coordinator._on_lost"),
            ("coordinator", "minimr/sockets/cluster/tracker.py",
             "Tracker.lose"),
        ],
    },
    "minimr": {
        "submitted": [
            ("owner", f"{CORE}/api/calls.py", "RemoteCall._submit"),
            ("owner", f"{CORE}/process/tasks.py", "Tasks.submit"),
        ],
        "sent": [
            ("owner", f"{CORE}/process/leases.py", "Leases._push"),
            ("worker", f"{CORE}/process/executor.py", "Executor._on_push"),
        ],
        "started": [
            ("worker", f"{CORE}/process/executor.py",
             "Executor.run_in_main_thread"),
            ("worker", f"{CORE}/process/task_io.py", "Results.arguments"),
        ],
        "loaded": [("worker", f"{CORE}/process/executor.py",
                    "Executor._call")],
        "executed": [
            ("worker", f"{CORE}/process/executor.py", "Executor._answer"),
            ("worker", f"{CORE}/process/task_io.py", "Results.reply"),
        ],
        "answered": [
            ("owner", f"{CORE}/process/leases.py", "Leases._on_done"),
            ("owner", f"{CORE}/process/tasks.py", "Tasks.finish"),
        ],
        "died": [
            ("owner", f"{CORE}/process/leases.py", "Leases._on_died"),
            ("owner", f"{CORE}/process/tasks.py", "Tasks.interrupted"),
        ],
    },
    "ray": {
        step: [(who, "in Ray's core worker, C++", "")]
        for step, who in (
            ("submitted", "owner"), ("sent", "owner"), ("started", "worker"),
            ("loaded", "worker"), ("executed", "worker"),
            ("answered", "owner"), ("died", "owner"),
        )
    },
}  # fmt: skip


@cache
def hops(engine: str) -> dict[str, list[dict[str, str]]]:
    """Return the code behind each step of a task, for an engine."""
    return {
        step: [_hop(*place) for place in places]
        for step, places in PLACES.get(engine, {}).items()
    }


def of_messages(
    messages: Iterable[dict[str, Any]],
) -> dict[str, list[dict[str, str]]]:
    """Return the code behind messages: {"Push driver worker": [hop, hop]}."""
    found: dict[str, list[dict[str, str]]] = {}
    for line in messages:
        name, module = line["name"], line.get("of") or ""
        source, target = role_of(line["source"]), role_of(line["target"])
        key = f"{name} {source} {target}"
        if key in found:
            continue
        sides = (
            (f"{source} sends", sender_of(module, name, source)),
            (f"{target} takes", receiver_of(module, name, target)),
        )
        found[key] = [_hop(side, *place) for side, place in sides if place]
    return found


def _hop(side: str, file: str, name: str) -> dict[str, str]:
    if not name:
        return {"side": side, "place": file, "text": ""}
    return {
        "side": side,
        "place": f"{file}: {name}",
        "text": code_of(file, name),
    }


@cache
def code_of(file: str, name: str) -> str:
    """Return the lines of a function of ours, at most MAX_LINES.

    Raises:
        KeyError: it is not there.
    """
    text = (ROOT / file).read_text("utf-8")
    body = ast.parse(text).body
    for part in name.split("."):
        named = {getattr(each, "name", ""): each for each in body}
        node = named[part]
        body = getattr(node, "body", [])
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    indent = len(lines[0]) - len(lines[0].lstrip())
    more = ["    ..."] if len(lines) > MAX_LINES else []
    return "\n".join([*(x[indent:] for x in lines[:MAX_LINES]), *more])
