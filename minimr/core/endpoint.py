"""A process among others: links, messages to handlers, questions, timers.

    other processes ══ hub ══> step() ──> handlers[type(message)]
                                    └───> answer callbacks, timers

Rules:

1. One thread at a time runs `step`; handlers run in it and hold `lock`.
   Nothing is sent or received while the lock is held: handlers post, and
   `step` flushes afterwards.
2. There is one link to an address, dialled at the first use.
3. A question to somebody who is gone is answered with `GONE`.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from minimr.core.messages import Answer, Ask, Hello, Home, Job
from minimr.net.channel import Address
from minimr.net.hub import Hub, Joined, Left, Received
from minimr.net.peer import Peer

Handler = Callable[[Peer, Any], None]
Reply = Callable[[Any], None]

GONE = "the other process is gone"


class Endpoint:
    """One process's end of all its links.

    Attributes:
        handlers: {message type: called with (peer, message)}.
        answerers: {message type: called with (peer, message, reply)}; the
            reply may be given at once or later.
        left: called with a peer that is gone; its `data` is its Hello.
    """

    def __init__(
        self, kind: str, token: bytes, host: str, port: int = 0
    ) -> None:
        self.kind = kind
        self.process = os.urandom(8)
        self.job: Job | None = None
        self.hub = Hub(token, (host, port))
        self.address = self.hub.address
        self.home = self.address  # of the node that this process belongs to
        self.lock = threading.RLock()
        self.handlers: dict[type, Handler] = {
            Hello: self._on_hello,
            Home: self._on_home,
        }
        self.answerers: dict[type, Callable[[Peer, Any, Reply], None]] = {}
        self.left: Callable[[Peer, str], None] = lambda peer, why: None
        self._links: dict[Address, Peer] = {}
        self._asked: dict[int, tuple[Peer, Reply]] = {}
        self._numbers = itertools.count()
        self._polling = False
        self._timers: list[tuple[float, int, Callable[[], None]]] = []

    def link(self, address: Address) -> Peer:
        """Give the link to an address, a new one at the first use."""
        peer = self._links.get(address)
        if peer is None or peer.closed:
            peer = self._links[address] = self.hub.dial(address)
            self.adopt(peer, address)
        return peer

    def adopt(self, peer: Peer, address: Address) -> None:
        """Take a connection that was dialled as the link to an address."""
        self._links[address] = peer
        peer.data = Hello("peer", b"", address, 0, None, address)
        me = (self.kind, self.process, self.address, os.getpid(), self.job)
        peer.post(Hello(*me, self.home))

    def known(self, address: Address) -> bool:
        """Tell whether there is a link to an address."""
        return address in self._links

    def ask(self, peer: Peer, body: Any, callback: Reply) -> None:
        """Send a question; the callback gets the answer, or `GONE`."""
        if peer.closed:
            callback(GONE)
            return
        number = next(self._numbers)
        self._asked[number] = (peer, callback)
        peer.post(Ask(number, body))

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Call a function in `step` when that time has passed."""
        at = time.monotonic() + seconds
        if self._polling and (not self._timers or at < self._timers[0][0]):
            self.hub.wake()
        heapq.heappush(self._timers, (at, next(self._numbers), function))

    def step(self, timeout_s: float | None = None) -> None:
        """Handle what comes next. Blocks: until something came."""
        self.hub.flush()
        if self._timers:
            rest = max(0.0, self._timers[0][0] - time.monotonic())
            timeout_s = rest if timeout_s is None else min(timeout_s, rest)
        self._polling = True
        events = self.hub.poll(timeout_s)
        self._polling = False
        with self.lock:
            for event in events:
                if isinstance(event, Received):
                    self._dispatch(event.peer, event.message)
                elif isinstance(event, Left):
                    self._lose(event.peer, event.why)
                elif isinstance(event, Joined) and event.peer.data is None:
                    nobody = ("", 0)
                    event.peer.data = Hello("?", b"", nobody, 0, None, nobody)
            if self._timers:
                self._run_timers()
        self.hub.flush()

    def _dispatch(self, peer: Peer, messages: list[Any]) -> None:
        handlers = self.handlers
        for message in messages:
            kind = type(message)
            if kind is Answer:
                _, callback = self._asked.pop(message.number, (None, None))
                if callback is not None:
                    callback(message.body)
            elif kind is Ask:
                reply = _Answerer(peer, message.number)
                self.answerers[type(message.body)](peer, message.body, reply)
            else:
                handlers[kind](peer, message)

    def _on_hello(self, peer: Peer, hello: Hello) -> None:
        # Of two that dialled each other, both links stay; either will do.
        peer.data = hello
        if hello.address not in self._links:
            self._links[hello.address] = peer
        peer.post(Home(self.home))

    def _on_home(self, peer: Peer, home: Home) -> None:
        peer.data = peer.data._replace(home=home.address)

    def drop_node(self, address: Address, why: str) -> None:
        """Hang up on a node that is dead, and on its processes.

        Runs in: the thread that steps. A machine that is cut off says
        nothing, and TCP would wait for a quarter of an hour.
        """
        for peer in self.hub.peers():
            if peer.data is not None and peer.data.home == address:
                self.hub.drop(peer)
                self._lose(peer, why)

    def _lose(self, peer: Peer, why: str) -> None:
        if self._links.get(peer.data.address) is peer:
            del self._links[peer.data.address]
        open_questions = [
            number
            for number, (other, _) in self._asked.items()
            if other is peer
        ]
        for number in open_questions:
            self._asked.pop(number)[1](GONE)
        self.left(peer, why)

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()


class _Answerer:
    """Sends the answer to one question."""

    __slots__ = ("number", "peer")

    def __init__(self, peer: Peer, number: int) -> None:
        self.peer = peer
        self.number = number

    def __call__(self, body: Any) -> None:
        self.peer.post(Answer(self.number, body))
