"""Connections between simulated processes, and the links below them.

    Stream (one end) ── line: what is under way, in order ──> its twin
       send: as much as there is room for    arrive: bytes, an end, an answer

Rules:

1. Bytes of one connection arrive in order, each after a delay of its own,
   drawn from the seed, and not always as many at a time as were sent.
2. A link that is cut loses nothing: TCP sends again until it is mended, or
   until `TCP_USER_TIMEOUT` ends the connection. One direction may be cut
   alone.
3. What one end has sent and the other has not read takes room; without
   room a sender waits.
4. An end that is closed with bytes unread, or that gets more of them,
   resets the connection, as Linux does.
5. How many draws a run takes does not depend on how long its messages are,
   for those name folders: a seed is the same run wherever we are installed.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, Protocol
from zlib import crc32

from minimr.net.channel import Address
from minimr.simulation.world import Gathering, Home, World

# Of bytes under way on a connection, one way, at first. Whenever it was too
# small it doubles, as a window of TCP grows.
ROOM_BITS = (13, 18)
MOST_BYTES = 2**20
NEAR_S = (20e-6, 200e-6)  # within a machine
FAR_S = (200e-6, 5e-3)  # between two
BUSY = 0.03  # how often the machine has something else to do first, and
BUSY_S = (1e-3, 30e-3)  # for how long
IN_TWO = 0.1  # how often what was sent arrives in two pieces
IN_PART = 0.03  # how often there is room for a part of it only


class Watcher(Protocol):
    """A selector."""

    def look_at(self, descriptor: int) -> None:
        """Find out whether a file is ready now."""


class File:
    """What a descriptor stands for: it is ready, or it will be.

    Attributes:
        changed: who waits for it.
        watchers: {a selector that waits for it: its descriptor there}.
        users: descriptors that stand for it.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.changed = Gathering()
        self.watchers: dict[Watcher, int] = {}
        self.users = 0

    def readable(self) -> bool:
        """Return whether a read would not wait."""
        return False

    def writable(self) -> bool:
        """Return whether a write would not wait."""
        return False

    def shut(self) -> None:
        """Close it: no descriptor stands for it any more."""

    def news(self) -> None:
        """Let all look at it that wait for it."""
        if self.changed:
            self.world.wake(self.changed)
        for watcher, descriptor in self.watchers.items():
            watcher.look_at(descriptor)


