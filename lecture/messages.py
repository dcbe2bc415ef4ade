"""Where each message is made, and where it is taken: two functions of ours.

    peer.post(m.Push(...)) in Leases._push          ─> that sends it
    m.Push.to(self._on_push) in the class Executor  ─> Executor._on_push
    isinstance(x, Done), case Pull(), {RunMap: _map_task}  ─> that takes it

All of this is read from the code, but for a few that its form does not tell.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Place(NamedTuple):
    """A function of ours."""

    file: str
    name: str


CORE, BY_SOCKETS = "minimr/core", "minimr/sockets"
ENDPOINT = "minimr/net/endpoint.py"
WORKER = f"{BY_SOCKETS}/cluster/worker.py"
CLUSTER = "minimr.sockets.cluster.messages"
WEIGHTS = "minimr.shared.parameter_server.weights"
OF_SERVERS = (
    f"{BY_SOCKETS}/servers/*.py", f"{BY_SOCKETS}/parameter_server.py",
    "minimr/shared/parameter_server/rounds.py",
)  # fmt: skip
# {module of messages: where they are made and taken}
CATALOGUES = {
    "minimr.core.messages": (f"{CORE}/**/*.py", ENDPOINT, "minimr/util/*.py"),
    CLUSTER: (f"{BY_SOCKETS}/cluster/*.py", f"{BY_SOCKETS}/mapreduce.py"),
    "minimr.sockets.servers.messages": OF_SERVERS,
    WEIGHTS: OF_SERVERS,
}
# {role of a process on rung 2: what runs in it}
CODE_OF = {
    "driver": (f"{CORE}/process/", f"{CORE}/api/", "minimr/util/"),
    "worker": (f"{CORE}/process/",),
    "node": (f"{CORE}/node/",),
    "head": (f"{CORE}/control/", f"{CORE}/node/"),
}
# What the code does not say: {(module, message, role; "": of any): place}
MADE_BY_HAND = {
    ("minimr.core.messages", "Done", "worker"): Place(
        f"{CORE}/process/task_io.py", "Results.reply"
    ),
    ("minimr.core.messages", "Query", "driver"): Place(
        f"{CORE}/process/runtime.py", "Runtime.events"
    ),
    **dict.fromkeys(
        [("minimr.core.messages", "Release", r) for r in ("driver", "worker")],
        Place(f"{CORE}/process/leases.py", "Leases._release"),
    ),
    ("minimr.core.messages", "Stop", "head"): Place(
        f"{CORE}/node/worker_pool.py", "WorkerPool.end"
    ),
    ("minimr.core.messages", "View", "node"): Place(
        f"{CORE}/node/node.py", "Node._on_view"
    ),
}
TAKEN_BY_HAND = {
    (CLUSTER, "Welcome", ""): Place(WORKER, "Worker.__init__"),
    (CLUSTER, "Cancelled", ""): Place(
        f"{BY_SOCKETS}/cluster/coordinator.py", "Coordinator._on_end"
    ),
    (CLUSTER, "Block", ""): Place(
        f"{BY_SOCKETS}/mapreduce.py", "_fetch_blocks"
    ),
    (CLUSTER, "RunReduce", ""): Place(
        f"{BY_SOCKETS}/mapreduce.py", "_reduce_task"
    ),
    (WEIGHTS, "Pulled", ""): Place(
        f"{BY_SOCKETS}/parameter_server.py", "ParameterServer.pull"
    ),
}


def role_of(process: str) -> str:
    """Return what a simulated process is, by its name."""
    kinds = "head|node|server|worker|joined|fork of (?:head|node)"
    found = re.match(kinds, process)
    if found is None:
        return "driver"
    kind = found[0]
    return kind if kind in ("head", "node", "server") else "worker"


def sender_of(module: str, name: str, role: str) -> Place | None:
    """Return the function that makes a message, in a process of that role."""
    if name.startswith("Answer to "):
        return receiver_of(module, name.removeprefix("Answer to "), role)
    return _chosen(module, name, role, 0)


def receiver_of(module: str, name: str, role: str) -> Place | None:
    """Return the function that takes a message there."""
    if name.startswith("Answer to "):
        return sender_of(module, name.removeprefix("Answer to "), role)
    return _chosen(module, name, role, 1)


def _chosen(module: str, name: str, role: str, side: int) -> Place | None:
    by_hand = TAKEN_BY_HAND if side else MADE_BY_HAND
    for known in ((module, name, role), (module, name, "")):
        if known in by_hand:
            return by_hand[known]
    found = places(module)[side].get(name, [])
    here = [p for p in found if p.file.startswith(CODE_OF.get(role, ()))]
    return next(iter(here or found), None)


@cache
def places(module: str) -> tuple[dict[str, list[Place]], ...]:
    """Return who makes and who takes the messages of a catalogue."""
    if module not in CATALOGUES:  # a trace may say anything
        return {}, {}
    names = catalogue(module)
    made: dict[str, list[Place]] = defaultdict(list)
    taken: dict[str, list[Place]] = defaultdict(list)
    for pattern in CATALOGUES.get(module, ()):
        for path in sorted(ROOT.glob(pattern)):
            file = path.relative_to(ROOT).as_posix()
            tree = ast.parse(path.read_text("utf-8"))
            for node, inside in _walk(tree, ()):
                here = ".".join(inside)
                if (name := _made(node)) in names and here:
                    made[name].append(Place(file, here))
                for name, handler in _taken(node):
                    if name not in names:
                        continue
                    if handler.startswith("self."):
                        handler = f"{inside[0]}.{handler[5:]}"
                    if handler or here:
                        taken[name].append(Place(file, handler or here))
    return made, taken


@cache
def catalogue(module: str) -> frozenset[str]:
    """Return the names of the messages of a module."""
    modules = [module]
    if module == "minimr.core.messages":
        modules.append("minimr.net.messages")
    paths = [ROOT / f"{each.replace('.', '/')}.py" for each in modules]
    return frozenset(
        node.name
        for path in paths
        if path.is_file()
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and node.bases
    )


def _walk(
    node: ast.AST, inside: tuple[str, ...]
) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
    """Yield all below a node, each with the classes and functions around."""
    for child in ast.iter_child_nodes(node):
        yield child, inside
        named = isinstance(child, ast.ClassDef | ast.FunctionDef)
        name = (getattr(child, "name", ""),) if named else ()
        yield from _walk(child, (*inside, *name))


def _made(node: ast.AST) -> str:
    return _name(node.func) if isinstance(node, ast.Call) else ""


def _taken(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield what a node takes, and the function if it names one."""
    if isinstance(node, ast.MatchClass):
        yield _name(node.cls), ""
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None and isinstance(value, ast.Name):
                yield _name(key), value.id
    elif isinstance(node, ast.Call) and node.args:
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr == "to":
            yield _name(function.value), ast.unparse(node.args[0])
        elif _name(function) == "isinstance":
            yield _name(node.args[1]), ""


def _name(node: ast.AST | None) -> str:
    """Return the name of a class, with or without a module before it."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id in ("m", "messages") else ""
    return node.id if isinstance(node, ast.Name) else ""
