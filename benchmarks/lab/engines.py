"""The programs that run in a node: those that a user would start there.

    n1             minimr start --head ...     ray start --head ...
    n2, n3, ...    minimr start --address n1   ray start --address n1

Each node has its own folder for their files. All nodes share one token per
engine.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from benchmarks.lab.ground import python_path
from benchmarks.lab.plan import Node, Plan
from benchmarks.lab.processes import MARK

PORTS = {"minimr": 6390, "ray": 6379, "join": 7000}
# What identifies the process of an engine's node in a list of commands.
SERVERS = {"minimr": "minimr.core.node.main", "ray": "/raylet/raylet "}
TOKEN_BYTES = 32
NODE = "MINIMR_LAB_NODE"
# With Ray's own settings, a call to a node that is cut off would hang for 300
# s until the keep-alive, and for 120 s more until that has failed.
RAY_PATIENCE = {
    "RAY_grpc_client_keepalive_time_ms": "5000",
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
}


def start_command(engine: str, plan: Plan, node: Node) -> list[str]:
    """Return the command that starts an engine's node."""
    head = node.number == 1
    where = address(plan, engine)
    port = where.rpartition(":")[2]
    role = ["--head", "--port", port] if head else ["--address", where]
    size = ["--num-cpus", str(plan.cpus)]
    size += ["--object-store-memory", str(plan.store_bytes)]
    if engine == "minimr":
        command = [sys.executable, "-m", "minimr", "start"]
        return [*command, *role, "--host", node.address, *size]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start"]
    command += [*role, "--node-ip-address", node.address, *size]
    command += ["--temp-dir", str(plan.folder(node) / "ray")]
    command += ["--include-log-monitor", "false", "--disable-usage-stats"]
    if head:
        command += ["--include-dashboard", "false"]
    return command


def address(plan: Plan, engine: str) -> str:
    """Return where an engine's head listens."""
    port = dict(plan.ports).get(engine, PORTS[engine])
    return f"{plan.head.address}:{port}"


def environ(plan: Plan, node: Node) -> dict[str, str]:
    """Return the environment of all processes of a node."""
    home = Path(plan.home)
    return {
        MARK: str(plan.folder(node)),
        NODE: node.name,
        "MINIMR_HOME": str(plan.folder(node)),
        "MINIMR_TOKEN_FILE": str(home / "minimr-token"),
        "MINIMR_ADDRESS": address(plan, "minimr"),
        "RAY_ADDRESS": address(plan, "ray"),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(home / "ray-token"),
        "RAY_USAGE_STATS_ENABLED": "0",
        **{k: os.environ.get(k, v) for k, v in RAY_PATIENCE.items()},
        **python_path(),
    }


def make_tokens(plan: Plan) -> None:
    """Make a token per engine, unless there is one."""
    for name in ("minimr-token", "ray-token"):
        path = Path(plan.home) / name
        if not path.exists():
            # never seen incomplete, and never readable by others
            draft = path.with_suffix(".new")
            draft.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(draft, flags, 0o600), "w") as file:
                file.write(secrets.token_hex(TOKEN_BYTES) + "\n")
            draft.rename(path)
