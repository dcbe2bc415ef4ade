"""Requests that wait until they can be answered, in one thread.

Hub ── Received ──> waiting: [request, request, ...]
         each is tried, in the order they came, until none moves:
         handle(message) ─> a reply, sent at once
                         └> None: it stays; too late: `too_late` answers
       Left ──────> its requests are gone, its workers are dead

A request that makes no sense fails, or costs its sender the connection.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from minimr.interface.parameter_server import ParameterServerError
from minimr.net.events import Joined, Left, Received
from minimr.net.hub import Hub
from minimr.net.peer import Peer
from minimr.sockets.servers import messages as m
from minimr.sockets.servers.client_connections import allocate
from minimr.system import machine

log = logging.getLogger(__name__)


class Request(NamedTuple):
    """What a client waits for, and until when."""

    peer: Peer
    message: Any
    until: float  # on the monotonic clock


class PendingRequests(ABC):
    """Answers requests, some of them later. Runs in: one thread."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting: list[Request] = []  # in the order they came
        self._home: dict[int, Peer] = {}  # {worker: its last connection}

    @abstractmethod
    def handle(self, message: Any) -> m.Reply | None:
        """Answer a message. None: it has to wait.

        Raises:
            ParameterServerError, OSError: sent to the client as `Failed`.
        """

    @abstractmethod
    def too_late(self, message: Any) -> str:
        """Return an error: why a message was not answered in time."""

    @abstractmethod
    def leave(self, worker: int) -> None:
        """Note that a worker is dead."""

    def step(self, timeout_s: float | None) -> None:
        """Receive requests, and answer those that can be answered.

        Blocks: until something has come, or for `timeout_s`.
        """
        for event in self._hub.poll(self._patience(timeout_s)):
            if isinstance(event, Joined):
                event.peer.reader.allocate = allocate
            elif isinstance(event, Left):
                self._lose(event.peer)
            elif isinstance(event, Received):
                self._receive(event.peer, event.message)
        while self._waiting:
            left = [r for r in self._waiting if not self._answer(r)]
            moved, self._waiting = len(left) < len(self._waiting), left
            if not moved:  # else that may let others go on
                break

    def _receive(self, peer: Peer, message: Any) -> None:
        if isinstance(message, m.Goodbye):
            self._let_go(peer)
            return
        if not isinstance(message, m.REQUESTS):
            log.warning("%s sent %.80r: no request", peer.name, message)
            self._hub.drop(peer)
            self._lose(peer)
            return
        until = machine.monotonic() + getattr(message, "timeout_s", 0.0)
        self._waiting.append(Request(peer, message, until))
        worker = getattr(message, "worker", None)
        if worker is not None:
            self._home[worker] = peer

    def _answer(self, request: Request) -> bool:
        peer, message, until = request
        try:
            reply = self.handle(message)
        except (ParameterServerError, OSError) as error:
            reply = m.Failed(str(error))
        except Exception as error:  # of a message that makes no sense
            log.warning("a bad request of %s", peer.name, exc_info=True)
            reply = m.Failed(f"it cannot do that: {error!r}")
        if reply is None and machine.monotonic() >= until:
            reply = m.Failed(self.too_late(message))
        if reply is not None:
            peer.send(reply)
        return reply is not None

    def _lose(self, peer: Peer) -> None:
        self._waiting = [r for r in self._waiting if r.peer is not peer]
        for worker in self._let_go(peer):
            self.leave(worker)

    def _let_go(self, peer: Peer) -> list[int]:
        found = [w for w, home in self._home.items() if home is peer]
        for worker in found:
            del self._home[worker]
        return found

    def _patience(self, timeout_s: float | None) -> float | None:
        now = machine.monotonic()
        waits = [max(0.0, request.until - now) for request in self._waiting]
        if timeout_s is not None:
            waits.append(timeout_s)
        return min(waits, default=None)
