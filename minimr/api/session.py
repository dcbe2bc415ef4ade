"""`init` and `shutdown`: a program joins a cluster, or starts one.

init() ──> spawn a node ──> "address" on its output ──> attach
init(address=...) ──> attach to that cluster's head
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from minimr.api.local import LocalRuntime
from minimr.api.options import shape
from minimr.api.spawn import NodeProcess, node_options, spawn_node
from minimr.core import messages as m
from minimr.core import runtime as runtimes
from minimr.core.runtime import Runtime, set_current
from minimr.narrate import VARIABLE, narrate
from minimr.net.channel import Address, connect, parse_address
from minimr.net.token import load_token

LOOPBACK = "127.0.0.1"

_node: NodeProcess | None = None
_local: Any = None  # the runtime of local mode


def session() -> Any:
    """Give the runtime of this process; start one at the first use.

    Raises:
        LocalRayletDiedError: its node, or the head, is gone.
    """
    if _local is not None:
        return _local
    if runtimes._current is None:
        init()
    runtime = runtimes._current
    if runtime is not None and runtime.lost:
        raise runtime.error()
    return runtime


def is_initialized() -> bool:
    """Tell whether `init` was called, and `shutdown` not since.

    Ray: the same.
    """
    return _local is not None or runtimes._current is not None


def own_host() -> str:
    """Tell at which address other processes of the cluster reach us."""
    return str(session().address[0])


def init(
    address: str | None = None,
    *,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    resources: dict[str, float] | None = None,
    object_store_memory: int | None = None,
    labels: dict[str, str] | None = None,
    local_mode: bool = False,
    ignore_reinit_error: bool = False,
    include_dashboard: bool | None = None,
    log_to_driver: bool = True,
    namespace: str | None = None,
    runtime_env: dict[str, Any] | None = None,
    logging_level: Any = None,
    configure_logging: bool = True,
    **unknown: Any,
) -> dict[str, Any]:
    """Start a cluster of one node, or join the one at `address`.

    Runs in: driver. Blocks: until the node answers.

    Raises:
        ConnectionError: nobody answers there, or with another token.

    Ray: `ray.init`; a dashboard and logging options have no effect here.
    """
    global _local
    if not all(name.startswith("_") for name in unknown):
        raise RuntimeError(f"init() got unknown options: {[*unknown]}")
    if is_initialized():
        if ignore_reinit_error:
            return {}
        raise RuntimeError("init() was called twice; shutdown() comes first")
    if local_mode:
        _local = LocalRuntime()
        return {}
    if VARIABLE in os.environ:
        narrate("driver ")
    amounts = (num_cpus, num_gpus, resources, object_store_memory, labels)
    where, host = _place(address, amounts)
    runtime = Runtime("driver", load_token(), host)
    _connect(runtime, where, namespace, runtime_env, log_to_driver)
    return {
        "node_id": runtime.welcome.node,
        "address": "{}:{}".format(*where),
        "gcs_address": "{}:{}".format(*runtime.welcome.head),
        "node_ip_address": where[0],
    }


def _place(
    address: str | None, amounts: tuple[Any, ...]
) -> tuple[Address, str]:
    """Give the address of a node, and our own towards it."""
    global _node
    address = address or os.environ.get("MINIMR_ADDRESS")
    if address in (None, "local"):
        options = {**node_options(*amounts), "driver": os.getpid()}
        _node, there = spawn_node(options)
        return there, LOOPBACK
    if any(amount is not None for amount in amounts[:3]):
        raise ValueError("num_cpus, num_gpus, resources: not with an address")
    where = _find(str(address))
    # Once by hand, for an error that says what is wrong there.
    channel = connect(where, load_token(), ["head", "node"])
    host = channel.sock.getsockname()[0]
    channel.close()
    return where, host


def _connect(
    runtime: Runtime,
    where: Address,
    namespace: str | None,
    env: Any,
    log_to_driver: bool,
) -> None:
    runtime.job = m.Job(
        runtime.process.hex(),
        tuple(path or os.getcwd() for path in sys.path),
        os.getcwd(),
        namespace or secrets.token_hex(8),
        shape({"runtime_env": env}, 0).env,
        runtime.address if log_to_driver else None,
    )
    runtime.home = where
    set_current(runtime)
    try:
        runtime.attach(where)
    except BaseException:
        set_current(None)
        runtime.hub.close()
        raise
    runtime.pump.start()
    atexit.register(shutdown)


def shutdown() -> None:
    """Leave the cluster, and end it if `init` started it.

    Blocks: until its processes have ended.
    Ray: the same.
    """
    global _node, _local
    _local = None
    if runtimes._current is not None:
        runtime = runtimes._current
        set_current(None)
        if runtime.forked:  # the cluster is the parent's
            _node = None
            return
        try:
            runtime.show_last_prints()
        finally:
            runtime.close()
            atexit.unregister(shutdown)
    if _node is not None:
        try:
            _node.wait(5)
        except subprocess.TimeoutExpired:
            _node.send_signal(signal.SIGKILL)
            _node.wait()
        _node = None


def _find(address: str) -> Address:
    """Give the node of this machine that belongs to that cluster."""
    if address == "auto":
        record = cluster_file()
        if not record.exists():
            raise ConnectionError(
                "Could not find any running minimr instance: start one with "
                "`minimr start --head`, or call init() without an address"
            )
        address = json.loads(record.read_text())["head"]
    return parse_address(address.removeprefix("ray://"))


def cluster_file() -> Path:
    """Tell where `minimr start` notes what it has started."""
    return Path(os.environ.get("MINIMR_HOME", Path.home() / ".minimr")) / (
        "cluster.json"
    )
