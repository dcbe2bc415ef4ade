"""`init` and `shutdown`: a program joins a cluster, or starts one.

init() ──> does a cluster run here? ──> attach to it
             └─ no ─> spawn a node ──> "address" on its output ──> attach
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from functools import partial
from typing import Any

from minimr.core import messages as m
from minimr.core.api import notebook, running
from minimr.core.api.local import LocalRuntime
from minimr.core.api.options import shape
from minimr.core.api.spawn import NodeProcess, node_options, spawn_node
from minimr.core.process.current import current, find, set_current
from minimr.core.process.runtime import Runtime
from minimr.net.channel import Address, connect, parse_address
from minimr.net.token import load_token
from minimr.system import machine
from minimr.system.logs import VARIABLE, narrate

LOOPBACK = "127.0.0.1"
QUERY_TIMEOUT_S = 10.0


def session() -> Any:
    """Return the runtime of this process, started at the first use.

    Raises:
        LocalRayletDiedError: its node, or the head, is gone.
    """
    runtime = find()
    if runtime is not None and not runtime.lost:
        return runtime
    if runtime is None:
        init()
    return current()


def is_initialized() -> bool:
    """Return whether `init` was called, and `shutdown` not since.

    Ray: the same.
    """
    return find() is not None


def own_host() -> str:
    """Return the address at which other processes reach this one."""
    return str(session().address[0])


class RayContext(dict[str, Any]):
    """What `init` returns; `with init():` ends with `shutdown()`.

    Ray: `ray.client_builder.RayContext`.
    """

    @property
    def dashboard_url(self) -> str:
        """The address of the cluster's page; "": it has none.

        Blocks: until the head answers.
        """
        runtime = find()
        if not isinstance(runtime, Runtime):  # local mode
            return ""
        return str(runtime.ask_head(m.Query("page"))[0])

    @property
    def address_info(self) -> dict[str, Any]:
        """Return where the cluster is."""
        return dict(self)

    def __enter__(self) -> RayContext:
        return self

    def __exit__(self, *error: object) -> None:
        shutdown()


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
    _plasma_directory: str | None = None,
    object_spilling_directory: str | None = None,
    **unknown: Any,
) -> RayContext:
    """Join a cluster, or start one of one node.

    It joins the cluster at `address`; without an address the one that runs
    here (by $MINIMR_ADDRESS or `minimr start`); if none runs, it starts one.
    "local" always starts one, "auto" never does.

    Runs in: driver. Blocks: until the node answers.

    Args:
        include_dashboard: a cluster that is started has a page, at an
            address of this machine that only we know; see `minimr show`.
        _plasma_directory: where the object store lies, such as a mounted
            hugetlbfs for huge pages. None: in no file system.
        object_spilling_directory: where objects go that have no room there.
            None: where the system has its temporary files.

    Raises:
        ConnectionError: nobody answers there, or with another token.
        OSError: the object store has no room there.

    Ray: `ray.init`; of the logging options, only a level above INFO has an
    effect: the address of the page is not printed on the terminal.
    """
    if not all(name.startswith("_") for name in unknown):
        raise RuntimeError(f"init() got unknown options: {[*unknown]}")
    if is_initialized():
        if ignore_reinit_error:
            return RayContext()
        raise RuntimeError(
            "init() was called twice: call shutdown() first, or pass "
            "ignore_reinit_error=True to go on with the cluster that is there"
        )
    if not isinstance(namespace, str | None):
        raise TypeError(f"namespace must be None or a string: {namespace!r}")
    if namespace == "":
        raise ValueError(
            '"" is not a valid namespace: pass None for a new one'
        )
    if local_mode:
        given = {"CPU": num_cpus or os.cpu_count() or 1, "GPU": num_gpus or 0}
        set_current(LocalRuntime({**given, **(resources or {})}))
        return RayContext()
    if VARIABLE in os.environ:
        narrate("driver ")
    amounts = (
        *(num_cpus, num_gpus, resources, object_store_memory, labels),
        *(_plasma_directory, object_spilling_directory),
    )
    process = machine.random_bytes(8)  # who we are, before we say hello
    page = include_dashboard is not False
    where, host, node = _place(address, amounts, process, page)
    runtime = Runtime("driver", load_token(), host)
    runtime.process = process
    runtime.outlived = node is None
    if node is not None:
        runtime.at_end = partial(_end, node)
    _connect(runtime, where, namespace, runtime_env, log_to_driver)
    if node is not None and node.page:
        _say(node.page, logging_level)
    if VARIABLE in os.environ:  # now with the node
        narrate("driver ", runtime.welcome.node)
    return RayContext(
        node_id=runtime.welcome.node,
        address="{}:{}".format(*where),
        gcs_address="{}:{}".format(*runtime.welcome.head),
        node_ip_address=runtime.home[0],
    )


def _say(page: str, level: Any) -> None:
    """Print the address of the page where a person reads it."""
    if isinstance(level, str):
        level = logging.getLevelName(level.upper())  # a number, for a name
    quiet = isinstance(level, int) and level > logging.INFO
    if sys.stderr.isatty() and not quiet:
        sys.stderr.write(f"the page of this cluster: {page}\n")


def _place(
    address: str | None,
    amounts: tuple[Any, ...],
    process: bytes,
    page: bool,
) -> tuple[Address, str, NodeProcess | None]:
    """Return the address of a node, our own towards it, and a new one."""
    if address == "auto":
        address = running.require()
    elif address is None:
        address = running.find()
    if address in (None, "local"):
        options = {**node_options(*amounts), "driver": process.hex()}
        options |= {"parent": machine.pid(), "page": page}
        node, there = spawn_node(options)
        return there, LOOPBACK, node
    if any(amount is not None for amount in amounts):
        raise ValueError(
            f"num_cpus, num_gpus, resources and the object store are of a "
            f"cluster that is started, and this one runs, at {address}: leave "
            'them out, or start another one with address="local"'
        )
    where = parse_address(str(address).removeprefix("ray://"))
    # Dial once here, for an error that says what is wrong.
    channel = connect(where, load_token(), ["head", "node"])
    there, here = channel.sock.getpeername(), channel.sock.getsockname()
    channel.close()
    return there[:2], here[0], None


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
        namespace or machine.random_bytes(8).hex(),
        shape({"runtime_env": env}, 0).env,
        runtime.address if log_to_driver else None,
    )
    set_current(runtime)
    try:
        runtime.home = _own_node(runtime, where)
        runtime.attach(runtime.home)
    except BaseException:
        set_current(None)
        runtime.hub.close()
        runtime.at_end()
        raise
    runtime.pump.start()
    notebook.follow()
    machine.at_exit(shutdown)


def _own_node(runtime: Runtime, where: Address) -> Address:
    """Return the node of this machine, whose shared memory we read.

    Raises:
        ConnectionError: the cluster has no node here.
    """
    host = runtime.address[0]
    if where[0] == host or host.startswith("127."):
        return where
    with runtime.lock:
        link = runtime.link(where)
    nodes = runtime.call(link, m.Query("nodes"), QUERY_TIMEOUT_S)
    for node in nodes if isinstance(nodes, list) else []:
        if node.alive and node.address[0] == host:
            return tuple(node.address)
    head = "{}:{}".format(*where)
    raise ConnectionError(
        f"the cluster at {head} has no node on this machine ({host}), and a "
        f"program needs one: `minimr start --address {head}` starts it"
    )


def shutdown() -> None:
    """Leave the cluster, and end it if `init` started it.

    Blocks: until its processes have ended.
    Ray: the same.
    """
    runtime = find()
    set_current(None)
    if not isinstance(runtime, Runtime):  # none, or that of local mode
        return
    if runtime.forked:  # the cluster is the parent's
        return
    try:
        runtime.show_last_prints()
        runtime.leave_history()
    finally:
        runtime.close()
        machine.not_at_exit(shutdown)


def _end(node: NodeProcess) -> None:
    """Wait for the end of a node whose driver has left."""
    try:
        node.wait(5)
    except subprocess.TimeoutExpired:
        node.send_signal(signal.SIGKILL)
        node.wait()
