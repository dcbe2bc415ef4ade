"""The connections of a client to all servers, a set for each thread.

    ask([request 0, ..., request K-1]) ──> [answer 0, ..., answer K-1]
         all are sent first, then replies are read as they come

Rules:

1. A connection that breaks is dialled again, and what was not answered is
   sent again: the driver keeps the port of a server that has died, and the
   server that replaces it answers.
2. All servers are waited for at once: one that was replaced must hear
   from us again, even while another one makes us wait.
3. A connection that is closed in order says goodbye; its workers live on.
   When the process ends it says nothing, and its workers are dead.
4. While one thread waits for its turn to read, another may push.
"""

from __future__ import annotations

import contextlib
import selectors
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minimr.interface.parameter_server import ParameterServerError
from minimr.net.channel import Address, Channel, connect
from minimr.net.handshake import HandshakeError
from minimr.net.token import load_token
from minimr.sockets.servers.messages import Done, Failed, Goodbye
from minimr.system import machine

HANDSHAKE_TIMEOUT_S = 30.0  # a server that is being replaced takes a while
SILENCE_TIMEOUT_S = 60.0  # of a server that has something to answer
MAX_TRIES = 5  # of one request, each with a new connection


class Connections:
    """What a client needs to ask the servers. Runs in: any thread.

    Pickled, it dials for itself where it arrives.
    """

    def __init__(
        self, addresses: Sequence[Address], max_frame_bytes: int
    ) -> None:
        self.addresses = list(addresses)
        self._max_frame_bytes = max_frame_bytes
        self._local = machine.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return Connections, (self.addresses, self._max_frame_bytes)

    def ask(self, requests: Iterable[Any], timeout_s: float) -> list[Any]:
        """Send a request to each server; return their answers in order.

        Blocks: until all have answered; a worker may have to wait for
        others for `timeout_s`.

        Raises:
            ParameterServerError: a server says no, or is gone.
            HandshakeError: a server has another token.
        """
        links = getattr(self._local, "links", None)
        if links is None or links.pid != machine.pid():
            links = Links(self.addresses, self._max_frame_bytes)
            self._local.links = links
        patience_s = timeout_s + SILENCE_TIMEOUT_S
        replies = links.ask(list(requests), patience_s)
        return [r.answer if isinstance(r, Done) else r for r in replies]

    def close(self) -> None:
        """Say goodbye, for this thread. May be called twice."""
        links = getattr(self._local, "links", None)
        if links is not None:
            links.close()


class Links:
    """One connection to each server, used by one thread.

    Args:
        addresses: of the servers.
        max_frame_bytes: what a message may hold.

    Attributes:
        pid: of the process that may use them; a fork shares sockets.
    """

    def __init__(
        self, addresses: Sequence[Address], max_frame_bytes: int
    ) -> None:
        self.pid = machine.pid()
        self._addresses = list(addresses)
        self._max_frame_bytes = max_frame_bytes
        self._channels: list[Channel | None] = [None] * len(addresses)
        self._finalize = weakref.finalize(
            self, _say_goodbye, self._channels, self.pid
        )
        self._finalize.atexit = False

    def ask(self, requests: Sequence[Any], patience_s: float) -> list[Any]:
        """Send a request to each server; return their replies in order.

        Args:
            requests: one for each server.
            patience_s: how long a server may be silent.
        """
        try:
            for number, request in enumerate(requests):
                self._send(number, request)
            replies = self._collect(requests, patience_s)
        except BaseException:  # replies may be on their way: not to us
            self._drop()
            raise
        for reply in replies:
            if isinstance(reply, Failed):
                raise ParameterServerError(reply.why)
        return replies

    def close(self) -> None:
        """Say goodbye. May be called twice."""
        self._finalize()

    def _send(self, number: int, request: Any) -> None:
        for _ in range(MAX_TRIES):
            channel = self._channels[number] or self._dial(number)
            try:
                channel.send(request)
                return
            except ConnectionError:
                self._hang_up(number)
        raise self._gone(number, "it ends every connection")

    def _collect(
        self, requests: Sequence[Any], patience_s: float
    ) -> list[Any]:
        replies: list[Any] = [None] * len(requests)
        waiting = set(range(len(requests)))
        tries = 0
        while waiting:
            for number in self._readable(waiting, patience_s):
                channel = self._channels[number]
                assert channel is not None
                try:
                    replies[number] = channel.receive(patience_s)
                    waiting.discard(number)
                except TimeoutError:
                    raise self._gone(number, "it is silent") from None
                except ConnectionError as error:
                    self._hang_up(number)
                    tries += 1
                    if tries > MAX_TRIES:
                        raise self._gone(number, str(error)) from error
                    self._send(number, requests[number])
        return replies

    def _readable(self, waiting: set[int], patience_s: float) -> list[int]:
        if len(waiting) == 1:
            return list(waiting)  # `receive` waits
        with machine.selector() as selector:
            for number in waiting:
                channel = self._channels[number]
                assert channel is not None
                selector.register(
                    channel.sock, selectors.EVENT_READ, data=number
                )
            found = [key.data for key, _ in selector.select(patience_s)]
        if not found:
            raise self._gone(min(waiting), "it is silent")
        return found

    def _dial(self, number: int) -> Channel:
        address, token = self._addresses[number], load_token()
        for attempt in range(MAX_TRIES):
            try:
                channel = connect(
                    address,
                    token,
                    ["weights"],
                    HANDSHAKE_TIMEOUT_S,
                    self._max_frame_bytes,
                )
            except ConnectionError as error:
                refused = isinstance(error, HandshakeError)
                broken = isinstance(error.__cause__, ConnectionResetError)
                if not refused and not broken:
                    raise self._gone(number, str(error)) from error
                if attempt + 1 == MAX_TRIES:  # else it died in the middle
                    raise
            else:
                channel.reader.allocate = allocate
                self._channels[number] = channel
                return channel
        raise AssertionError("unreachable")

    def _gone(self, number: int, why: str) -> ParameterServerError:
        where = "{}:{}".format(*self._addresses[number])
        return ParameterServerError(f"server {number} at {where}: {why}")

    def _hang_up(self, number: int) -> None:
        channel = self._channels[number]
        if channel is not None:
            channel.close()
        self._channels[number] = None

    def _drop(self) -> None:
        for number in range(len(self._channels)):
            self._hang_up(number)


def allocate(size: int) -> memoryview:
    """Return memory for an array that is about to come, not cleared."""
    return np.empty(size, np.uint8).data


def _say_goodbye(channels: list[Channel | None], pid: int) -> None:
    for number, channel in enumerate(channels):
        if channel is not None:
            if pid == machine.pid():  # else it is the parent's connection
                with contextlib.suppress(OSError):
                    channel.send(Goodbye())
            channel.close()
        channels[number] = None
