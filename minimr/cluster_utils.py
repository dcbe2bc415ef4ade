"""Several nodes in one program, for tests and demos (Ray: the same module).

    program ── add_node ──> node (head)   127.0.0.1:port
            ── add_node ──> node          127.0.0.1:port
            ── connect  ──> init(address of the head)

Rules:

1. A node is the same process that `minimr start` starts, but it is not in
   the file of running nodes: `init()` and `minimr stop` do not find it.
2. The nodes end with the program, however that ends.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Any

from minimr.core import messages as m
from minimr.core.api.session import (
    LOOPBACK,
    init,
    is_initialized,
    session,
    shutdown,
)
from minimr.core.api.spawn import NodeProcess, node_options, spawn_node
from minimr.net.channel import Address
from minimr.net.endpoint import Endpoint
from minimr.net.messages import GONE
from minimr.net.token import load_token

STORE_BYTES = 150 * 2**20
WAIT_S = 30.0
END_S = 5.0


@dataclass(frozen=True, eq=False)
class ClusterNode:
    """One node of a `Cluster`.

    Attributes:
        process: of the node; the node's workers are its children.
    """

    head: Address
    where: Address
    process: NodeProcess

    @property
    def address(self) -> str:
        """HOST:PORT of the node."""
        return "{}:{}".format(*self.where)

    @property
    def node_id(self) -> str:
        """The id that `nodes()` and the affinity strategy use."""
        ids = {node.address: node.id for node in _table(self.head)}
        return ids[self.where]


class Cluster:
    """Nodes that this program has started, on this machine.

    Args:
        initialize_head: start the head, with `head_node_args`.
        connect: also make this program a driver.
        shutdown_at_exit: end the nodes in order when this program ends
            normally. They end with its process in any case.

    Runs in: driver. Ray: `ray.cluster_utils.Cluster`.
    """

    def __init__(
        self,
        initialize_head: bool = False,
        connect: bool = False,
        head_node_args: dict[str, Any] | None = None,
        shutdown_at_exit: bool = True,
    ) -> None:
        if connect and not initialize_head:
            raise RuntimeError("Cannot connect to uninitialized cluster.")
        self.head_node: ClusterNode | None = None
        self.worker_nodes: set[ClusterNode] = set()
        if shutdown_at_exit:
            atexit.register(self.shutdown)
        if initialize_head:
            self.add_node(**(head_node_args or {}))
            if connect:
                self.connect()

    @property
    def address(self) -> str | None:
        """HOST:PORT of the head, for `init(address=...)`; None: no head."""
        return None if self.head_node is None else self.head_node.address

    def connect(self, namespace: str | None = None) -> None:
        """Make this program a driver of the cluster.

        Blocks: until the head has answered.
        """
        init(
            address=self._head().address,
            namespace=namespace,
            ignore_reinit_error=True,
        )

    def add_node(
        self,
        wait: bool = True,
        *,
        num_cpus: float = 1,
        num_gpus: float = 0,
        resources: dict[str, float] | None = None,
        object_store_memory: int = STORE_BYTES,
        labels: dict[str, str] | None = None,
    ) -> ClusterNode:
        """Start a node; the first one is the head.

        Args:
            wait: return only when the head knows the node.

        Blocks: until the node listens.

        Raises:
            TimeoutError: the head did not know it within 30 s.
        """
        amounts = (num_cpus, num_gpus, resources, object_store_memory, labels)
        options = node_options(*amounts) | {"parent": os.getpid()}
        if self.head_node is not None:
            options["head"] = self.head_node.where
        process, where = spawn_node(options)
        node = ClusterNode(options.get("head", where), where, process)
        if self.head_node is None:
            self.head_node = node
        else:
            self.worker_nodes.add(node)
        if wait:
            self.wait_for_nodes()
        return node

    def remove_node(
        self, node: ClusterNode, allow_graceful: bool = True
    ) -> None:
        """End a node and all that it runs.

        Args:
            allow_graceful: ask it to end; otherwise it is killed.

        Blocks: until its process has ended.

        Raises:
            ValueError: this program is connected to it.
        """
        if is_initialized() and _is_ours(node):
            shutdown()
            raise ValueError(
                "Removing a node that this driver is connected to would "
                "break the driver: remove another one (list_all_nodes()), or "
                "call shutdown() first"
            )
        if node is self.head_node:
            self.head_node = None
        else:
            self.worker_nodes.remove(node)
        _end(node, signal.SIGTERM if allow_graceful else signal.SIGKILL)

    def list_all_nodes(self) -> list[ClusterNode]:
        """Return the nodes that have not been removed, the head first."""
        head = [self.head_node] if self.head_node is not None else []
        return [*head, *self.worker_nodes]

    def wait_for_nodes(self, timeout: float = WAIT_S) -> None:
        """Wait until exactly the nodes of this cluster are alive.

        Blocks: until then, at most `timeout` seconds.

        Raises:
            TimeoutError: they are not.
        """
        expected = {node.where for node in self.list_all_nodes()}
        until = time.monotonic() + timeout
        while (alive := _alive(self._head().where)) != expected:
            if time.monotonic() > until:
                raise TimeoutError(
                    f"{len(alive)} nodes live where {len(expected)} should, "
                    f"after {timeout:g} s: {sorted(alive)}"
                )
            time.sleep(0.01)  # the head sends no news to a visitor

    def shutdown(self) -> None:
        """End all nodes; the driver disconnects first, if it is connected.

        Blocks: until their processes have ended.
        """
        atexit.unregister(self.shutdown)
        nodes = self.list_all_nodes()
        if is_initialized() and any(map(_is_ours, nodes)):
            shutdown()
        for node in reversed(nodes):
            _end(node, signal.SIGTERM)
        self.head_node = None
        self.worker_nodes = set()

    def _head(self) -> ClusterNode:
        if self.head_node is None:
            raise RuntimeError("the cluster has no head: add_node() first")
        return self.head_node


def _is_ours(node: ClusterNode) -> bool:
    """Return whether this program is connected to that node."""
    here = getattr(session(), "node", None)  # local mode has none
    return here is not None and here.data.address == node.where


def _alive(head: Address) -> set[Address]:
    return {node.address for node in _table(head) if node.alive}


def _table(head: Address) -> list[m.NodeInfo]:
    """Return a head's table of nodes, without being its driver."""
    asking = Endpoint("visitor", load_token(), (LOOPBACK, 0))
    answers: list[Any] = []
    try:
        asking.ask(asking.link(head), answers.append, m.Query("nodes"))
        while not answers:
            asking.step(WAIT_S)
    finally:
        asking.hub.close()
    if answers[0] == GONE:
        raise ConnectionError("the head at {}:{} is gone".format(*head))
    return list(answers[0])


def _end(node: ClusterNode, how: signal.Signals) -> None:
    process = node.process
    process.send_signal(how)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
