"""The engines by name: the verbs of each, and its parameter server.

Nothing of an engine is loaded before it is opened: `dqn` itself knows none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from dqn.errors import DQNError
from dqn.team import MakeServer

# {name on the command line: (module of the verbs, of the parameter server)}
ENGINES = {
    "serial": ("dqn.serial", "minimr.serial_server"),
    "minimr": ("minimr", "minimr.parameter_server"),
    "ray": ("ray", "ray_impl.parameter_server"),
}
# What Ray is told beyond what minimr understands.
FOR_RAY = {
    "include_dashboard": False,
    "log_to_driver": False,
    "logging_level": "ERROR",
    "_node_ip_address": "127.0.0.1",
}


class Engine(NamedTuple):
    """What a team is made with."""

    verbs: Any
    make_server: MakeServer


@contextmanager
def open_engine(
    name: str, num_cpus: int | None = None, address: str | None = None
) -> Iterator[Engine]:
    """Start an engine, and stop it at the end.

    Args:
        name: one of `ENGINES`.
        num_cpus: processors of the cluster that is started.
        address: of a cluster to join instead.

    Raises:
        DQNError: there is no such engine, or it is not installed.
    """
    if name not in ENGINES:
        raise DQNError(f"no engine {name!r}: choose {', '.join(ENGINES)}")
    try:
        if name == "ray":  # before it is imported: it looks about then
            import_module("ray_impl.cluster").load_ray(address is not None)
        verbs, server = map(import_module, ENGINES[name])
    except ModuleNotFoundError as error:
        raise DQNError(
            f"the engine {name} needs the package {error.name}: install it"
        ) from error
    if name == "serial":
        yield Engine(verbs, server.ParameterServer)
        return
    started = not verbs.is_initialized()
    if started:
        _start(verbs, num_cpus, address)
    make_server = server.ParameterServer
    if name == "minimr":  # where agents on other nodes reach this process
        host = import_module("minimr.api.session").own_host()
        make_server = partial(make_server, host=host)
    try:
        yield Engine(verbs, make_server)
    finally:
        if started:
            verbs.shutdown()


def _start(verbs: Any, num_cpus: int | None, address: str | None) -> None:
    if address is not None:
        verbs.init(address=address)
    elif verbs.__name__ == "ray":
        # "local": not a cluster that may run on this machine already
        verbs.init(address="local", num_cpus=num_cpus, **FOR_RAY)
    else:
        verbs.init(num_cpus=num_cpus)
