"""What goes wrong on a real cluster, on purpose: a node dies.

    with Cluster(...) ── disturbed(cluster) ──> kill_node(task=3)
         the driver sends its third task ──> that node gets a SIGKILL

A message cannot be delayed here, nor a machine be cut off: use `simulated`,
or the five-node lab (`python -m benchmarks lab`). A worker dies by a task
that calls `os._exit(1)`.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from minimr.cluster_utils import Cluster
from minimr.testing.tasks import RUNS_S, Sent, noticed


@dataclass
class Disturbed:
    """What dies in a cluster of this program, and when.

    Attributes:
        killed: process ids of nodes, in the order of their ends.
    """

    cluster: Cluster
    killed: list[int] = field(default_factory=list)
    _kills: list[tuple[str, int, float]] = field(default_factory=list)
    _sent: Counter[str] = field(default_factory=Counter)

    def kill_node(
        self, task: int = 1, name: str = "", after_s: float = RUNS_S
    ) -> None:
        """Kill the node that runs a task.

        It must not be the head, with which all ends: give that no CPU.

        Args:
            task: the number of the task, as the driver sends them.
            name: count only tasks of that name.
            after_s: so long after it was sent.
        """
        self._kills.append((name, task, after_s))

    def _notice(self, sent: Sent) -> None:
        for name in {"", sent.name}:
            self._sent[name] += 1
        for kill in list(self._kills):
            name, number, after_s = kill
            if name not in ("", sent.name) or self._sent[name] != number:
                continue
            for node in self.cluster.worker_nodes:
                if node.where == sent.node:
                    self._kills.remove(kill)
                    self.killed.append(node.process.pid)
                    threading.Timer(after_s, node.process.kill).start()


@contextlib.contextmanager
def disturbed(cluster: Cluster) -> Iterator[Disturbed]:
    """Say what dies in a cluster. Runs in: driver.

    Args:
        cluster: whose driver this program is.

    Raises:
        RuntimeError: in the end, something has not died.
    """
    disturbances = Disturbed(cluster)
    with noticed(disturbances._notice):
        yield disturbances
    if disturbances._kills:
        raise RuntimeError(
            "no node was killed for these tasks, for they were never sent, "
            f"or to the head: {disturbances._kills}"
        )
