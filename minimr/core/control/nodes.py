"""The nodes of the cluster, and which of them are dead.

    node ── Report ──> table ── View ──> all nodes
    a link that breaks, or silence ──> dead ── View ──> all nodes

Rule: a node that has been silent for `SILENCE_S` is dead, and stays dead. One
that reports afterwards is told to stop.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from minimr.core import messages as m
from minimr.net.channel import Address
from minimr.net.endpoint import Later, Link
from minimr.net.messages import Handler
from minimr.net.peer import Peer
from minimr.system import machine

SILENCE_S = 5.0
CHECK_S = 1.0
MAX_USED = 1800  # measurements of a node that are kept: of half an hour

log = logging.getLogger(__name__)


class Nodes:
    """The nodes of the cluster. Runs in: the control store.

    Args:
        table: of all nodes, dead ones as well, by their ids.
        link: returns the link to an address.
        later: calls a function after that many seconds.
        joined: called when there is a new node.
        changed: called when a node has more or less left than before.
        died: called with (id, address, why).
    """

    def __init__(
        self,
        table: dict[str, m.NodeInfo],
        *,
        link: Link,
        later: Later,
        joined: Callable[[], None],
        changed: Callable[[], None],
        died: Callable[[str, Address, str], None],
    ) -> None:
        self.table = table
        self._link, self._later = link, later
        self._joined, self._changed, self._died = joined, changed, died
        self._seen: dict[str, float] = {}  # {node: when it last reported}
        self._peers: dict[str, Peer] = {}  # {node: the link of its reports}
        self._used: dict[str, deque[tuple[float, float, int]]] = {}
        self._checked = machine.monotonic()
        self._check_silence()

    def handlers(self) -> list[Handler]:
        """Return what it is told."""
        return [m.Report.to(self._on_report)]

    def used(self) -> list[tuple[str, float, float, int]]:
        """Return what nodes have used: (node, when, CPUs, bytes)."""
        return [(id, *row) for id, past in self._used.items() for row in past]

    def _on_report(self, peer: Peer, report: m.Report) -> None:
        info = report.info
        known = self.table.get(info.id)
        if known is not None and not known.alive:
            peer.post(m.Stop("the cluster has declared this node dead"))
            return
        self.table[info.id] = info
        if info.id not in self._seen:
            log.debug("node %s has joined: %s", info.id[:8], info.total)
        self._seen[info.id] = machine.monotonic()
        self._peers[info.id] = peer
        if report.used is not None:
            past = self._used.setdefault(info.id, deque(maxlen=MAX_USED))
            past.append((machine.time(), *report.used))
        if known is None or known.available != info.available:
            self._tell_all()
            self._changed()
        if known is None:
            self._joined()

    def _tell_all(self) -> None:
        view = m.View(list(self.table.values()))
        for node in self.table.values():
            if node.alive and len(self.table) > 1:
                # On the link that carries demands: these come behind it.
                self._link(node.address).post(view)

    def _check_silence(self) -> None:
        # If this process was stopped, what the others said is not read yet.
        now, before = machine.monotonic(), self._checked
        stalled, self._checked = now - before > 2 * CHECK_S, now
        horizon = 0.0 if stalled else now - SILENCE_S
        for id, seen in self._seen.items():
            if seen < horizon and self.table[id].alive:
                self._bury(id, f"it was silent for {SILENCE_S:.0f} s")
        self._later(CHECK_S, self._check_silence)

    def left(self, peer: Peer, why: str) -> None:
        """A process is gone: if it was a node, that one is dead."""
        for id, other in self._peers.items():
            if other is peer and self.table[id].alive:
                self._bury(id, why)

    def _bury(self, id: str, why: str) -> None:
        log.debug("node %s is dead: %s", id[:8], why)
        info = self.table[id] = self.table[id]._replace(alive=False)
        self._tell_all()
        self._died(id, info.address, why)
