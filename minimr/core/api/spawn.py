"""Starts and ends the process of a node, and decides what it has.

init, `minimr start`, Cluster ── spawn_node ──> keeper ──> node
                                 NodeProcess       └ `system/keeper.py`
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from minimr.exceptions import RaySystemError
from minimr.net.channel import Address
from minimr.net.token import load_token
from minimr.system import machine

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class NodeProcess:
    """A node that this process has started, and the keeper above it.

    Attributes:
        pid: of the node; the node's workers are its children.
        page: the address of the cluster's page; "": it has none.
    """

    pid: int
    keeper: subprocess.Popen[bytes]
    page: str = ""

    def send_signal(self, number: int) -> None:
        """Send a signal to the node, if it has not ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                machine.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the node."""
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """Return the exit code; None: not all of it has ended."""
        return self.keeper.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Return the exit code; 128 + N after signal N.

        Blocks: until the node, its workers and all that these have started
        have ended.

        Raises:
            subprocess.TimeoutExpired: they have not, after `timeout_s`.
        """
        return self.keeper.wait(timeout_s)


def node_options(
    num_cpus: float | None,
    num_gpus: float | None,
    resources: dict[str, float] | None,
    object_store_memory: int | None,
    labels: dict[str, str] | None = None,
    store_directory: str | None = None,
    spill_directory: str | None = None,
) -> dict[str, Any]:
    """Return what a node has; what is not given is measured.

    Args:
        store_directory: for the object store, such as a mounted hugetlbfs.
        spill_directory: for objects that have no room there.

    Raises:
        ValueError: an amount is negative or not whole, a resource has an
            argument of its own, or a directory is none.
    """
    amounts = dict(resources or {})
    for name in ("CPU", "GPU"):
        if name in amounts:
            text = f"resources={resources}: give it as num_{name.lower()}s"
            raise ValueError(text)
    amounts["CPU"] = machine.cpus() if num_cpus is None else num_cpus
    gpus = _gpus() if num_gpus is None else num_gpus
    if gpus:
        amounts["GPU"] = gpus
    for name, have in amounts.items():
        if have < 0 or have != int(have):
            text = "What a node has must be whole and not negative"
            raise ValueError(f"{text}: {name} is {have}")
    amounts = {name: float(have) for name, have in amounts.items()}
    for directory in (store_directory, spill_directory):
        if directory is not None and not os.path.isdir(directory):
            raise ValueError(f"{directory!r} is no directory of this machine")
    memory = machine.memory_bytes()
    store = int(object_store_memory or memory * 0.3)
    amounts["memory"] = float(memory * 0.5)
    amounts["object_store_memory"] = float(store)
    return {
        "resources": amounts,
        "store_bytes": store,
        "labels": dict(labels or {}),
        "directory": store_directory,
        "spill_directory": spill_directory,
    }


def _gpus() -> int:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return sum(bool(part.strip()) for part in visible.split(","))
    return sum(
        name.startswith("nvidia") and name[6:].isdigit()
        for name in os.listdir("/dev")
    )


def spawn_node(
    options: dict[str, Any], log: IO[bytes] | None = None
) -> tuple[NodeProcess, Address]:
    """Start a node's process; return it, and the address of the node.

    Blocks: until it serves, and the head knows it.

    Args:
        log: of its warnings; None: the standard error of this process.

    Raises:
        OSError: it cannot listen there, the head is gone, or this system is
            not Linux.
        RaySystemError: it did not start; its output is in the text.
    """
    if sys.platform != "linux":
        raise OSError(
            f"minimr's nodes run on Linux only, not on {sys.platform}: use a "
            "container, a virtual machine or WSL; or init(local_mode=True)"
        )
    load_token()  # a bad token is an error here, not in the node
    program = [
        "minimr.system.keeper",
        "minimr.core.node.main",
        json.dumps(options),
    ]
    keeper = machine.start(program, output=subprocess.PIPE, errors=log)
    assert keeper.stdout is not None
    line = keeper.stdout.readline()
    keeper.stdout.close()
    try:
        answer = json.loads(line)
    except ValueError:
        keeper.terminate()
        code = keeper.wait()
        raise RaySystemError(
            f"the node did not start (exit code {code}): {line!r}"
        ) from None
    if "error" in answer:
        keeper.wait()
        raise OSError(answer["error"])
    host, port, pid, page = answer
    return NodeProcess(pid, keeper, page), (host, port)