class Stream(File):
    """One end of a connection.

    Attributes:
        own, other: the addresses of this end and of the other.
        host, other_host: the machines.
        error: that ended it, as a number of `errno`.
        silence_s: TCP_USER_TIMEOUT; 0: none.
    """

    def __init__(
        self, network: Network, process: Home, other_host: str
    ) -> None:
        super().__init__(network.world)
        self.network = network
        self.process = process
        self.host, self.other_host = process.host, other_host
        self.own: Address = ("", 0)
        self.other: Address = ("", 0)
        self.twin: Stream | None = None
        self.dialled = False  # this end has called
        self.connected = False
        self.closed = False
        self.error = 0
        self.silence_s = 0.0
        self._inbox = bytearray()
        self._finished = False  # the other end sends nothing more
        self._no_more = False  # nor do we
        self._room = int(2 ** self.world.random.uniform(*ROOM_BITS))
        self._full = False  # until the other end has read something
        self._unread = 0  # bytes, of what we have sent
        self._line: deque[Callable[[], None]] = deque()
        self._held = 0  # of the line: it would have arrived
        self._last = 0.0  # when the last of the line arrives

    def readable(self) -> bool:
        """Return whether a read would not wait."""
        return bool(self._inbox or self._finished or self.error or self.closed)

    def writable(self) -> bool:
        """Return whether a write would not wait."""
        if self.connected and not self._full and self._unread < self._room:
            return True
        return bool(self._no_more or self.error or self.closed)

    def send(self, data: bytes) -> int:
        """Send what there is room for.

        Raises:
            OSError: the connection has ended.
        """
        if self.closed:
            raise _error(errno.EBADF)
        if self.error:
            raise _error(self.error)
        if self._no_more:
            raise _error(errno.EPIPE)
        if not data or not self.writable():
            return 0
        chance, room = self.world.random.random, self._room - self._unread
        if chance() < IN_PART:
            self._full = True
            data = data[: _part(len(data), chance())]
        elif room < len(data):
            self._room = min(2 * self._room, MOST_BYTES)
            data = data[:room]
        self._unread += len(data)
        cut = _part(len(data), chance()) if chance() < IN_TWO else len(data)
        for piece in (data[:cut], data[cut:]):
            if piece:
                self.carry(partial(self._bring, piece))
        return len(data)

    def take(self, size: int) -> bytes:
        """Take up to so many bytes that have arrived; b"": it has ended.

        Raises:
            OSError: the connection has been broken off.
        """
        if self.closed:
            raise _error(errno.EBADF)
        data = bytes(self._inbox[:size])
        if not data and self.error:
            code, self.error = self.error, errno.EPIPE
            self._finished = self._no_more = True
            if code != errno.EPIPE:
                raise _error(code)
        del self._inbox[:size]
        if self.twin is not None and data:
            was_full = not self.twin.writable()
            self.twin._unread -= len(data)
            self.twin._full = False
            if was_full:
                self.twin.news()
        return data

    def carry(self, call: Callable[[], None]) -> None:
        """Have something happen at the other end, after all before it."""
        self._line.append(call)
        self._go()

    def _go(self) -> None:
        """Have one more of the line arrive, after all before it."""
        world, arrives = self.world, self.network.delay(self)
        arrives += world.now
        if arrives > self._last:
            self._last = arrives
        world.at(self._last, self._arrive)

    def hold(self, seconds: float) -> None:
        """Let what is sent from now on arrive later."""
        self._last = max(self._last, self.world.now) + seconds

    def finish(self) -> None:
        """Send nothing more; the other end reads to the end."""
        if not self._no_more:
            self._no_more = True
            self.carry(self._bring_end)

    def shut_down(self) -> None:
        """Neither read nor send any more."""
        self.finish()
        self._finished = True
        self._inbox.clear()
        self.news()

    def shut(self) -> None:
        """Close this end."""
        if self.closed:
            return
        self.closed = True
        self.network.streams.pop(self, None)
        if self._inbox:
            self.carry(self._bring_reset)
        else:
            self.finish()
        self.news()

    def fail(self, code: int) -> None:
        """Let this end find the connection broken."""
        if not self.closed:
            self.error = self.error or code
            self.news()

    def go_on(self) -> None:
        """Let arrive what has been held up."""
        held, self._held = self._held, 0
        for _ in range(held):
            self._go()

    def _arrive(self) -> None:
        network = self.network
        if network.cuts and (self.host, self.other_host) in network.cuts:
            self._held += 1
            network.held[self] = None
        elif network.holds is not None and network.holds(self):
            self._held += 1
        else:
            self._line.popleft()()

    def _bring(self, data: bytes) -> None:
        twin = self.twin
        if twin is None or twin.error:
            return
        if twin.closed or twin._finished:
            twin.carry(twin._bring_reset)
            return
        self.network.tell(self, twin, data)
        twin._inbox += data
        twin.news()

    def _bring_end(self) -> None:
        if self.twin is not None:
            self.twin._finished = True
            self.twin.news()

    def _bring_reset(self) -> None:
        if self.twin is not None:
            self.twin.fail(errno.ECONNRESET)


class Pair(File):
    """One end of a `socketpair`: what is written is there at once."""

    ROOM_BYTES = 2**13

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.inbox = bytearray()
        self.twin: Pair | None = None  # None: it is closed

    def readable(self) -> bool:
        """Return whether a read would not wait."""
        return bool(self.inbox) or self.twin is None

    def writable(self) -> bool:
        """Return whether a write would not wait."""
        return self.twin is None or len(self.twin.inbox) < self.ROOM_BYTES

    def send(self, data: bytes) -> int:
        """Send what there is room for."""
        if self.twin is None:
            raise _error(errno.EPIPE)
        data = data[: self.ROOM_BYTES - len(self.twin.inbox)]
        self.twin.inbox += data
        self.twin.news()
        return len(data)

    def take(self, size: int) -> bytes:
        """Take up to so many bytes; b"": the other end is closed."""
        was_full = len(self.inbox) >= self.ROOM_BYTES
        data = bytes(self.inbox[:size])
        del self.inbox[:size]
        if self.twin is not None and was_full:
            self.twin.news()
        return data

    def shut(self) -> None:
        """Close this end."""
        if self.twin is not None:
            self.twin.twin = None
            self.twin.news()


class Listener(File):
    """A port where connections come in."""

    def __init__(
        self, network: Network, address: Address, process: Home
    ) -> None:
        super().__init__(network.world)
        self.network, self.address = network, address
        self.process, self.host = process, process.host
        self.backlog: deque[Stream] = deque()

    def readable(self) -> bool:
        """Return whether somebody has connected."""
        return bool(self.backlog)

    def shut(self) -> None:
        """Close the port; who waited there is refused."""
        self.network.ports.pop((self.host, self.address[1]), None)
        while self.backlog:
            stream = self.backlog.popleft()
            stream.carry(stream._bring_reset)
            stream.shut()


