"""A process among others: messages, questions, timers.

    other processes ══ hub ══> step() ──> handler(peer, message)
                                    └───> answers to questions, timers

Messages are the types of `messages.py`. Each type has one handler here. The
handler of a question gets a function, too, to be called with the answer.

Rules:

1. One thread at a time runs `step`; handlers run in it and hold `lock`.
   Nothing is sent or received while the lock is held: handlers post, and
   `step` flushes afterwards.
2. There is one link to an address, dialled at the first use.
3. A question to a process that is gone is answered with `GONE`.
4. A message that cannot be handled ends the link to its sender, and nothing
   else: it may be of another program, or of another version of this one.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from minimr.net.channel import Address, reachable
from minimr.net.events import Joined, Left, Received
from minimr.net.hub import Hub
from minimr.net.kinds import CLUSTER
from minimr.net.messages import (
    GONE,
    Answer,
    Ask,
    Caller,
    Gone,
    Handler,
    Hello,
    Home,
    Question,
    R,
    Reply,
    restored,
)
from minimr.net.peer import Peer
from minimr.system import machine

log = logging.getLogger(__name__)

Link = Callable[[Address], Peer]  # `Endpoint.link`
Later = Callable[[float, Callable[[], None]], None]  # `Endpoint.later`


class AskFunction(Protocol):
    """`Endpoint.ask`."""

    def __call__(
        self, peer: Peer, callback: Reply[R | Gone], question: Question[R], /
    ) -> None:
        """Send a question; the callback gets the answer, or `GONE`."""


NOBODY = Caller("?", b"", ("", 0), 0, ("", 0))


class Endpoint:
    """One process's end of all its links.

    Attributes:
        handlers: {name of a type of message: its handler}.
        left: called with (peer, why) when a peer is gone; `peer.data` is the
            Caller that it was.
    """

    def __init__(self, kind: str, token: bytes, address: Address) -> None:
        self.kind = kind
        self.process = machine.random_bytes(8)
        self.hub = Hub(token, kind, address)
        host, port = self.hub.address
        self.address = (reachable(host), port)  # not 0.0.0.0
        self.home = self.address  # of the node that this process belongs to
        self.lock = machine.recursive_lock()
        self.handlers: dict[str, Handler] = {}
        self.left: list[Callable[[Peer, str], None]] = []
        self.links: dict[Address, Peer] = {}
        self._asked: dict[int, tuple[Peer, Reply[Any]]] = {}
        self._numbers = itertools.count()
        self._polling = False
        self._calls: deque[Callable[[], None]] = deque()
        self._calling = False
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self.serve(
            Hello.to(self._on_hello),
            Home.to(self._on_home),
            Ask.to(self._on_ask),
            Answer.to(self._on_answer),
        )

    def serve(self, *handlers: Handler) -> None:
        """Handle types of messages.

        Raises:
            ValueError: one has a handler already.
        """
        for handler in handlers:
            name = handler.kind.__name__
            other = self.handlers.setdefault(name, handler)
            if other is not handler:
                both = f"{other.call} and {handler.call}"
                raise ValueError(f"{name} has two handlers: {both}")

    def link(self, address: Address) -> Peer:
        """Return the link to an address, dialled at the first use."""
        peer = self.links.get(address)
        if peer is None or peer.closed:
            peer = self.links[address] = self.hub.dial(address, CLUSTER)
            peer.data = NOBODY._replace(address=address, home=address)
            me = (self.kind, self.process, self.address, machine.pid())
            peer.post(Hello(Caller(*me, self.home)))
        return peer

    def ask(
        self, peer: Peer, callback: Reply[R | Gone], question: Question[R]
    ) -> None:
        """Send a question; the callback gets the answer, or `GONE`."""
        if peer.closed:
            callback(GONE)
            return
        number = next(self._numbers)
        self._asked[number] = (peer, callback)
        name = type(question).__name__
        peer.post(Ask(number, name, tuple(question)))

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Call a function in `step` when that time has passed."""
        at = machine.monotonic() + seconds
        if self._polling and (not self._timers or at < self._timers[0][0]):
            self.hub.wake()
        heapq.heappush(self._timers, (at, next(self._numbers), function))

    def in_turn(self, *calls: Callable[[], None]) -> None:
        """Run callbacks now. Lock held.

        Callbacks that they schedule run afterwards, from this loop, so a long
        chain of events never deepens the stack.
        """
        self._calls += calls
        if self._calling:
            return
        self._calling = True
        try:
            while self._calls:
                self._calls.popleft()()
        finally:
            self._calling = False

    def step(self, timeout_s: float | None = None) -> None:
        """Handle what comes next. Blocks: until something came."""
        self.hub.flush()
        self._polling = True  # from now on, an earlier timer wakes us
        if self._timers:
            rest = max(0.0, self._timers[0][0] - machine.monotonic())
            timeout_s = rest if timeout_s is None else min(timeout_s, rest)
        events = self.hub.poll(timeout_s)
        self._polling = False
        with self.lock:
            for event in events:
                if type(event) is Received:
                    try:
                        for message in event.message:
                            kind, call = self.handlers[message[0]]
                            call(event.peer, restored(kind, message[1:]))
                    except Exception:  # noqa: BLE001  another's message
                        self._refuse(event.peer)
                elif isinstance(event, Left):
                    self._lose(event.peer, event.why)
                elif isinstance(event, Joined) and event.peer.data is None:
                    event.peer.data = NOBODY
            if self._timers:
                self._run_timers()
        self.hub.flush()

    def _refuse(self, peer: Peer) -> None:
        """Hang up on the sender of a bad message: rule 4."""
        log.warning("a bad message of %s", peer.name, exc_info=True)
        if not peer.closed:
            self.hub.drop(peer)
            self._lose(peer, "it sent a bad message")

    def _on_ask(self, peer: Peer, ask: Ask) -> None:
        # It may be answered at once or later.
        reply = partial(self._answer, peer, ask.number)
        kind, call = self.handlers[ask.name]
        call(peer, restored(kind, ask.fields), reply)

    def _answer(self, peer: Peer, number: int, body: Any) -> None:
        peer.post(Answer(number, body))

    def _on_answer(self, peer: Peer, answer: Answer) -> None:
        if answer.number in self._asked:
            self._asked.pop(answer.number)[1](answer.body)

    def _on_hello(self, peer: Peer, hello: Hello) -> None:
        # If two processes dialled each other, both links stay; either works.
        self.links.setdefault(hello.caller.address, peer)
        peer.data = hello.caller
        peer.post(Home(self.process, self.home, machine.pid()))

    def _on_home(self, peer: Peer, home: Home) -> None:
        peer.data = peer.data._replace(
            process=home.process, home=home.address, pid=home.pid
        )

    def drop_node(self, address: Address, why: str) -> None:
        """Hang up on a node that is dead, and on its processes.

        Runs in: the thread that steps. A machine that is cut off sends
        nothing, and TCP would wait for a quarter of an hour.
        """
        for peer in self.hub.peers():
            if peer.data is not None and peer.data.home == address:
                self.hub.drop(peer)
                self._lose(peer, why)

    def _lose(self, peer: Peer, why: str) -> None:
        if self.links.get(peer.data.address) is peer:
            del self.links[peer.data.address]
        asked = [n for n, (other, _) in self._asked.items() if other is peer]
        for number in asked:
            self._asked.pop(number)[1](GONE)
        for left in self.left:
            left(peer, why)

    def _run_timers(self) -> None:
        now = machine.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
