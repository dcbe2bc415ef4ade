"""Sockets and selectors, as `socket` and `selectors` have them.

    Socket ── descriptor ──> Stream, Listener or Pair (`network.py`)
    Selector ── descriptors ──> whatever is ready

A descriptor is a number of the whole world, so that a child has those that
it inherits under the same number.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections.abc import Iterable
from typing import Any

from minimr.net.channel import Address
from minimr.simulation.network import File, Listener, Network, Pair, Stream
from minimr.simulation.processes import Process
from minimr.simulation.world import Gathering

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
CONNECT_S = 127.0  # after that Linux gives up to dial


class Socket:
    """`socket.socket`, of TCP.

    Args:
        process: whose it is.
        file: what it stands for; None: not connected yet.
        descriptor: the number that stands for it already, if one does.
        kind: TCP, or datagrams, which nobody sends: `reachable` asks one.
    """

    def __init__(
        self,
        network: Network,
        process: Process,
        file: File | None = None,
        descriptor: int = -1,
        kind: int = socket.SOCK_STREAM,
    ) -> None:
        self._network = network
        self._world = network.world
        self._process = process
        self._file = file or File(network.world)
        self._timeout: float | None = None
        self._silence_s = 0.0
        self._datagrams = kind == socket.SOCK_DGRAM
        self._probe: Address | None = None  # of one that sends datagrams
        self._number = descriptor
        if descriptor < 0:
            self._number = process.open(self._file)

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the descriptor; -1: it is closed."""
        return self._number

    def close(self) -> None:
        """Close it. May be called twice."""
        number, self._number = self._number, -1
        if number >= 0:
            self._process.close(number)

    def setblocking(self, flag: bool) -> None:
        """Wait for ever, or not at all."""
        self._timeout = None if flag else 0.0

    def settimeout(self, value: float | None) -> None:
        """Wait so long."""
        self._timeout = value

    def gettimeout(self) -> float | None:
        """Return how long a call may wait."""
        return self._timeout

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Set TCP_USER_TIMEOUT; others make no difference here."""
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT):
            self._silence_s = value / 1000
            if isinstance(self._file, Stream):
                self._file.silence_s = self._silence_s

    def getsockname(self) -> Address:
        """Return the address of this end."""
        if isinstance(self._file, Listener):
            return self._file.address
        if self._probe is not None:
            return self._probe
        return self._stream().own

    def getpeername(self) -> Address:
        """Return the address of the other end."""
        stream = self._stream()
        if not stream.connected:
            raise _error(errno.ENOTCONN)
        return stream.other

    def connect(self, address: Address) -> None:
        """Dial. Blocks: until somebody has answered."""
        code = self.connect_ex(address)
        if code:
            raise _error(code)

    def connect_ex(self, address: Address) -> int:
        """Dial; return a number of `errno`, or 0."""
        if self._datagrams:
            self._probe = (self._process.host, self._network.port())
            return 0
        stream = self._network.dial(self._process, address)
        stream.silence_s = self._silence_s
        self._file = self._process.replace(self._number, stream)
        if self._timeout == 0:
            return errno.EINPROGRESS
        limit = CONNECT_S if self._timeout is None else self._timeout
        until = self._world.now + limit
        while not stream.writable():
            if self._world.now >= until:
                stream.news()
                raise TimeoutError("timed out")
            self._world.wait(stream.changed, until=until)
        code, stream.error = stream.error, 0
        return code

    def accept(self) -> tuple[Socket, Address]:
        """Take a connection. Blocks: until there is one."""
        file = self._wait()
        assert isinstance(file, Listener)
        stream = file.backlog.popleft()
        stream.process = self._process
        return Socket(self._network, self._process, stream), stream.other

    def send(self, data: Any) -> int:
        """Send some of it. Blocks: until there is room."""
        return self.sendmsg([data])

    def sendmsg(self, buffers: Iterable[Any]) -> int:
        """Send some of it. Blocks: until there is room."""
        data = b"".join(buffers)
        file = self._wait(to_write=True)
        if isinstance(file, Stream):
            self._process.speak()
        assert isinstance(file, (Stream, Pair))
        return file.send(data)

    def sendall(self, data: bytes) -> None:
        """Send all of it. Blocks: until there was room."""
        while data:
            data = data[self.send(data) :]

    def recv(self, size: int) -> bytes:
        """Receive. Blocks: until something is there."""
        file = self._wait()
        assert isinstance(file, (Stream, Pair))
        return file.take(size)

    def recv_into(self, buffer: Any, nbytes: int = 0) -> int:
        """Receive into memory. Blocks: until something is there."""
        view = memoryview(buffer)
        data = self.recv(nbytes or view.nbytes)
        view[: len(data)] = data
        return len(data)

    def shutdown(self, how: int) -> None:
        """End both directions."""
        stream = self._stream()
        if not stream.connected:
            raise _error(errno.ENOTCONN)
        stream.shut_down()

    def _stream(self) -> Stream:
        if self._number < 0:
            raise _error(errno.EBADF)
        if not isinstance(self._file, Stream):
            raise _error(errno.ENOTCONN)
        return self._file

    def _wait(self, to_write: bool = False) -> File:
        """Return the file, when it is ready."""
        limit = self._timeout
        until = None if limit is None else self._world.now + limit
        while self._number >= 0:
            file = self._file  # it changes when the socket is connected
            if file.writable() if to_write else file.readable():
                break
            if limit == 0:
                raise _error(errno.EAGAIN)
            if until is not None and self._world.now >= until:
                raise TimeoutError("timed out")
            self._world.wait(self._file.changed, until=until)
        if self._number < 0 or self._process.ended:
            raise _error(errno.EBADF)
        return file


class Selector:
    """`machine.selector`; it never spins: here to sleep costs nothing."""

    spin_s = 0.0

    def __init__(self, network: Network, process: Process) -> None:
        self._world = network.world
        self._process = process
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._fresh: dict[int, None] = {}  # descriptors to be looked at
        self._changed = Gathering()  # who waits for them

    def __enter__(self) -> Selector:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def register(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        """Wait for a file, too."""
        number = _number(fileobj)
        if number in self._keys:
            raise KeyError(f"{fileobj!r} is registered already")
        self._process.files[number]
        return self._put(selectors.SelectorKey(fileobj, number, events, data))

    def modify(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        """Wait for something else of a file."""
        number = _number(fileobj)
        self._keys[number]
        return self._put(selectors.SelectorKey(fileobj, number, events, data))

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Wait for a file no more."""
        key = self._keys.pop(_number(fileobj))
        file = self._process.files.get(key.fd)
        if file is not None:
            file.watchers.pop(self, None)
        self._fresh.pop(key.fd, None)
        return key

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """Return what is waited for of a file."""
        return self._keys[_number(fileobj)]

    def get_map(self) -> dict[int, selectors.SelectorKey]:
        """Return what is waited for, by descriptor."""
        return self._keys

    def close(self) -> None:
        """Wait for nothing more."""
        self._keys.clear()
        self._fresh.clear()

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready. Blocks: until something is, or `timeout`."""
        world = self._world
        until = None if timeout is None else world.now + timeout
        if timeout is not None and timeout <= 0:
            world.pause()
        ready: list[tuple[selectors.SelectorKey, int]] = []
        while not (self._fresh and (ready := self._ready())):
            if until is not None and world.now >= until:
                break
            fiber = world.current
            assert fiber is not None
            fiber.polls = True
            world.wait(self._changed, until=until)
            fiber.polls = False
        if len(ready) > 1:
            world.random.shuffle(ready)
        return ready

    def _put(self, key: selectors.SelectorKey) -> selectors.SelectorKey:
        self._keys[key.fd] = key
        self._process.files[key.fd].watchers[self] = key.fd
        self.look_at(key.fd)
        return key

    def look_at(self, descriptor: int) -> None:
        """Find out whether a file is ready now, at the next look."""
        self._fresh[descriptor] = None
        if self._changed:
            self._world.wake(self._changed)

    def _ready(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; it is looked at again the next time."""
        found: list[tuple[selectors.SelectorKey, int]] = []
        files, keys = self._process.files, self._keys
        for number in list(self._fresh):
            file, mask = files.get(number), 0
            if file is not None:  # else it was closed
                events = keys[number].events
                if events & READ and file.readable():
                    mask = READ
                if events & WRITE and file.writable():
                    mask |= WRITE
            if mask:
                found.append((keys[number], mask))
            else:
                del self._fresh[number]
        return found


def _number(fileobj: Any) -> int:
    number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
    if number < 0:
        raise ValueError(f"Invalid file object: {fileobj!r}")
    return int(number)


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))
