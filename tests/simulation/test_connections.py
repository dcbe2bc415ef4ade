"""The contract of connections: sockets of the system, and simulated ones.

Each test is a program of one process: a hub, polled in its main thread, and
who dials it, in another one. On the simulated machine it runs from a few
seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minimr.net.channel import Address, Channel, connect
from minimr.net.events import Joined, Left, Posted, Received
from minimr.net.handshake import HandshakeError
from minimr.net.hub import Hub
from minimr.system import machine
from tests.simulation.test_machine import run

TOKEN, OTHER = bytes(range(32)), bytes(32)
RUN = ("run",)
DEADLINE_S = 20.0
SEEDS = 4


def on_the_system(program: Callable[[], None]) -> None:
    program()


def simulated(program: Callable[[], None]) -> None:
    for seed in range(SEEDS):
        run(program, seed=seed)


@pytest.fixture(params=[on_the_system, simulated])
def contract(request: pytest.FixtureRequest) -> Any:
    return request.param


class Served:
    """A hub, and a thread that dials it. Use it as a context manager."""

    def __init__(self, client: Callable[[Address], None]) -> None:
        self.hub = Hub(TOKEN, "run")
        self.events: list[Any] = []
        self._errors: list[BaseException] = []
        self._client = client
        self._thread = machine.thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._client(self.hub.address)
        except BaseException as error:  # noqa: BLE001  told in the end
            self._errors.append(error)

    def until(self, kind: type, number: int = 1) -> Any:
        """Poll until there are so many events of a type; return the last."""
        until = machine.monotonic() + DEADLINE_S
        while (
            len(found := [e for e in self.events if type(e) is kind]) < number
        ):
            assert machine.monotonic() < until, self.events
            for event in self.hub.poll(0.05):
                self.events.append(event)
        return found[-1]

    def __enter__(self) -> Served:
        return self

    def __exit__(self, kind: Any, *about: object) -> None:
        if kind is None:
            until = machine.monotonic() + DEADLINE_S
            while self._thread.is_alive():
                assert machine.monotonic() < until
                self.events += self.hub.poll(0.05)
        self.hub.close()
        assert self._errors == []


def test_messages_go_there_and_back_in_their_order(contract: Any) -> None:
    def client(address: Address) -> None:
        channel = connect(address, TOKEN, RUN)
        for number in range(100):
            channel.send(number)
        assert [channel.receive(DEADLINE_S) for _ in range(100)] == [
            -number for number in range(100)
        ]
        channel.close()

    def program() -> None:
        with Served(client) as served:
            peer = served.until(Joined).peer
            for number in range(100):
                peer.send(-number)
            served.until(Left)
        received = [e for e in served.events if type(e) is Received]
        assert received == [Received(peer, number) for number in range(100)]

    contract(program)


def test_what_no_buffer_holds_arrives_whole(contract: Any) -> None:
    data = bytes(range(256)) * 8192

    def client(address: Address) -> None:
        channel = connect(address, TOKEN, RUN)
        channel.send(data)
        assert channel.receive(DEADLINE_S) == data[::-1]
        channel.close()

    def program() -> None:
        with Served(client) as served:
            peer = served.until(Joined).peer
            peer.send(data[::-1])  # never blocks
            assert served.until(Received).message == data

    contract(program)


def test_another_token_and_another_kind_are_refused(contract: Any) -> None:
    def client(address: Address) -> None:
        with pytest.raises(HandshakeError, match="has another token"):
            connect(address, OTHER, RUN)
        with pytest.raises(ConnectionError, match="run"):
            connect(address, TOKEN, ("weights",))
        connect(address, TOKEN, RUN).close()

    def program() -> None:
        with Served(client) as served:
            served.until(Left)
        kinds = [type(event) for event in served.events]
        assert kinds == [Joined, Left]

    contract(program)


def test_where_nobody_listens_any_more_nobody_answers(contract: Any) -> None:
    def program() -> None:
        gone = Hub(TOKEN, "run")
        gone.close()
        with pytest.raises(ConnectionError):
            connect(gone.address, TOKEN, RUN)
        hub = Hub(TOKEN, "run")
        peer = hub.dial(gone.address, RUN)
        (left,) = hub.poll(DEADLINE_S)
        assert (type(left), left.peer) == (Left, peer)
        hub.close()

    contract(program)


def test_a_server_that_hangs_up_is_noticed(contract: Any) -> None:
    def client(address: Address) -> None:
        channel = connect(address, TOKEN, RUN)
        assert channel.receive(DEADLINE_S) == "the last word"
        with pytest.raises(ConnectionError):
            channel.receive(DEADLINE_S)
        channel.close()

    def program() -> None:
        with Served(client) as served:
            peer = served.until(Joined).peer
            peer.send("the last word")
            served.hub.drop(peer)

    contract(program)


def test_who_waits_for_nothing_gives_up_in_time(contract: Any) -> None:
    def client(address: Address) -> None:
        channel = connect(address, TOKEN, RUN)
        begin = machine.monotonic()
        with pytest.raises(TimeoutError):
            channel.receive(0.2)
        assert machine.monotonic() - begin >= 0.2
        channel.close()

    def program() -> None:
        with Served(client) as served:
            served.until(Left)

    contract(program)


def test_another_thread_wakes_who_polls(contract: Any) -> None:
    def program() -> None:
        hub = Hub(TOKEN, "run")
        thread = machine.thread(target=hub.post, args=("news",))
        thread.start()
        assert hub.poll(DEADLINE_S) == [Posted("news")]
        thread.join()
        hub.close()

    contract(program)


def test_two_hubs_dial_each_other(contract: Any) -> None:
    def program() -> None:
        one, other = Hub(TOKEN, "run"), Hub(TOKEN, "run")
        peer = one.dial(other.address, RUN)
        events: list[Any] = []
        until = machine.monotonic() + DEADLINE_S
        peer.send_raw(b"")
        while len(events) < 2 and machine.monotonic() < until:
            events += one.poll(0.02) + other.poll(0.02)
        assert [type(event) for event in events] == [Joined, Joined]
        assert peer in {event.peer for event in events}
        one.close()
        other.close()

    contract(program)


def test_garbage_is_refused_while_others_are_served(contract: Any) -> None:
    def client(address: Address) -> None:
        channel: Channel = connect(address, TOKEN, RUN)
        stranger = machine.connect(address, DEADLINE_S)
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 9)
        try:
            while stranger.recv(4096):
                pass
        except ConnectionResetError:
            pass
        stranger.close()
        channel.send("still there?")
        assert channel.receive(DEADLINE_S) == "yes"
        channel.close()

    def program() -> None:
        with Served(client) as served:
            peer = served.until(Joined).peer
            served.until(Received)
            peer.send("yes")
            served.until(Left)
        kinds = [type(event) for event in served.events]
        assert kinds == [Joined, Received, Left]

    contract(program)
