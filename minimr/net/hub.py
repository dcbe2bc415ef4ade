"""Many connections, one thread, which waits for all of them at once.

    listener ──┐                       ┌──> Joined(peer)
    peers    ──┼──> poll(timeout_s) ───┼──> Received(peer, message)
    post()   ──┘                       ├──> Left(peer, why)
    (from other threads)               └──> Posted(message)

Rules:

1. The thread that waits is the thread that reads. Only `post`, `wake`, and a
   peer's `post` and `flush` may be called from other threads.
2. A peer has joined when its handshake is done, and nothing that it sends is
   unpickled before. Garbage or silence on the port costs a connection, and
   never the hub.
3. Sending never blocks: what the socket does not take waits in the peer's
   queue, and goes out during `poll`.
4. `Peer.send` sends one message in one frame. `Peer.post` collects: all
   messages posted until the next `flush` leave in one frame, as a list. For
   each peer only one of the two is used.

Ray hides this in its gRPC servers and event loops.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from minimr.net.channel import Address, Channel, listen, set_up
from minimr.net.codec import decode
from minimr.net.events import Event, Joined, Left, Posted, Received
from minimr.net.frames import (
    MAX_FRAME_BYTES,
    FrameError,
    FrameReader,
    Parts,
)
from minimr.net.handshake import Handshake, HandshakeError
from minimr.net.peer import Peer
from minimr.net.seal import SealError
from minimr.system import machine

HANDSHAKE_TIMEOUT_S = 5.0
REST_S = 0.1  # before accepting again, after there was no descriptor left
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

log = logging.getLogger(__name__)


class Hub:
    """Accepts connections, and waits for all of them at once."""

    def __init__(
        self,
        token: bytes,
        kind: str,
        address: Address = ("127.0.0.1", 0),
        max_frame_bytes: int = MAX_FRAME_BYTES,
        listener: socket.socket | None = None,  # instead of the address
    ) -> None:
        self.kind = kind  # one of `kinds.py`; clients are told
        self.max_frame_bytes = max_frame_bytes
        self._token = token
        self._listener = listener or listen(address)
        self._listener.setblocking(False)
        self.address: Address = self._listener.getsockname()[:2]
        self._accept_again: float | None = None  # when; None: we accept
        self._told = False  # the log has a warning of no room
        self._no_socket = machine.socket()  # of peers that cannot be dialled
        self._no_socket.close()
        self._wake_out, self._wake_in = machine.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self.selector = machine.selector()
        self.selector.register(self._listener, selectors.EVENT_READ)
        self.selector.register(self._wake_in, selectors.EVENT_READ)
        self._strangers: dict[Peer, None] = {}  # handshake not done
        self._peers: dict[Peer, None] = {}
        self._posted: deque[Any] = deque()  # appended by other threads
        self._events: list[Event] = []
        self._wake_asked = False  # set by any thread, cleared by the poller
        self._woken = False
        self._watched: dict[int, Peer] = {}  # {fd: peer with a full socket}
        self._files: dict[int, Callable[[], None]] = {}
        self.dirty: dict[Peer, None] = {}  # they have posted messages

    def post(self, message: Any) -> None:
        """Hand a message to the polling thread. Runs in: any thread."""
        self._posted.append(message)
        self._ring()

    def wake(self) -> None:
        """Make `poll` return, without an event. Runs in: any thread."""
        if not self._wake_asked:
            self._wake_asked = True
            self._ring()

    def _ring(self) -> None:
        # Full: the poller has not read the earlier wake-ups and will come.
        # Closed: nobody will.
        with contextlib.suppress(OSError):
            self._wake_out.send(b"\0")

    def adopt(self, channel: Channel) -> Peer:
        """Return the peer of a connection that we have dialled."""
        channel.sock.setblocking(False)
        address = channel.sock.getpeername()
        peer = self._peer(channel.sock, address, dialled=True)
        peer.seal, peer.reader = channel.seal, channel.reader
        self._peers[peer] = None
        self.selector.register(peer.sock, selectors.EVENT_READ, peer)
        self._take(peer, channel.waiting)
        return peer

    def dial(self, address: Address, wanted: Sequence[str]) -> Peer:
        """Dial another hub; return the peer. `Joined` or `Left` comes later.

        Blocks: no. Messages that are posted wait for the handshake.
        """
        try:
            sock = machine.socket(socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:  # no descriptor is left
            peer = self._peer(self._no_socket, address, dialled=True)
            peer.closed = True
            self._events.append(Left(peer, str(error)))
            self.wake()
            return peer
        sock.setblocking(False)
        sock.connect_ex(address)  # a failure shows when it is read
        set_up(sock, address)
        peer = self._peer(sock, address, dialled=True)
        peer.handshake = Handshake(self._token, "client", wanted, sock)
        peer.deadline = machine.monotonic() + HANDSHAKE_TIMEOUT_S
        hello = peer.handshake.start()  # first: who reads may close it
        self._strangers[peer] = None
        self.selector.register(sock, selectors.EVENT_READ, peer)
        peer.send_raw(hello)
        return peer

    def _peer(
        self, sock: socket.socket, address: Address, dialled: bool
    ) -> Peer:
        limit = self.max_frame_bytes
        return Peer(sock, address, dialled, self.dirty, self._watch, limit)

    def flush(self) -> None:
        """Send what was posted to all peers. Runs in: any thread."""
        while self.dirty:
            try:
                peer, _ = self.dirty.popitem()
            except KeyError:  # another thread took the last one
                return
            peer.flush()

    def poll(self, timeout_s: float | None) -> list[Event]:
        """Return events. Blocks: until there is one, or time is up."""
        until = None if timeout_s is None else machine.monotonic() + timeout_s
        self._woken = False
        while not self._events and not self._woken:
            for key, mask in self.selector.select(self._patience(until)):
                if key.data is None:
                    if key.fileobj is self._listener:
                        self._accept()
                    else:
                        self._read_wakes()
                    continue
                if not isinstance(key.data, Peer):
                    self.call_file(key.fd)
                    self._woken = True  # what it has led to goes on at once
                    continue
                if mask & selectors.EVENT_WRITE:
                    key.data.flush()
                if mask & selectors.EVENT_READ and not key.data.closed:
                    self._read(key.data)
            self._keep_time()
            if until is not None and machine.monotonic() >= until:
                break
        events, self._events = self._events, []
        return events

    def watch_file(self, descriptor: int, call: Callable[[], None]) -> None:
        """Call a function in `poll` whenever a file can be read."""
        self._files[descriptor] = call
        self.selector.register(descriptor, selectors.EVENT_READ, call)

    def unwatch_file(self, descriptor: int) -> None:
        """Stop watching a file. To be called before it is closed."""
        if self._files.pop(descriptor, None) is not None:
            self.selector.unregister(descriptor)

    def call_file(self, descriptor: int) -> None:
        """Call the function of a file, if it is still watched."""
        call = self._files.get(descriptor)
        if call is not None:
            call()

    def peers(self) -> list[Peer]:
        """Return the connections, those still shaking hands included."""
        return [*self._peers, *self._strangers]

    def drop(self, peer: Peer) -> None:
        """Close a connection; no event follows. May be called twice."""
        if peer.closed:
            return
        with peer.sending:  # or who sends would watch a socket that is closed
            peer.closed = True
            self._watched.pop(peer.sock.fileno(), None)
            self.selector.unregister(peer.sock)
            self._peers.pop(peer, None)
            self._strangers.pop(peer, None)
            peer.sock.close()

    def close(self) -> None:
        """Close every connection and the port. May be called twice."""
        for peer in self.peers():
            self.drop(peer)
        self.selector.close()
        for sock in (self._listener, self._wake_in, self._wake_out):
            sock.close()

    def abandon(self) -> None:
        """Close all descriptors, unnoticed by others. Runs in: a fork.

        The parent's connections stay, and its selector as it is.
        """
        self.selector.close()
        for peer in self.peers():
            peer.closed = True
            peer.sock.close()
        for sock in (self._listener, self._wake_in, self._wake_out):
            sock.close()

    def _watch(self, peer: Peer, writing: bool) -> None:
        """Note whether a peer has something waiting to go out."""
        descriptor = peer.sock.fileno()
        if writing == (descriptor in self._watched):
            return
        events = selectors.EVENT_READ
        if writing:
            self._watched[descriptor] = peer
            events |= selectors.EVENT_WRITE
        else:
            del self._watched[descriptor]
        self.selector.modify(peer.sock, events, peer)

    def _read_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_in.recv(4096)
        if self._wake_asked:
            self._wake_asked, self._woken = False, True
        while self._posted:
            self._events.append(Posted(self._posted.popleft()))

    def _accept(self) -> None:
        try:
            connection, address = self._listener.accept()
        except OSError as error:
            if error.errno in NO_ROOM:
                self._rest(str(error))
            return  # else: it is gone again
        self._told = False
        try:
            connection.setblocking(False)
            set_up(connection, address)
            peer = self._peer(connection, address, dialled=False)
        except OSError as error:  # reset while it waited to be accepted
            log.info("a connection was refused: %s", error.strerror)
            connection.close()
            return
        peer.handshake = Handshake(
            self._token, "server", [self.kind], connection
        )
        peer.deadline = machine.monotonic() + HANDSHAKE_TIMEOUT_S
        self._strangers[peer] = None
        self.selector.register(connection, selectors.EVENT_READ, peer)

    def _rest(self, why: str) -> None:
        """Stop accepting for a moment: the selector would not wait."""
        if not self._told:
            self._told = True
            log.warning(
                "cannot accept connections: %s. They wait until this process "
                "has closed others (`ulimit -n` is how many it may have)",
                why,
            )
        self.selector.unregister(self._listener)
        self._accept_again = machine.monotonic() + REST_S

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
        except (HandshakeError, FrameError, SealError) as error:
            self._lose(peer, str(error), logging.WARNING)
        except OSError as error:
            self._lose(peer, error.strerror or str(error))

    def _shake_hands(self, peer: Peer, data: bytes) -> None:
        assert peer.handshake is not None
        if not data:
            raise ConnectionResetError("it hung up during the handshake")
        peer.send_raw(peer.handshake.receive(data))
        if peer.handshake.done:
            done = peer.handshake
            peer.seal = done.sealing()
            peer.reader = FrameReader(done.checking(), self.max_frame_bytes)
            peer.handshake = None  # last: now other threads may seal
            self._strangers.pop(peer, None)
            self._peers[peer] = None
            self._events.append(Joined(peer))
            peer.flush()
            self._take(peer, peer.reader.feed(done.rest))

    def _take(self, peer: Peer, frames: list[Parts]) -> None:
        for parts in frames:
            try:
                message = decode(parts)
            except Exception as error:  # whatever another process sent
                raise FrameError(f"it sent no message: {error}") from error
            self._events.append(Received(peer, message))

    def _lose(self, peer: Peer, why: str, level: int = logging.INFO) -> None:
        if peer in self._peers or peer.dialled:
            self._events.append(Left(peer, why))
        else:  # who dials and dies at once is no reason for alarm
            log.log(level, "refused a connection of %s: %s", peer.name, why)
        self.drop(peer)

    def _keep_time(self) -> None:
        """Refuse handshakes that are late, once their sockets were read."""
        if not self._strangers and self._accept_again is None:
            return
        now = machine.monotonic()
        for peer in [p for p in self._strangers if p.deadline <= now]:
            self._lose(peer, "no handshake in time", logging.WARNING)
        if self._accept_again is not None and self._accept_again <= now:
            self._accept_again = None
            self.selector.register(self._listener, selectors.EVENT_READ)

    def _patience(self, until: float | None) -> float | None:
        ends = [peer.deadline for peer in self._strangers]
        if until is not None:
            ends.append(until)
        if self._accept_again is not None:
            ends.append(self._accept_again)
        return max(0.0, min(ends) - machine.monotonic()) if ends else None
