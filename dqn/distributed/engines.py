"""The engines by name: the verbs of each, and its parameter server.

No module of an engine is loaded before the engine is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from dqn.distributed.team import MakeServer
from dqn.errors import DQNError
from minimr.ladder import LADDER, WITH_VERBS

ENGINES = ("serial", *WITH_VERBS)
# {engine: the one whose parameter server it uses}; actors would need a CPU of
# the cluster for each push, and processes do not
SERVERS = {"minimr": "sockets"}


class Engine(NamedTuple):
    """What a team needs of an engine."""

    verbs: Any
    make_server: MakeServer


@contextmanager
def open_engine(
    name: str,
    num_cpus: int | None = None,
    address: str | None = "local",
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[Engine]:
    """Start an engine, and stop it at the end.

    Args:
        name: one of `ENGINES`.
        num_cpus: processors of the cluster that is started.
        address: of a cluster to join instead; None: the one that runs here,
            if any.
        tell: called with a line for the user.

    Raises:
        DQNError: there is no such engine, or it is not installed.
        ConnectionError: there is no such cluster at the address.
    """
    if name not in ENGINES:
        raise DQNError(f"no engine {name!r}: choose {', '.join(ENGINES)}")
    if name == "serial":
        if address not in (None, "local"):
            raise DQNError("serial runs in this process: it joins no cluster")
        yield Engine(*_load(name))
        return
    cluster = import_module("ray_impl.cluster")
    if address is None:
        address = cluster.running(name)
    joining = address not in (None, "local")
    verbs, make_server = _load(name, joining)
    started = not verbs.is_initialized()
    if started and not joining:
        cluster.start_cluster(verbs, num_cpus)
    elif started:
        cluster.join_cluster(verbs, address)
        nodes = sum(node["Alive"] for node in verbs.nodes())
        tell(f"joined the {name} cluster at {address}, nodes: {nodes}")
    if name == "minimr":  # agents on other nodes have to reach the servers
        host = import_module("minimr.core.api.session").own_host()
        make_server = partial(make_server, host=host)
    try:
        yield Engine(verbs, make_server)
    finally:
        if started:
            verbs.shutdown()


def _load(name: str, joining: bool = False) -> tuple[Any, Any]:
    try:
        if name == "ray":  # sets what Ray reads when it is imported
            import_module("ray_impl.cluster").load_ray(joining)
        verbs = import_module(
            LADDER[name].verbs or "dqn.distributed.serial_verbs"
        )
        servers = LADDER[SERVERS.get(name, name)].parameter_server
        server = import_module(servers)
    except ModuleNotFoundError as error:
        raise DQNError(
            f"the engine {name} needs the package {error.name}: install it"
        ) from error
    return verbs, server.ParameterServer
