"""The other end of one connection of a hub, and what waits to go there.

    post() ──> outbox ──flush()──┐ one frame, a list
    (any thread)                 ├──> queue ──> socket
    send() ──────────────────────┘ one frame, one message
    (the polling thread)

Rule: sending never blocks. What the socket does not take stays in the queue,
and the hub flushes it when the socket can be written to again. Who must know
that it was taken waits for that (`flush_all`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from minimr.net.channel import MAX_VECTORS, Address, remaining, vectors
from minimr.net.codec import encode
from minimr.net.frames import FrameReader
from minimr.net.handshake import Handshake
from minimr.net.messages import Message
from minimr.net.seal import Seal
from minimr.system import machine

MAX_BATCH = 256  # posted messages per frame
FULL_S = 0.001  # a socket that has no room is tried again so soon


class Peer:
    """The other end of one connection of a hub.

    Args:
        dirty: gets this peer when a message is posted, to be flushed.
        watch: called with whether something waits for the socket.

    Attributes:
        name: HOST:PORT, for messages.
        data: whatever the hub's user keeps about this peer.
        dialled: we have dialled, so a failure to connect is a `Left` event.
        seal, reader: of what goes out and comes in, once the handshake is
            done. Before, a peer costs no more than the handshake.
    """

    seal: Seal | None
    reader: FrameReader

    def __init__(
        self,
        sock: socket.socket,
        address: Address,
        dialled: bool,
        dirty: dict[Peer, None],
        watch: Callable[[Peer, bool], None],
        max_frame_bytes: int,
    ) -> None:
        self.sock = sock
        self.name = "{}:{}".format(*address[:2])
        self.host: str = address[0]
        self.dialled = dialled
        self.data: Any = None
        self.handshake: Handshake | None = None  # while it is not done
        self.deadline = 0.0  # of the handshake, on the monotonic clock
        self.closed = False
        self._dirty = dirty
        self._watch = watch
        self._max_frame_bytes = max_frame_bytes
        self._outbox: list[Any] = []  # posted, not yet encoded
        self._queue: list[memoryview] = []  # not yet taken by the socket
        self.sending = machine.lock()  # its holder empties the queue

    def send(self, message: Any) -> None:
        """Send a message, now or in the next `poll`. Blocks: no.

        To a peer that has left nothing is sent; its `Left` event comes.

        Raises:
            FrameError: the message is larger than a frame may be.
        """
        self._queue += self._vectors(message)
        self.flush()

    def post(self, message: Message) -> None:
        """Add a message to the next batch. Runs in: any thread."""
        self._outbox.append((type(message).__name__, *message))
        self._dirty[self] = None

    def posted(self) -> int:
        """Return the number of messages that wait for `flush`."""
        return len(self._outbox)

    def send_raw(self, data: bytes) -> None:
        """Send bytes outside of any frame: the handshake."""
        self._queue.append(memoryview(data))
        self.flush()

    def flush(self) -> None:
        """Pass all to the socket, as far as it takes it. Blocks: no.

        Runs in: any thread. Of two threads at once, one sends for both.
        """
        while self.sending.acquire(blocking=False):
            try:
                full = self._drain()
            finally:
                self.sending.release()
            # Posted by another thread that found the lock taken?
            if full or not self._outbox or self.handshake is not None:
                return

    def flush_all(self) -> None:
        """Pass all to the socket. Blocks: until it has taken it, or is closed.

        Runs in: any thread, once the handshake is done.
        """
        while True:
            with self.sending:
                full = self._drain()
            if full:
                machine.sleep(FULL_S)
            elif not self._outbox:  # or posted while we held the lock
                return

    def _drain(self) -> bool:
        if self.closed:
            self._queue, self._outbox = [], []
            return False
        try:
            while self._queue or self._encode_batch():
                sent = self.sock.sendmsg(self._queue[:MAX_VECTORS])
                if sent == sum(part.nbytes for part in self._queue):
                    self._queue = []
                else:
                    self._queue = remaining(self._queue, sent)
        except BlockingIOError:
            pass
        except OSError:  # reading will show that it is gone
            self._queue = []
        self._watch(self, bool(self._queue))
        return bool(self._queue)

    def _encode_batch(self) -> bool:
        if not self._outbox or self.handshake is not None:
            return False
        batch = self._outbox[:MAX_BATCH]
        del self._outbox[: len(batch)]
        self._queue = self._vectors(batch)
        return True

    def _vectors(self, message: Any) -> list[memoryview]:
        parts = encode(message)
        return vectors(parts, self._max_frame_bytes, self.seal)