class Network:
    """All links, and all connections over them.

    Attributes:
        streams: the ends of connections that are not closed.
        ports: {(host, port): who listens there}.
        slow: {host: how many times its delays are the usual ones}.
        cuts: {(from a machine, to another): since when nothing gets there}.
        held: ends of connections that a cut holds up.
        tap: reads what arrives, for people.
        holds: tells of an end whether what it has sent has to wait.
        broken: whether a link has been cut, or a connection broken.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.streams: dict[Stream, None] = {}
        self.ports: dict[tuple[str, int], Listener] = {}
        self.slow: dict[str, float] = {}
        self.held: dict[Stream, None] = {}
        self.tap: Callable[[Stream, bytes], dict[str, Any]] | None = None
        self.holds: Callable[[Stream], bool] | None = None
        self.broken = False
        self.cuts: dict[tuple[str, str], float] = {}
        self._numbers = count(20_000)

    def port(self) -> int:
        """Return a port that nobody has had yet."""
        return next(self._numbers)

    def listen(self, process: Home, address: Address) -> Listener:
        """Listen at a port of a machine.

        Raises:
            OSError: the port is in use.
        """
        address = (address[0], address[1] or self.port())
        if (process.host, address[1]) in self.ports:
            raise _error(errno.EADDRINUSE)
        listener = Listener(self, address, process)
        self.ports[process.host, address[1]] = listener
        return listener

    def dial(self, process: Home, address: Address) -> Stream:
        """Begin to connect; the stream changes when there is an answer."""
        place = address[0]
        local = place == "localhost" or place.startswith("127.")
        stream = Stream(self, process, process.host if local else place)
        stream.dialled, stream.other = True, address
        mine = "127.0.0.1" if local else process.host
        stream.own = (mine, self.port())
        self.streams[stream] = None
        stream.carry(partial(self._knock, stream, local))
        return stream

    def _knock(self, caller: Stream, local: bool) -> None:
        listener = self.ports.get((caller.other_host, caller.other[1]))
        if listener is not None:
            at = listener.address[0]
            everywhere = at in ("", "0.0.0.0")
            if not everywhere and local != at.startswith("127."):
                listener = None
        server = listener.process if listener is not None else caller.process
        stream = Stream(self, server, caller.host)
        stream.host = caller.other_host
        stream.own, stream.other = caller.other, caller.own
        if listener is None:
            stream.carry(partial(caller.fail, errno.ECONNREFUSED))
            return
        stream.twin, caller.twin = caller, stream
        stream.connected = True
        self.streams[stream] = None
        listener.backlog.append(stream)
        listener.news()
        stream.carry(partial(self._answer, caller))

    def _answer(self, caller: Stream) -> None:
        caller.connected = True
        caller.news()

    def delay(self, stream: Stream) -> float:
        """Draw how long something takes from one end to the other."""
        near = stream.host == stream.other_host
        chance = self.world.random.random  # `uniform` takes twice as long
        least, most = NEAR_S if near else FAR_S
        delay = least + (most - least) * chance()
        busy = 0.0
        if chance() < BUSY:
            busy = BUSY_S[0] + (BUSY_S[1] - BUSY_S[0]) * chance()
        if self.slow:
            ends = stream.host, stream.other_host
            delay *= max(self.slow.get(host, 1.0) for host in ends)
        return delay + busy

    def cut(self, host: str, other: str) -> None:
        """Let nothing through, in this direction."""
        self.cuts[host, other] = self.world.now
        self.broken = True
        for stream in list(self.streams):
            ends = (stream.host, stream.other_host)
            if ends in ((host, other), (other, host)) and stream.silence_s:
                end = partial(self._give_up, stream, host, other)
                self.world.later(stream.silence_s, end)

    def _give_up(self, stream: Stream, host: str, other: str) -> None:
        since = self.cuts.get((host, other))
        silent = since is not None and since + stream.silence_s
        if silent and silent <= self.world.now:
            stream.fail(errno.ETIMEDOUT)

    def mend(self, host: str, other: str) -> None:
        """Let everything through again."""
        del self.cuts[host, other]
        for stream in list(self.held):
            if (stream.host, stream.other_host) == (host, other):
                del self.held[stream]
                stream.go_on()

    def reset(self, stream: Stream) -> None:
        """Break a connection off, for both ends."""
        self.broken = True
        stream.fail(errno.ECONNRESET)
        if stream.twin is not None:
            stream.twin.fail(errno.ECONNRESET)

    def tell(self, sender: Stream, receiver: Stream, data: bytes) -> None:
        """Note bytes that have arrived."""
        world = self.world
        entry = world.note(
            "bytes",
            source=sender.process.name,
            target=receiver.process.name,
            size=len(data),
            check=crc32(data),
        )
        if self.tap is not None:
            world.trace[-1] = entry | self.tap(sender, data)


def _part(size: int, chance: float) -> int:
    """Return how many bytes a part of so many has: one at least."""
    return 1 + int(chance * (size - 1))


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))  # of the class that fits it
