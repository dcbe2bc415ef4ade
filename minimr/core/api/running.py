"""The cluster that runs here: `minimr start` notes it, `init` looks it up.

    minimr start ── add ────> ~/.minimr/cluster.json <── find ── init()
    minimr stop  ── clear ──>   {"head": HOST:PORT,      minimr status
                                 "nodes": [{"pid": .., "born": ..}, ...]}

Rules:

1. A process that changes the file holds a lock, and replaces the file by a
   new one. So a reader finds the old one or the new one.
2. A process is identified by its id and its start time, since ids are reused.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from minimr.net.channel import connect, parse_address
from minimr.net.handshake import HandshakeError
from minimr.net.token import load_token
from minimr.system import machine

VARIABLE = "MINIMR_ADDRESS"
HOME = "MINIMR_HOME"

log = logging.getLogger(__name__)


class Started(NamedTuple):
    """What `minimr start` has started on this machine."""

    head: str  # HOST:PORT
    nodes: list[dict[str, Any]]  # of this machine: {"pid": .., "born": ..}

    @property
    def alive(self) -> list[dict[str, Any]]:
        """The nodes that still run."""
        return [
            node for node in self.nodes if node["born"] == born(node["pid"])
        ]


def find() -> str | None:
    """Return the address of the cluster that `init()` joins, if any.

    It is $MINIMR_ADDRESS, else that of `minimr start`. A cluster that has
    ended is skipped, with a warning.

    Blocks: until its head has answered.

    Raises:
        ConnectionError: the cluster has another token.

    Ray: $RAY_ADDRESS, and the cluster that `ray start` has noted.
    """
    named = os.environ.get(VARIABLE)
    if named and named != "auto":
        return named
    try:
        started = read() if has_home() else None
        if started is None:
            return None
        if not started.alive:
            raise ConnectionError(f"the cluster at {started.head} has ended")
        connect(parse_address(started.head), load_token(), ["head"]).close()
    except HandshakeError:
        raise
    except ConnectionError as error:
        log.warning(
            "%s; so no cluster is joined (`minimr stop` forgets it)", error
        )
        return None
    return started.head


def require() -> str:
    """Return the address of the cluster that runs here.

    Raises:
        ConnectionError: none runs.
    """
    address = find()
    if address is None:
        raise ConnectionError(
            "Could not find any running minimr instance: start one with "
            "`minimr start --head`, or name one with --address HOST:PORT"
        )
    return address


def read() -> Started | None:
    """Return what was noted; None: nothing.

    Raises:
        ConnectionError: the file is not one of ours.
    """
    file = cluster_file()
    try:
        known = json.loads(file.read_text("utf-8"))
        parse_address(known["head"])
        nodes = [{"pid": n["pid"], "born": n["born"]} for n in known["nodes"]]
        return Started(known["head"], nodes)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConnectionError(
            f"cannot read {file}: {error.strerror}"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConnectionError(
            f"{file} is not what `minimr start` writes: delete it"
        ) from None


def add(pid: int, head: str) -> None:
    """Note a node that was started, beside those that still run."""
    from minimr.system.files import atomic_writer  # `init` needs it not

    with _alone() as file:
        known = read()
        others = [] if known is None else known.alive
        nodes = [*others, {"pid": pid, "born": born(pid)}]
        with atomic_writer(file) as draft:
            json.dump({"head": head, "nodes": nodes}, draft)


@contextmanager
def clear() -> Iterator[list[dict[str, Any]]]:
    """Yield the nodes that still run, and forget them at the end.

    A process that starts a node meanwhile waits.
    """
    with _alone() as file:
        known = read()
        yield [] if known is None else known.alive
        file.unlink(missing_ok=True)


def born(pid: int) -> str | None:
    """Return when a process started; None: it does not run."""
    try:
        fields = machine.stat_of(pid)
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[machine.BORN]


def has_home() -> bool:
    """Return whether this user has a folder for the file."""
    try:
        home()
    except ConnectionError:
        return False
    return True


def home() -> Path:
    """Return the folder of these files: $MINIMR_HOME, or ~/.minimr.

    Raises:
        ConnectionError: this user has no home folder.
    """
    named = os.environ.get(HOME)
    if named:
        return Path(named)
    try:
        return Path.home() / ".minimr"
    except RuntimeError:
        raise ConnectionError(
            f"this user has no home folder: set {HOME} to a folder"
        ) from None


def cluster_file() -> Path:
    """Return the path of the file."""
    return home() / "cluster.json"


@contextmanager
def _alone() -> Iterator[Path]:
    file = cluster_file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file.with_name("cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield file
