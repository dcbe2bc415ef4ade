"""The control store (Ray: GCS): what the whole cluster has to agree on.

    nodes ── Report ──> Nodes ── View ──> nodes       (`nodes.py`)
                          │ joined, changed, died
             ┌────────────┴──────────┐
          Groups ── places ──────> Actors             (`placement_groups.py`,
             │ Reserve               │ Demand, Become        `actors.py`)
             └──> nodes              └──> nodes, workers

Rule: it runs in the head's process, and talks to nodes by messages only, to
its own one as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from minimr.core import messages as m
from minimr.core.control.actors import Actors
from minimr.core.control.nodes import Nodes
from minimr.core.control.placement_groups import Groups
from minimr.net.channel import Address
from minimr.net.endpoint import Endpoint
from minimr.net.messages import Reply
from minimr.net.peer import Peer

MAX_EVENTS = 1000  # pickles of events, and their bytes
MAX_EVENT_BYTES = 100_000_000


class Control:
    """The tables of the cluster. Runs in: the head, in its node's thread.

    Args:
        endpoint: of the head's node.
        node: that node, known to the first that asks.
        page: the address of the cluster's page; "": it has none.
    """

    def __init__(
        self, endpoint: Endpoint, node: m.NodeInfo, page: str = ""
    ) -> None:
        self._page = page
        self.events: deque[bytes] = deque()
        self._bytes = 0  # of them
        nodes = {node.id: node}
        self.groups = Groups(nodes, link=endpoint.link, ask=endpoint.ask)
        self.actors = Actors(
            nodes,
            endpoint.address,
            link=endpoint.link,
            ask=endpoint.ask,
            later=endpoint.later,
            when_created=self.groups.when_created,
        )
        self.nodes = Nodes(
            nodes,
            link=endpoint.link,
            later=endpoint.later,
            joined=self.actors.node_joined,
            changed=self.groups.nodes_changed,
            died=self._node_died,
        )
        endpoint.serve(
            *self.nodes.handlers(),
            *self.groups.handlers(),
            *self.actors.handlers(),
            m.Events.to(self._on_events),
            m.Query.to(self._on_query),
        )
        endpoint.left.append(self._left)

    def _left(self, peer: Peer, why: str) -> None:
        self.groups.left(peer)
        self.nodes.left(peer, why)
        self.actors.left(peer, why)

    def _node_died(self, id: str, address: Address, why: str) -> None:
        self.groups.node_lost(id)
        reason = f"its node {id[:8]} has died: {why}"
        self.actors.node_died(address, reason)

    def _on_events(
        self, peer: Peer, events: m.Events, reply: Reply[None]
    ) -> None:
        self.events.append(events.blob)
        self._bytes += len(events.blob)
        while self._bytes > MAX_EVENT_BYTES or len(self.events) > MAX_EVENTS:
            self._bytes -= len(self.events.popleft())
        reply(None)

    def _on_query(
        self, peer: Peer, query: m.Query, reply: Reply[list[Any]]
    ) -> None:
        tables: dict[str, Callable[[], list[Any]]] = {
            "nodes": lambda: list(self.nodes.table.values()),
            "actors": self.actors.rows,
            "groups": self.groups.rows,
            "usage": self.nodes.used,
            "page": lambda: [self._page],
            "events": lambda: list(self.events),
        }
        reply(tables[query.what]())
