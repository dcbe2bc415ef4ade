"""The processes of an engine on this machine: found, and killed.

    rung 1 ── children of this process ─────────────┐
    minimr ── `util.state`, `nodes` ────────────────┼──> [Process] ── SIGKILL
    ray ───── raylets by their ids, their children ─┘

Rule: what is killed is of the cluster. A process is looked up again before
it gets the signal: its id may be another's by now.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple

import psutil

OF_RUNG_1 = "minimr.sockets.cluster.worker"
OF_NODE = "minimr.core.node.main"  # and its workers are its children
TITLE = "ray::"  # Ray writes there what a worker runs
IDLE = "IDLE"
NOBODY = -1


class Process(NamedTuple):
    """One process that can be killed on a stage."""

    kind: str  # worker, node
    pid: int
    node: str
    runs: str  # a worker: what it runs; "": nothing


def processes(api: Any) -> list[Process]:
    """Return the workers and nodes on this machine, but for the head.

    Args:
        api: the module with the verbs, joined; None: rung 1, whose workers
            are children of this process.
    """
    if api is None:
        found = _of_rung_1()
    elif api.__name__ == "ray":
        found = _of_ray(api)
    else:
        found = _of_minimr(api)
    return sorted(found, key=lambda each: (each.kind, each.node, each.pid))


def kill(api: Any, kind: str, pid: int) -> Process:
    """Kill a process of the cluster, and return what it was.

    Raises:
        LookupError: there is none, by now.
    """
    for each in processes(api):
        if (each.kind, each.pid) == (kind, pid):
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
                return each
    raise LookupError(f"there is no {kind} {pid} on this machine any more")


def _of_rung_1() -> Iterator[Process]:
    """Yield the workers: each is a fork of its keeper, our child."""
    for keeper in psutil.Process().children():
        for pid, command in _below(keeper):
            if OF_RUNG_1 in command and _parent(pid) == keeper.pid:
                yield Process("worker", pid, "", "")


def _of_minimr(api: Any) -> Iterator[Process]:
    head = api.get_runtime_context().gcs_address
    here: dict[str, int] = {}  # {node: its process}
    for node in api.nodes():
        where = "{NodeManagerAddress}:{NodeManagerPort}".format(**node)
        if node["Alive"] and _is_node(node["pid"]):
            here[node["NodeID"]] = node["pid"]
            if where != head:
                yield Process("node", node["pid"], node["NodeID"], "")
    state = import_module(f"{api.__name__}.util.state")
    for row in state.list_workers(limit=2**31):
        if row.worker_type == "WORKER" and (
            _parent(row.pid) == here.get(row.node_id, NOBODY)
        ):
            runs = "" if row.lease == IDLE else row.runs
            yield Process("worker", row.pid, row.node_id, runs)


def _of_ray(api: Any) -> Iterator[Process]:
    nodes = {node["NodeID"] for node in api.nodes() if node["Alive"]}
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] != "raylet":
            continue
        told = dict(
            word.removeprefix("--").partition("=")[::2]
            for word in process.info["cmdline"] or ()
        )
        node = told.get("node_id", "")
        if node not in nodes:
            continue
        if "head" not in told:
            yield Process("node", process.pid, node, "")
        for pid, command in _below(process):
            if command.startswith(TITLE) and _is_worker(pid):
                runs = command.removeprefix(TITLE).strip()
                runs = "" if runs == IDLE else runs.removesuffix("()")
                yield Process("worker", pid, node, runs)


def _below(parent: psutil.Process) -> Iterator[tuple[int, str]]:
    """Yield the descendants of a process, with their command lines."""
    with suppress(psutil.Error):
        for process in parent.children(recursive=True):
            with suppress(psutil.Error):
                yield process.pid, " ".join(process.cmdline())


def _is_node(pid: int) -> bool:
    """Return whether a process of this machine is a node of ours."""
    with suppress(psutil.Error):
        return OF_NODE in psutil.Process(pid).cmdline()
    return False


def _is_worker(pid: int) -> bool:
    """Return whether a process of a raylet runs user code.

    Without its agents the raylet ends; they print to elsewhere.
    """
    with suppress(OSError):
        prints_to = os.readlink(f"/proc/{pid}/fd/1")
        return os.path.basename(prints_to).startswith("worker-")
    return False


def _parent(pid: int) -> int | None:
    with suppress(psutil.Error):
        return int(psutil.Process(pid).ppid())
    return None
