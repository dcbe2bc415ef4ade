"""Another user of the machine, without the token, between two processes.

    client ── dials an old port ──> stranger ── passes it on ──> live server

On each kind of server: he is found out, because he was dialled and the
server was reached elsewhere. Where he deceives the systems about addresses
as well, he gets no message in, at neither end.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import minimr
from minimr.core.api.session import session
from minimr.net.channel import Address, Channel, connect, listen
from minimr.net.codec import encode
from minimr.net.frames import MAX_FRAME_BYTES, records
from minimr.net.handshake import Handshake, HandshakeError
from minimr.net.seal import Seal, SealError
from minimr.net.token import load_token
from minimr.sockets.mapreduce import MapReduce
from minimr.sockets.parameter_server import ParameterServer
from tests.faults.play import kept_busy

DEADLINE_S = 20.0


class Bomb:
    """Makes a folder where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


class Stranger:
    """Listens, and passes what comes on to the live server and back."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self._listener = listen(("127.0.0.1", 0))
        self.address: Address = self._listener.getsockname()
        self.ends: list[socket.socket] = []  # of the client, of the server
        self._thread = threading.Thread(target=self._pass_on)
        self._thread.start()

    def _pass_on(self) -> None:
        self.ends.append(self._listener.accept()[0])
        self.ends.append(socket.create_connection(self._target, DEADLINE_S))
        there = dict(zip(self.ends, reversed(self.ends), strict=True))
        while True:
            for end in select.select(self.ends, [], [])[0]:
                try:
                    data = end.recv(65536)
                    if data:
                        there[end].sendall(data)
                        continue
                except OSError:
                    pass
                for other in self.ends:
                    with contextlib.suppress(OSError):
                        other.shutdown(socket.SHUT_RDWR)
                return

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE_S)
        for sock in (self._listener, *self.ends):
            sock.close()


class Live(NamedTuple):
    """A server of a kind, and what asks it whether it still works."""

    kind: str
    address: Address
    works: Callable[[], bool]


@contextlib.contextmanager
def live_server(kind: str) -> Iterator[Live]:
    """Run a server of a kind."""
    if kind in ("run", "blocks"):
        with MapReduce(num_workers=1) as engine:
            members = engine._coordinator._members
            (worker,) = members
            with kept_busy(members):
                yield Live(
                    kind,
                    engine.address if kind == "run" else worker.data_address,
                    lambda: list(members) == [worker],
                )
    elif kind == "weights":
        weights = {"w": np.zeros(1, np.float32)}
        with ParameterServer(weights, 1) as servers:
            (address,) = servers.addresses
            yield Live(kind, address, lambda: "w" in servers.pull(0))
    else:
        minimr.init(num_cpus=1, address="local")
        try:
            number = minimr.remote(lambda: 1)
            assert minimr.get(number.remote()) == 1
            yield Live(
                kind,
                core_address(kind),
                lambda: minimr.get(number.remote()) == 1,
            )
        finally:
            minimr.shutdown()


@pytest.fixture(
    scope="module",
    params=["run", "blocks", "weights", "head", "driver", "worker"],
)
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    """Run a server of each kind, for all the tests of it."""
    with live_server(request.param) as live:
        yield live


@pytest.fixture(autouse=True)
def it_still_works(live: Live) -> Iterator[None]:
    """Whatever the stranger did, the server goes on."""
    yield
    assert live.works()


def core_address(kind: str) -> Address:
    runtime = session()
    if kind == "driver":
        return runtime.address
    if kind == "head":
        return runtime.home
    (worker,) = set(runtime.links) - {runtime.home}
    return worker


@contextlib.contextmanager
def between(target: Address) -> Iterator[Stranger]:
    stranger = Stranger(target)
    try:
        yield stranger
    finally:
        stranger.close()


def test_who_passes_a_connection_on_is_found_out(live: Live) -> None:
    direct = dial(live.address, live.kind)  # the same without him
    direct.close()
    with (
        between(live.address) as stranger,
        pytest.raises(HandshakeError, match="somebody passes") as caught,
    ):
        dial(stranger.address, live.kind)
    assert "{}:{}".format(*live.address) in str(caught.value)
    assert "{}:{}".format(*stranger.address) in str(caught.value)


def dial(address: Address, kind: str) -> Channel:
    return connect(address, load_token(), [kind], DEADLINE_S)


def read_all(channel: Channel) -> None:
    while True:
        channel.receive(DEADLINE_S)


@pytest.mark.parametrize("end", ["client", "server"])
@pytest.mark.parametrize("tag", ["a wrong tag", "no tag"])
def test_who_deceives_about_addresses_gets_no_message_in(
    live: Live,
    end: str,
    tag: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seal = Seal(bytes(32)) if tag == "a wrong tag" else None
    bomb = Bomb(tmp_path / "exploded")
    with between(live.address) as stranger:
        there = "{}:{}".format(*live.address)
        monkeypatch.setattr(Handshake, "_place", lambda _: there)
        channel = dial(stranger.address, live.kind)
        try:
            data = b"".join(records(encode(bomb), MAX_FRAME_BYTES, seal))
            victim = stranger.ends[0 if end == "client" else 1]
            victim.sendall(data)
            with contextlib.suppress(OSError):  # it has refused it already
                victim.shutdown(socket.SHUT_WR)
            refused = SealError if seal and end == "client" else OSError
            with pytest.raises(refused):
                read_all(channel)
        finally:
            channel.close()
    assert not bomb.folder.exists()
