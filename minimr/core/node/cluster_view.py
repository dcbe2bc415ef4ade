"""What one node expects that all nodes have left.

    control store ── View ──> what they have reported
    leasing ─── expect ─────> less, until they report the next time

Rule: what was sent to a node since its last report is not undone by a view
that repeats that report. So a burst of tasks does not all go to the node that
had room when it began.
"""

from __future__ import annotations

from collections.abc import Callable

from minimr.core import messages as m
from minimr.net.channel import Address


class ClusterView:
    """The nodes that live, as one of them sees them.

    Args:
        this_node: returns what the node itself is and has.
    """

    def __init__(self, this_node: Callable[[], m.NodeInfo]) -> None:
        self._this_node = this_node
        self._reported: dict[str, m.NodeInfo] = {}  # {id: what it has said}
        self._expected: dict[str, m.NodeInfo] = {}  # {id: less what we sent}

    def nodes(self) -> list[m.NodeInfo]:
        """Return all nodes that live, this one first."""
        here = self._this_node()
        others = self._expected.values()
        return [here, *(node for node in others if node.id != here.id)]

    def expect(self, address: Address, amounts: m.Amounts) -> None:
        """Count what is sent to a node, until it reports the next time."""
        for node in self._expected.values():
            if node.address == address:
                for name, need in amounts:
                    node.available[name] = node.available.get(name, 0.0) - need

    def update(self, nodes: list[m.NodeInfo]) -> list[Address]:
        """Replace the view; return the addresses of nodes that died since."""
        before, was = self._reported, self._expected
        self._reported = {node.id: node for node in nodes if node.alive}
        self._expected = {
            id: was[id] if before.get(id) == node else _copy(node)
            for id, node in self._reported.items()
        }
        alive = {node.address for node in self._reported.values()}
        alive.add(self._this_node().address)
        return [n.address for n in was.values() if n.address not in alive]

    def forget_expectations(self) -> None:
        """Believe the reports again: what was sent has arrived by now."""
        self._expected = {
            id: _copy(node) for id, node in self._reported.items()
        }


def _copy(node: m.NodeInfo) -> m.NodeInfo:
    return node._replace(available=dict(node.available))
