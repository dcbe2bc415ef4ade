"""The module that has the verbs, and a cluster for it to work on.

running("ray") ─> HOST:PORT ─> join_cluster(api, HOST:PORT)
               └> None ──────> start_cluster(api), a private one
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from minimr.shared.mapreduce.tasks import say_nothing

FOLDER = "RAY_TMPDIR"
CONNECT_TIMEOUT_S = 3.0
WARM_UP_S = 0.05
# How a gRPC server is asked for its settings (RFC 9113, 3.4): the preface,
# then our own, none. What it answers begins with a frame of this type.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
SETTINGS = 4

log = logging.getLogger("minimr.ray_impl")


def load_ray(joining: bool = False) -> Any:
    """Import Ray, and tell it to be quiet."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What a task or an actor raised is shown once, in our own error.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    if joining and ray_token().exists():  # Ray looks at this when imported
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray  # here, for it takes a second

    return ray


@contextmanager
def apart() -> Iterator[None]:
    """Let Ray note its clusters in a folder of their own.

    In the usual one, `ray.cluster_utils` and `ray start` note a cluster for
    all programs of the machine: they would join ours, and find no more the
    one that they had. Ray's sockets are there too, so the path is short.
    """
    before = os.environ.get(FOLDER)
    with tempfile.TemporaryDirectory(
        prefix="mr-", ignore_cleanup_errors=True
    ) as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]
            if before is not None:
                os.environ[FOLDER] = before


def ray_token() -> Path:
    """Return where Ray keeps its token."""
    return Path(os.path.expanduser("~")) / ".ray" / "auth_token"


def is_ray(api: Any) -> bool:
    """Return whether this module with the verbs is Ray itself."""
    return bool(api.__name__ == "ray")


def quiet(api: Any) -> dict[str, Any]:
    """Return the options of `init` that let it start nothing but workers."""
    if not is_ray(api):
        return {"include_dashboard": False}
    return {
        "include_dashboard": False,
        "logging_level": "ERROR",
        "log_to_driver": False,
    }


def running(module: str) -> str | None:
    """Return the address of the cluster that `init()` of a module would join.

    Imports no Ray. Blocks: until its head has answered.
    """
    if module != "ray":
        found = import_module("minimr.core.api.running").find()
        return None if found == "local" else found
    named = os.environ.get("RAY_ADDRESS")
    if named and named != "auto":
        return None if named == "local" else named
    folder = os.environ.get(FOLDER) or os.environ.get("TMPDIR", "/tmp")
    try:
        noted = (Path(folder) / "ray/ray_current_cluster").read_text().strip()
        _knock(noted)
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("%s; so no Ray cluster is joined", error)
        return None
    return noted


def join_cluster(api: Any, where: str) -> None:
    """Join the cluster at HOST:PORT.

    Raises:
        ConnectionError: nobody answers there, or no cluster of this kind.
    """
    if not is_ray(api):
        api.init(address=where)
        return
    _knock(where)
    try:
        api.init(address=where, **quiet(api))
    except ConnectionError as error:
        raise ConnectionError(
            f"no Ray cluster takes us in at {where}; if it wants a token, "
            f"copy it from its head to {ray_token()}"
        ) from error


def start_cluster(api: Any, num_cpus: int | None = None, **more: Any) -> None:
    """Start a private cluster, even if another one runs here.

    Args:
        api: the module that has the verbs.
        num_cpus: its CPUs; None: those of this machine.
        more: further options of `init`.
    """
    options: dict[str, Any] = {"num_cpus": num_cpus, **quiet(api), **more}
    if is_ray(api):
        options["_node_ip_address"] = "127.0.0.1"  # or it looks for another
    api.init(address="local", **options)


def at_home(api: Any) -> Any:
    """Return the option that keeps an actor on the driver's node.

    It is not soft: Ray ignores a soft one if no CPU is asked for.
    """
    name = f"{api.__name__}.util.scheduling_strategies"
    affinity = import_module(name).NodeAffinitySchedulingStrategy
    return affinity(api.get_runtime_context().get_node_id(), soft=False)


def open_cluster(
    api: Any = None,
    num_cpus: int | None = None,
    address: tuple[str, int] | None = None,
) -> tuple[Any, bool]:
    """Connect a module to a cluster, unless it is connected already.

    Args:
        api: the module that has the verbs; None: `ray`.
        num_cpus: of the cluster that is started; None: of this machine.
        address: HOST:PORT of a running cluster to join instead.

    Returns: the module, and whether we have connected it.

    Raises:
        ConnectionError: nobody answers at the address.
    """
    api = api or load_ray(joining=address is not None)
    if api.is_initialized():
        return api, False
    if address is None:
        start_cluster(api, num_cpus)
    else:
        join_cluster(api, "{}:{}".format(*address))
    return api, True


def warm_up(api: Any) -> None:
    """Make every worker load what tasks need. Blocks: until all have."""
    task = api.remote(say_nothing)
    cpus = int(api.cluster_resources().get("CPU", 1))
    api.get([task.remote(WARM_UP_S) for _ in range(2 * cpus)])


def address_of(api: Any) -> tuple[str, int]:
    """Return where the head of the cluster is."""
    where = api.get_runtime_context().gcs_address
    host, _, port = where.rpartition(":")
    return host, int(port)


def attempt_number(api: Any) -> int:
    """Return how often this task was tried before. Runs in: a task."""
    context = api.get_runtime_context()
    if not is_ray(api):
        return int(context.get_attempt_number())
    # Ray has no public name for it.
    return int(context.worker.core_worker.get_current_task_attempt_number())


def _knock(where: str) -> None:
    """Check that a head of Ray may be there: Ray itself waits minutes.

    Raises:
        ConnectionError: nobody answers there, or somebody else.
    """
    host, _, port = where.rpartition(":")
    if not (host and port.isdigit()):
        raise ConnectionError(f"{where!r} is not HOST:PORT")
    try:
        with socket.create_connection(
            (host, int(port)), CONNECT_TIMEOUT_S
        ) as sock:
            sock.settimeout(CONNECT_TIMEOUT_S)
            sock.sendall(PREFACE)
            answer = sock.recv(9, socket.MSG_WAITALL)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConnectionError(f"nobody answers at {where}: {why}") from error
    if len(answer) < 9 or answer[3] != SETTINGS:
        raise ConnectionError(f"whoever answers at {where} is not Ray's head")
