"""A connection that sends and receives messages, and blocks.

It is for code that waits for one thing: a reduce task that fetches, a worker
that dials in. Code that waits for many things uses `hub.py`.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from minimr.net.codec import Buffer, decode, encode, size_of
from minimr.net.frames import (
    MAX_FRAME_BYTES,
    FrameReader,
    Parts,
    records,
)
from minimr.net.handshake import Handshake, HandshakeError
from minimr.net.seal import Seal
from minimr.system import machine

CONNECT_TIMEOUT_S = 5.0
MAX_VECTORS = 512  # buffers in one sendmsg; the system allows 1,024
# A machine that is cut off sends nothing. TCP would wait for a quarter of an
# hour, or for ever if there is nothing to send.
SILENCE_S = 25
PROBES = 3  # of an idle connection, at the end of that time

Address = tuple[str, int]


class Channel:
    """One authenticated connection, used by one thread.

    Made by `connect`. `receive` raises `TimeoutError` when `timeout_s` has
    passed and `ConnectionError` when the other end is gone.
    """

    def __init__(
        self,
        sock: socket.socket,
        handshake: Handshake,
        max_frame_bytes: int = MAX_FRAME_BYTES,
    ) -> None:
        self.sock = sock
        self.seal = handshake.sealing()
        self.reader = FrameReader(handshake.checking(), max_frame_bytes)
        self.max_frame_bytes = max_frame_bytes
        # Frames that `receive` has not returned yet.
        self.waiting: list[Parts] = self.reader.feed(handshake.rest)

    def send(self, message: Any) -> None:
        """Send a message. Blocks: until the system has taken all of it."""
        buffers = vectors(encode(message), self.max_frame_bytes, self.seal)
        self.sock.settimeout(None)  # half a frame would break the stream
        while buffers:
            sent = self.sock.sendmsg(buffers[:MAX_VECTORS])
            buffers = remaining(buffers, sent)

    def receive(self, timeout_s: float | None = None) -> Any:
        """Return the next message. Blocks: until it is here in full."""
        self.sock.settimeout(timeout_s)
        while not self.waiting:
            size = self.sock.recv_into(self.reader.buffer())
            if size == 0:
                raise ConnectionResetError("the other end has closed")
            self.waiting += self.reader.advance(size)
        return decode(self.waiting.pop(0))

    def shut_down(self) -> None:
        """Make a `receive` that waits in another thread fail."""
        shut_down(self.sock)

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self.sock.close()


def connect(
    address: Address,
    token: bytes,
    wanted: Sequence[str],
    timeout_s: float = CONNECT_TIMEOUT_S,
    max_frame_bytes: int = MAX_FRAME_BYTES,
    dialled: Callable[[socket.socket], None] | None = None,
) -> Channel:
    """Dial and shake hands; return the connection.

    Blocks: until the other end has answered, at most `timeout_s` per step.

    Args:
        wanted: kinds of servers (`kinds.py`); any other is refused.
        dialled: gets the socket, so that another thread can shut it down.

    Raises:
        HandshakeError: the other end has another token or protocol, or is
            not what was wanted.
        ConnectionError: nobody answers there; the message names the address.
    """
    where = f"{address[0]}:{address[1]}"
    try:
        # The other end's system answers at once, however busy it is.
        wait = min(timeout_s, CONNECT_TIMEOUT_S)
        sock = machine.connect(address, wait)
    except (OSError, UnicodeError) as error:  # a name that cannot be one
        why = getattr(error, "strerror", "") or str(error) or "no answer"
        raise ConnectionError(f"nobody answers at {where}: {why}") from error
    try:
        sock.settimeout(timeout_s)
        if dialled is not None:
            dialled(sock)
        set_up(sock, sock.getpeername())
        handshake = Handshake(token, "client", wanted, sock)
        _shake_hands(sock, handshake)
    except HandshakeError as error:
        sock.close()
        raise HandshakeError(f"refused by {where}: {error}") from None
    except OSError as error:
        sock.close()
        why = error.strerror or "no answer in time"
        raise ConnectionError(f"no handshake with {where}: {why}") from error
    sock.settimeout(None)
    return Channel(sock, handshake, max_frame_bytes)


def shut_down(sock: socket.socket) -> None:
    """Make whatever waits for this socket in another thread fail."""
    with contextlib.suppress(OSError):  # gone already
        sock.shutdown(socket.SHUT_RDWR)


def set_up(sock: socket.socket, other: Address) -> None:
    """Make a connection send at once, and break if the other machine is gone.

    Another machine has `SILENCE_S` to acknowledge what we send, or a probe
    when nothing is sent: its system does that, however busy the process is.
    Within one machine no cable can be cut, and a process that is stopped may
    continue at any time.
    """
    tcp = socket.IPPROTO_TCP
    sock.setsockopt(tcp, socket.TCP_NODELAY, 1)
    own = sock.getsockname()[0]
    if own.startswith("127.") or own == other[0]:
        return
    apart = SILENCE_S // (PROBES + 2)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(tcp, socket.TCP_KEEPIDLE, SILENCE_S - PROBES * apart)
    sock.setsockopt(tcp, socket.TCP_KEEPINTVL, apart)
    sock.setsockopt(tcp, socket.TCP_KEEPCNT, PROBES)
    sock.setsockopt(tcp, socket.TCP_USER_TIMEOUT, SILENCE_S * 1000)


def listen(address: Address) -> socket.socket:
    """Return a socket that listens; port 0: at any free port.

    Raises:
        OSError: the message names the address and the reason.
    """
    try:
        return machine.listen(address, backlog=128)
    except OSError as error:
        where = f"{address[0]}:{address[1]}"
        why = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            why = "the port is in use; port 0 takes any free one"
        raise OSError(
            error.errno, f"cannot listen at {where}: {why}"
        ) from error


def reachable(host: str) -> str:
    """Return the address under which others reach a listener on `host`.

    For a listener on all interfaces, it is the address of the one that leads
    out of this machine, or loopback if there is none.
    """
    if host not in ("", "0.0.0.0"):
        return host
    with machine.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # chooses a route, sends nothing
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


class AddressError(ValueError):
    """A text that is not HOST:PORT."""


def parse_address(text: str) -> Address:
    """Parse HOST:PORT. Raises: AddressError: the text is not that."""
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isascii() or not port.isdigit():
        raise AddressError(f"{text!r} is not HOST:PORT")
    if int(port) > 65535:
        raise AddressError(f"{text!r}: a port is at most 65535")
    return host.strip("[]"), int(port)


def vectors(
    parts: list[Buffer], max_frame_bytes: int, seal: Seal | None
) -> list[memoryview]:
    """Return the buffers of a frame in the order to send, header first."""
    found = records(parts, max_frame_bytes, seal)
    return [memoryview(record) for record in found if size_of(record)]


def remaining(buffers: list[memoryview], sent: int) -> list[memoryview]:
    """Return what is left of the buffers after `sent` bytes."""
    left = iter(buffers)
    for buffer in left:
        if sent < buffer.nbytes:
            return list(_rest(buffer[sent:], left))
        sent -= buffer.nbytes
    return []


def _shake_hands(sock: socket.socket, handshake: Handshake) -> None:
    sock.sendall(handshake.start())
    while not handshake.done:
        data = sock.recv(4096)
        if not data:
            raise HandshakeError(
                "the server hung up: it has another token, is no minimr "
                "server, or has just ended"
            )
        sock.sendall(handshake.receive(data))


def _rest(
    first: memoryview, others: Iterator[memoryview]
) -> Iterator[memoryview]:
    yield first
    yield from others
