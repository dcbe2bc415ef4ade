"""What goes wrong on a real cluster, on purpose: a node or a worker dies.

    with Cluster(...) ── disturbed(cluster) ──> kill_node(task=3)
    minimr: the driver sends its third task ──> that node gets a SIGKILL
    Ray:    the third task that is submitted ──> kills its own node, once

A message cannot be delayed here, nor a machine be cut off: use `simulated`,
or the five-node lab (`python -m benchmarks lab`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from minimr.cluster_utils import Cluster
from minimr.testing.on_ray import Deadly, told
from minimr.testing.tasks import RUNS_S, Sent, noticed

NODE, WORKER = "node", "worker"


@dataclass
class Kill:
    """One that has not happened yet."""

    what: str
    task: int
    name: str
    after_s: float


@dataclass
class Disturbed:
    """What dies in a cluster of this program, and when.

    Attributes:
        killed: process ids of nodes and workers, in the order of their
            ends.
    """

    cluster: Any
    killed: list[int] = field(default_factory=list)
    _kills: list[Kill] = field(default_factory=list)
    _sent: Counter[str] = field(default_factory=Counter)

    def kill_node(
        self, task: int = 1, name: str = "", after_s: float = RUNS_S
    ) -> None:
        """Kill the node that runs a task.

        It must not be the head, with which all ends: give that no CPU.

        Args:
            task: the number of the task, as the driver sends them; on Ray,
                as it submits them.
            name: count only tasks of that name.
            after_s: so long after it was sent; on Ray, has begun.
        """
        self._kills.append(Kill(NODE, task, name, after_s))

    def kill_worker(
        self, task: int = 1, name: str = "", after_s: float = RUNS_S
    ) -> None:
        """Kill the worker that runs a task; see `kill_node`."""
        self._kills.append(Kill(WORKER, task, name, after_s))

    def _due(self, task: str) -> list[Kill]:
        """Count a task; return what happens because of it."""
        for name in {"", task}:
            self._sent[name] += 1
        return [
            kill
            for kill in self._kills
            if kill.name in ("", task) and self._sent[kill.name] == kill.task
        ]

    def _notice(self, sent: Sent) -> None:
        nodes = {n.where: n.process.pid for n in self.cluster.worker_nodes}
        for kill in self._due(sent.name):
            if kill.what == WORKER or sent.node in nodes:  # not the head
                node = nodes.get(sent.node, 0)
                end = (self._strike, (kill, sent, node))
                threading.Timer(kill.after_s, *end).start()

    def _strike(self, kill: Kill, sent: Sent, node: int) -> None:
        pid = node if kill.what == NODE else sent.caller().pid
        if pid > 0:  # it has said hello
            self._kills.remove(kill)
            self.killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    def _deadly(self, name: str) -> Deadly | None:
        for kill in self._due(name):
            self._kills.remove(kill)
            return Deadly(kill.what == NODE, kill.after_s, self.killed.append)
        return None


@contextlib.contextmanager
def disturbed(cluster: Any) -> Iterator[Disturbed]:
    """Say what dies in a cluster. Runs in: driver.

    Args:
        cluster: of `minimr.cluster_utils` or `ray.cluster_utils`, whose
            driver this program is.

    Raises:
        RuntimeError: in the end, something has not died.
    """
    disturbances = Disturbed(cluster)
    if isinstance(cluster, Cluster):
        watch = noticed(disturbances._notice)
    else:
        watch = told(cluster, disturbances._deadly)
    with watch:
        yield disturbances
    if disturbances._kills:
        raise RuntimeError(
            "nothing was killed for these tasks, for they were never sent, "
            f"or to the head: {disturbances._kills}"
        )
