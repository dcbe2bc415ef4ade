"""Many connections, one thread: whoever waits for more than one thing.

    listener ──┐                       ┌──> Joined(peer)
    peers    ──┼──> poll(timeout_s) ───┼──> Received(peer, message)
    post()   ──┘                       ├──> Left(peer, why)
    (from other threads)               └──> Posted(message)

Rules:

1. The thread that waits is the thread that reads: only `post` may be
   called from another one, and nothing is locked.
2. A peer counts as joined when its handshake is done, and only then is
   anything that it sends unpickled. Garbage and silence on the port cost
   a connection, never the hub.
3. `send` never blocks: what the socket does not take waits in the peer's
   queue, and goes out during `poll`.

Ray hides this in its gRPC servers and event loops.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import time
from collections import deque
from typing import Any, NamedTuple

from minimr.net.channel import (
    MAX_VECTORS,
    Address,
    Channel,
    listen,
    remaining,
    vectors,
)
from minimr.net.codec import decode, encode
from minimr.net.frames import MAX_FRAME_BYTES, FrameError, FrameReader
from minimr.net.handshake import Handshake, HandshakeError

HANDSHAKE_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


class Peer:
    """The other end of one connection of a hub.

    Attributes:
        name: HOST:PORT, for messages.
        data: whatever the hub's user keeps of this peer.
    """

    def __init__(self, hub: Hub, sock: socket.socket) -> None:
        self.sock = sock
        self.name = "{}:{}".format(*sock.getpeername()[:2])
        self.host: str = sock.getpeername()[0]
        self.data: Any = None
        self.reader = FrameReader(hub.max_frame_bytes)
        self.handshake: Handshake | None = None  # while it is not done
        self.deadline = 0.0  # of the handshake, on the monotonic clock
        self.closed = False
        self._hub = hub
        self._queue: list[memoryview] = []  # not yet taken by the socket

    def send(self, message: Any) -> None:
        """Send a message, now or in the next `poll`. Blocks: no.

        To a peer that has left, nothing is sent; its `Left` event comes.

        Raises:
            FrameError: the message is larger than a frame may be.
        """
        self._queue += vectors(encode(message), self._hub.max_frame_bytes)
        self.flush()

    def send_raw(self, data: bytes) -> None:
        """Send bytes outside of any frame: the handshake."""
        self._queue.append(memoryview(data))
        self.flush()

    def flush(self) -> None:
        """Hand the queue to the socket as far as it takes it."""
        if self.closed:
            self._queue = []
            return
        try:
            while self._queue:
                sent = self.sock.sendmsg(self._queue[:MAX_VECTORS])
                self._queue = remaining(self._queue, sent)
        except BlockingIOError:
            pass
        except OSError:  # the reading side will tell that it is gone
            self._queue = []
        self._hub.watch(self, writing=bool(self._queue))


class Joined(NamedTuple):
    """A peer has proved that it belongs to the cluster."""

    peer: Peer


class Received(NamedTuple):
    """A peer has sent a message."""

    peer: Peer
    message: Any


class Left(NamedTuple):
    """A peer that had joined is gone."""

    peer: Peer
    why: str


class Posted(NamedTuple):
    """Another thread of this process has posted a message."""

    message: Any


Event = Joined | Received | Left | Posted


class Hub:
    """Accepts connections, and waits for all of them at once."""

    def __init__(
        self,
        token: bytes,
        address: Address = ("127.0.0.1", 0),
        max_frame_bytes: int = MAX_FRAME_BYTES,
    ) -> None:
        self.max_frame_bytes = max_frame_bytes
        self._token = token
        self._listener = listen(address)
        self._listener.setblocking(False)
        self.address: Address = self._listener.getsockname()[:2]
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._strangers: set[Peer] = set()  # handshake not done
        self._peers: set[Peer] = set()
        self._posted: deque[Any] = deque()  # appended by other threads
        self._events: list[Event] = []

    def post(self, message: Any) -> None:
        """Hand a message to the polling thread. Runs in: any thread."""
        self._posted.append(message)
        # Full: the poller has not read the earlier wake-ups and will come.
        # Closed: nobody will.
        with contextlib.suppress(OSError):
            self._wake_out.send(b"\0")

    def adopt(self, channel: Channel) -> Peer:
        """Take over a connection that we dialled."""
        channel.sock.setblocking(False)
        peer = Peer(self, channel.sock)
        peer.reader = channel.reader
        self._peers.add(peer)
        self._selector.register(peer.sock, selectors.EVENT_READ, peer)
        self._take(peer, channel.waiting)
        return peer

    def poll(self, timeout_s: float | None) -> list[Event]:
        """Wait for events. Blocks: until one is there or time is up."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._events:
            for key, mask in self._selector.select(self._patience(until)):
                if key.data is None:
                    self._accept_or_wake(key.fileobj)
                    continue
                if mask & selectors.EVENT_WRITE:
                    key.data.flush()
                if mask & selectors.EVENT_READ and not key.data.closed:
                    self._read(key.data)
            self._expire_strangers()
            if until is not None and time.monotonic() >= until:
                break
        events, self._events = self._events, []
        return events

    def drop(self, peer: Peer) -> None:
        """Close a connection; no event follows. May be called twice."""
        if not peer.closed:
            peer.closed = True
            self._selector.unregister(peer.sock)
            self._peers.discard(peer)
            self._strangers.discard(peer)
            peer.sock.close()

    def close(self) -> None:
        """Close every connection and the port. May be called twice."""
        for peer in [*self._peers, *self._strangers]:
            self.drop(peer)
        self._selector.close()
        for sock in (self._listener, self._wake_in, self._wake_out):
            sock.close()

    def watch(self, peer: Peer, writing: bool) -> None:
        """Say whether a peer has something waiting to go out."""
        events = selectors.EVENT_READ
        if writing:
            events |= selectors.EVENT_WRITE
        if self._selector.get_key(peer.sock).events != events:
            self._selector.modify(peer.sock, events, peer)

    def _accept_or_wake(self, sock: Any) -> None:
        if sock is self._wake_in:
            with contextlib.suppress(BlockingIOError):
                self._wake_in.recv(4096)
            while self._posted:
                self._events.append(Posted(self._posted.popleft()))
            return
        try:
            connection, _ = self._listener.accept()
        except OSError as error:  # gone again, or no descriptor left
            log.warning("cannot accept a connection: %s", error.strerror)
            return
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(self, connection)
        except OSError as error:  # reset while it waited to be accepted
            log.warning("a connection was refused: %s", error.strerror)
            connection.close()
            return
        peer.handshake = Handshake(self._token, "server")
        peer.deadline = time.monotonic() + HANDSHAKE_TIMEOUT_S
        self._strangers.add(peer)
        self._selector.register(connection, selectors.EVENT_READ, peer)

    def _read(self, peer: Peer) -> None:
        try:
            if peer.handshake is not None:
                self._shake_hands(peer, peer.sock.recv(4096))
                return
            size = peer.sock.recv_into(peer.reader.buffer())
            if size == 0:
                self._lose(peer, "it closed the connection")
                return
            self._take(peer, peer.reader.advance(size))
        except BlockingIOError:
            pass
        except (HandshakeError, FrameError) as error:
            self._lose(peer, str(error))
        except OSError as error:
            self._lose(peer, error.strerror or str(error))

    def _shake_hands(self, peer: Peer, data: bytes) -> None:
        assert peer.handshake is not None
        if not data:
            raise HandshakeError("it hung up during the handshake")
        peer.send_raw(peer.handshake.receive(data))
        if peer.handshake.done:
            rest, peer.handshake = peer.handshake.rest, None
            self._strangers.discard(peer)
            self._peers.add(peer)
            self._events.append(Joined(peer))
            self._take(peer, peer.reader.feed(rest))

    def _take(self, peer: Peer, frames: list[list[bytearray]]) -> None:
        for parts in frames:
            try:
                message = decode(parts)
            except Exception as error:  # whatever another process sent
                raise FrameError(f"it sent no message: {error}") from error
            self._events.append(Received(peer, message))

    def _lose(self, peer: Peer, why: str) -> None:
        if peer in self._peers:
            self._events.append(Left(peer, why))
        else:
            log.warning("a connection from %s was refused: %s", peer.name, why)
        self.drop(peer)

    def _expire_strangers(self) -> None:
        """Refuse who is late. What was waiting in its socket is read."""
        now = time.monotonic()
        for peer in [p for p in self._strangers if p.deadline <= now]:
            self._lose(peer, "no handshake in time")

    def _patience(self, until: float | None) -> float | None:
        ends = [peer.deadline for peer in self._strangers]
        if until is not None:
            ends.append(until)
        return max(0.0, min(ends) - time.monotonic()) if ends else None
