"""Real sockets on loopback: who gets in, what arrives, who is gone."""

from __future__ import annotations

import logging
import os
import pickle
import random
import resource
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from minimr.net import hub as hub_module
from minimr.net.channel import (
    Address,
    Channel,
    connect,
    listen,
    parse_address,
)
from minimr.net.codec import encode
from minimr.net.events import Joined, Left, Posted, Received
from minimr.net.frames import FrameError, records
from minimr.net.handshake import (
    HELLO_BYTES,
    MAGIC,
    PROOF_BYTES,
    WELCOME,
    Handshake,
    HandshakeError,
)
from minimr.net.hub import REST_S, Hub
from minimr.net.peer import Peer
from minimr.net.seal import TAG_BYTES, Seal, SealError
from minimr.system import machine

TOKEN = bytes(range(32))
OTHER = bytes(32)
DEADLINE_S = 10.0
RUN = ("run",)  # the kind of all servers here


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


class Server:
    """A hub under test, polled here, and clients that dial in threads."""

    def __init__(self, **options: Any) -> None:
        self.hub = Hub(TOKEN, "run", **options)
        self.address = self.hub.address
        self.threads = ThreadPoolExecutor()
        self.closers: list[Callable[[], None]] = [self.hub.close]

    def until(self, ready: Callable[[list[Any]], Any]) -> list[Any]:
        """Poll until `ready(all events so far)`; give them."""
        events: list[Any] = []
        until = time.monotonic() + DEADLINE_S
        while not ready(events):
            left = until - time.monotonic()
            assert left > 0, f"nothing more came after {events}"
            events += self.hub.poll(min(left, 0.02))
        return events

    def while_polling(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call what blocks in a thread, and serve it from here."""
        future = self.threads.submit(call, *arguments)
        self.until(lambda _: future.done())
        return future.result()

    def dial(self, token: bytes = TOKEN) -> tuple[Channel, Peer]:
        future: Future[Channel] = self.threads.submit(
            connect, self.address, token, RUN
        )
        events = self.until(lambda _: future.done())
        channel = future.result()
        self.closers.append(channel.close)
        events += [] if events else self.until(bool)
        (joined,) = events
        assert isinstance(joined, Joined)
        return channel, joined.peer

    def raw(self) -> socket.socket:
        sock = socket.create_connection(self.address, DEADLINE_S)
        self.closers.append(sock.close)
        return sock

    def serves(self, channel: Channel, peer: Peer) -> bool:
        """Tell whether a message still goes there and back."""
        channel.send("are you there?")
        assert self.until(bool) == [Received(peer, "are you there?")]
        peer.send("yes")
        return bool(channel.receive(DEADLINE_S) == "yes")

    def close(self) -> None:
        for closer in reversed(self.closers):
            closer()
        self.threads.shutdown()


@pytest.fixture(params=["not sealed", "sealed"])
def server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    if request.param == "sealed":  # as where it leaves the machine
        monkeypatch.setattr(machine, "BOOT", Path("/nowhere"))
    server = Server()
    yield server
    server.close()


def frame(message: Any, seal: Seal | None = None) -> bytes:
    """Give the bytes of a message."""
    return raw_frame(encode(message), seal)


def raw_frame(parts: list[Any], seal: Seal | None) -> bytes:
    return b"".join(records(parts, 2**30, seal))


def client_of(sock: socket.socket) -> Handshake:
    return Handshake(TOKEN, "client", RUN, sock)


def hung_up(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


# ---- what is sealed


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_a_connection_of_this_machine_is_not_sealed(host: str) -> None:
    server = Server(address=(host, 0))
    try:
        channel, peer = server.dial()
        assert channel.seal is None
        assert peer.seal is None
        assert server.serves(channel, peer)
    finally:
        server.close()


def test_who_held_the_port_before_the_server_gets_no_message_in(
    tmp_path: Path,
) -> None:
    bomb = Bomb(tmp_path / "exploded")
    with listen(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        address = listener.getsockname()
        dialled = pool.submit(connect, address, TOKEN, RUN)
        there, _ = listener.accept()
        listener.close()
        server = Server(address=address)
        try:
            back = server.raw()
            for source, to in [(there, back), (back, there)] * 2:
                to.sendall(server.while_polling(source.recv, 4096))
            channel = dialled.result(DEADLINE_S)
            server.closers += [channel.close, there.close]
            forged = frame(bomb) + bytes(TAG_BYTES)
            there.sendall(forged)
            with pytest.raises(SealError):
                channel.receive(DEADLINE_S)
            back.sendall(forged)
            (left,) = server.until(bool)
            assert "altered on its way" in left.why
        finally:
            server.close()
    assert not bomb.folder.exists()


def test_a_message_that_is_altered_between_machines_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "BOOT", Path("/nowhere"))
    server = Server()
    try:
        channel, peer = server.dial()
        altered = bytearray(frame("one", channel.seal))
        altered[-TAG_BYTES - 3] ^= 1
        channel.sock.sendall(altered)
        (left,) = server.until(bool)
        assert left.peer is peer
        assert "altered on its way" in left.why
    finally:
        server.close()


# ---- who gets in


def test_a_message_goes_there_and_back(server: Server) -> None:
    channel, peer = server.dial()
    assert server.serves(channel, peer)


def test_messages_keep_their_order(server: Server) -> None:
    channel, peer = server.dial()
    for number in range(500):
        channel.send(number)
        peer.send(-number)
    events = server.until(lambda events: len(events) == 500)
    assert events == [Received(peer, number) for number in range(500)]
    assert [channel.receive(DEADLINE_S) for _ in range(500)] == [
        -number for number in range(500)
    ]


def test_a_client_with_another_token_is_told_so(server: Server) -> None:
    served = server.dial()
    with pytest.raises(HandshakeError, match="has another token") as caught:
        server.while_polling(connect, server.address, OTHER, RUN)
    assert "{}:{}".format(*server.address) in str(caught.value)
    assert server.serves(*served)


def test_a_client_that_only_pretends_is_refused(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    served = server.dial()
    sock = server.raw()
    sock.sendall(MAGIC + bytes(HELLO_BYTES))
    reply = server.while_polling(sock.recv, 4096)
    assert reply.startswith(MAGIC)
    sock.sendall(bytes(PROOF_BYTES))
    with caplog.at_level(logging.WARNING):
        server.until(lambda _: caplog.records)
    assert "the client has another token" in caplog.text
    assert hung_up(sock)
    assert server.serves(*served)


def test_a_server_that_only_pretends_is_refused() -> None:
    def pretend() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.sendall(MAGIC + bytes(HELLO_BYTES) + bytes(PROOF_BYTES))
            sock.recv(4096)

    with listen(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        pretended = pool.submit(pretend)
        with pytest.raises(HandshakeError, match="the server has another"):
            connect(listener.getsockname(), TOKEN, RUN)
        pretended.result(DEADLINE_S)


GARBAGE = {
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "noise": random.Random(0).randbytes(100_000),
    "a frame": frame("hello"),
    "another version": b"minimr 9\n" + bytes(HELLO_BYTES),
    "half a handshake": MAGIC + bytes(3),
    "a wrong proof": MAGIC + bytes(HELLO_BYTES) + bytes(1000),
    "nothing": b"",
}


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_strangers_are_refused_while_others_are_served(
    server: Server,
    caplog: pytest.LogCaptureFixture,
    garbage: str,
    end: str,
) -> None:
    served = server.dial()
    sock = server.raw()
    sock.sendall(GARBAGE[garbage])
    if end == "reset":
        linger = struct.pack("ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    sock.close()
    with caplog.at_level(logging.INFO, logger="minimr"):
        server.until(lambda _: caplog.records)
    if garbage in ("nothing", "half a handshake"):  # it just went away
        assert {r.levelname for r in caplog.records} == {"INFO"}
    assert server.serves(*served)
    assert server.serves(*server.dial())


@pytest.mark.parametrize(
    "said",
    [b"", MAGIC, MAGIC + bytes(HELLO_BYTES)],
    ids=["nothing", "the magic", "a nonce"],
)
def test_a_stranger_that_goes_silent_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    served = server.dial()
    monkeypatch.setattr(hub_module, "HANDSHAKE_TIMEOUT_S", 0.1)
    sock = server.raw()
    sock.sendall(said)
    server.while_polling(read_to_the_end, sock)
    assert server.serves(*served)


def read_to_the_end(sock: socket.socket) -> None:
    while sock.recv(4096):
        pass


def test_a_slow_handshake_does_not_hold_up_the_others(server: Server) -> None:
    sock = server.raw()
    handshake = client_of(sock)
    for byte in handshake.start()[:-1]:
        sock.sendall(bytes([byte]))
        assert server.hub.poll(0.001) == []
    assert server.serves(*server.dial())


@pytest.mark.parametrize(
    "before",
    [b"", MAGIC, MAGIC + bytes(HELLO_BYTES), MAGIC + bytes(HELLO_BYTES + 32)],
    ids=["at once", "after the magic", "after a nonce", "after a proof"],
)
def test_nothing_is_unpickled_before_the_handshake(
    server: Server,
    tmp_path: Path,
    before: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sock = server.raw()
    bomb = Bomb(tmp_path / "exploded")
    sock.sendall(before + frame(bomb) + pickle.dumps(bomb) + bytes(1000))
    with caplog.at_level(logging.WARNING):
        server.until(lambda _: caplog.records)
    assert not bomb.folder.exists()
    assert server.serves(*server.dial())


def test_the_bomb_of_these_tests_does_go_off_behind_it(
    server: Server, tmp_path: Path
) -> None:
    channel, _ = server.dial()
    bomb = Bomb(tmp_path / "exploded")
    channel.send(bomb)
    server.until(bool)
    assert bomb.folder.exists()


def test_a_client_unpickles_nothing_before_the_handshake(
    tmp_path: Path,
) -> None:
    bomb = Bomb(tmp_path / "exploded")

    def bite() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.sendall(frame(bomb) + pickle.dumps(bomb) + bytes(1000))

    with listen(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        bitten = pool.submit(bite)
        with pytest.raises(HandshakeError, match="does not speak"):
            connect(listener.getsockname(), TOKEN, RUN)
        bitten.result(DEADLINE_S)
    assert not bomb.folder.exists()


def test_a_frame_on_the_heels_of_the_handshake_is_kept() -> None:
    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            answer = b""
            handshake = Handshake(TOKEN, "server", RUN, sock)
            while not answer.startswith(WELCOME):
                answer = handshake.receive(sock.recv(4096))
                if not handshake.done:
                    sock.sendall(answer)
            seal = handshake.sealing()
            first, second = frame("first", seal), frame("second", seal)
            sock.sendall(answer + first + second[:-1])
            sock.sendall(second[-1:])

    with listen(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        served = pool.submit(serve)
        channel = connect(listener.getsockname(), TOKEN, RUN)
        assert channel.receive(DEADLINE_S) == "first"
        assert channel.receive(DEADLINE_S) == "second"
        channel.close()
        served.result(DEADLINE_S)


def test_a_client_may_send_its_first_frame_with_its_proof(
    server: Server,
) -> None:
    sock = server.raw()
    handshake = client_of(sock)
    sock.sendall(handshake.start())
    reply = server.while_polling(sock.recv, 4096)
    proof = handshake.receive(reply)
    sock.sendall(proof + frame("first", handshake.sealing()))
    joined, received = server.until(lambda events: len(events) == 2)
    assert received == Received(joined.peer, "first")


def test_a_hub_takes_over_a_connection_that_it_dialled(
    server: Server,
) -> None:
    channel, peer = server.dial()
    peer.send("sent before")
    other = Hub(TOKEN, "run")
    server.closers.append(other.close)
    coordinator = other.adopt(channel)
    assert other.poll(DEADLINE_S) == [Received(coordinator, "sent before")]
    coordinator.send("sent after")
    assert server.until(bool) == [Received(peer, "sent after")]


def test_messages_that_came_before_the_take_over_are_not_lost(
    server: Server,
) -> None:
    channel, peer = server.dial()
    for number in range(3):
        peer.send(number)
    assert channel.receive(DEADLINE_S) == 0
    while len(channel.waiting) < 2:
        channel.waiting += channel.reader.advance(
            channel.sock.recv_into(channel.reader.buffer())
        )
    other = Hub(TOKEN, "run")
    server.closers.append(other.close)
    coordinator = other.adopt(channel)
    assert other.poll(DEADLINE_S) == [
        Received(coordinator, 1),
        Received(coordinator, 2),
    ]


@pytest.mark.parametrize(
    "said", [b"", MAGIC + bytes(HELLO_BYTES)], ids=["nothing", "a nonce"]
)
def test_a_stranger_costs_a_few_kilobytes_at_most(
    server: Server, said: bytes
) -> None:
    number = 100
    server.hub.poll(0)
    tracemalloc.start()
    try:
        for _ in range(number):
            server.raw().sendall(said)
        server.until(lambda _: len(server.hub.peers()) == number)
        server.hub.poll(0.05)
        assert tracemalloc.get_traced_memory()[0] < number * 4000
    finally:
        tracemalloc.stop()


def test_without_a_descriptor_connections_wait_until_there_is_one(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = server.dial()
    client = server.raw()  # it waits to be accepted
    accept, tries = server.hub._accept, []

    def counted() -> None:
        tries.append(time.monotonic())
        accept()

    monkeypatch.setattr(server.hub, "_accept", counted)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(map(int, os.listdir("/proc/self/fd")))
    taken = [os.dup(0) for _ in range(most)]  # no gap is left below it
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(taken) + 1, before[1]))
    try:
        server.until(lambda _: len(tries) > 2)
        assert all(b - a >= REST_S for a, b in pairwise(tries))
        assert server.serves(*served)
        told = [r.getMessage() for r in caplog.records]
        assert len(told) == 1
        assert "cannot accept connections" in told[0]
        assert "Too many open files" in told[0]
        dialled = server.hub.dial(server.address, RUN)  # nor can we dial
        (left,) = server.until(bool)
        assert left.peer is dialled
        assert "Too many open files" in left.why
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in taken:
            os.close(descriptor)
    handshake = client_of(client)
    client.sendall(handshake.start())
    reply = server.while_polling(client.recv, 4096)
    client.sendall(handshake.receive(reply))
    (joined,) = server.until(bool)
    assert isinstance(joined, Joined)


# ---- what arrives


@pytest.mark.parametrize("size", [0, 1, 2**16, 2**24 + 1])
def test_large_frames_arrive_both_ways(server: Server, size: int) -> None:
    channel, peer = server.dial()
    data = random.Random(size).randbytes(size)
    sent = server.threads.submit(channel.send, pickle.PickleBuffer(data))
    (received,) = server.until(bool)
    sent.result(DEADLINE_S)
    assert bytes(received.message) == data
    peer.send(pickle.PickleBuffer(data))
    assert bytes(server.while_polling(channel.receive, DEADLINE_S)) == data


def test_a_sender_is_not_held_up_by_a_slow_reader(server: Server) -> None:
    channel, peer = server.dial()
    blocks = [bytes([number]) * 500_000 for number in range(60)]
    for block in blocks:  # far more than sockets hold; nobody reads
        peer.send(block)
    other = server.dial()
    assert server.serves(*other)

    def read_all() -> list[bytes]:
        return [channel.receive(DEADLINE_S) for _ in blocks]

    assert server.while_polling(read_all) == blocks
    assert server.serves(channel, peer)


def test_who_waits_for_its_socket_may_die_then(server: Server) -> None:
    channel, peer = server.dial()
    blocks = [bytes([number]) * 500_000 for number in range(60)]
    for block in blocks:
        peer.send(block)
    reader = server.threads.submit(
        lambda: [channel.receive(DEADLINE_S) for _ in blocks]
    )
    peer.flush_all()
    peer.sock.close()
    assert reader.result(DEADLINE_S) == blocks


def test_what_another_thread_is_to_send_is_waited_for(server: Server) -> None:
    _, peer = server.dial()
    with peer.sending:
        taken = server.threads.submit(peer.flush_all)
        assert not wait([taken], 0.05).done
    taken.result(DEADLINE_S)


def test_a_frame_above_the_limit_costs_its_sender_the_connection() -> None:
    server = Server(max_frame_bytes=1000)
    try:
        served = server.dial()
        channel, peer = server.dial()
        channel.send(bytes(2000))
        (left,) = server.until(bool)
        assert left.peer is peer
        assert "larger than the limit of 1,000" in left.why
        assert server.serves(*served)
    finally:
        server.close()


def test_a_message_above_the_limit_is_not_sent() -> None:
    server = Server(max_frame_bytes=1000)
    try:
        channel, peer = server.dial()
        with pytest.raises(FrameError, match="larger than the limit"):
            peer.send(bytes(2000))
        assert server.serves(channel, peer)
    finally:
        server.close()


def test_what_another_thread_posts_ends_the_wait(server: Server) -> None:
    poster = threading.Timer(0.05, server.hub.post, ["from elsewhere"])
    poster.start()
    begin = time.monotonic()
    assert server.hub.poll(DEADLINE_S) == [Posted("from elsewhere")]
    assert time.monotonic() - begin < DEADLINE_S / 2
    poster.join()


def test_all_that_many_threads_post_arrives_in_order(server: Server) -> None:
    def post(thread: int) -> None:
        for number in range(2000):  # more wake-ups than the system keeps
            server.hub.post((thread, number))

    posts = [server.threads.submit(post, thread) for thread in range(4)]
    events = server.until(lambda events: len(events) == 8000)
    for done in posts:
        done.result(DEADLINE_S)
    for thread in range(4):
        numbers = [e.message[1] for e in events if e.message[0] == thread]
        assert numbers == list(range(2000))


def test_nobody_reads_and_posting_still_does_not_block(
    server: Server,
) -> None:
    for number in range(5000):
        server.hub.post(number)
    events = server.until(lambda events: len(events) == 5000)
    assert [event.message for event in events] == list(range(5000))


def test_posting_to_a_closed_hub_does_nothing(server: Server) -> None:
    server.hub.close()
    server.hub.post("too late")


def test_poll_comes_back_when_time_is_up(server: Server) -> None:
    assert server.hub.poll(0) == []
    begin = time.monotonic()
    assert server.hub.poll(0.05) == []
    assert 0.05 <= time.monotonic() - begin < DEADLINE_S / 2


def test_a_receive_that_times_out_loses_nothing(server: Server) -> None:
    channel, peer = server.dial()
    stream = frame("in two pieces", peer.seal)
    peer.send_raw(stream[:10])
    with pytest.raises(TimeoutError):
        channel.receive(0.05)
    peer.send_raw(stream[10:])
    assert channel.receive(DEADLINE_S) == "in two pieces"


# ---- who is gone


def test_a_peer_that_leaves_is_told_once(server: Server) -> None:
    channel, peer = server.dial()
    channel.close()
    assert server.until(bool) == [Left(peer, "it closed the connection")]
    assert server.hub.poll(0.05) == []


def test_a_peer_that_leaves_in_the_middle_of_a_frame(server: Server) -> None:
    served = server.dial()
    channel, peer = server.dial()
    channel.send("whole")
    channel.sock.sendall(frame(bytes(2**20), channel.seal)[: 2**19])
    channel.close()
    events = server.until(lambda events: len(events) == 2)
    assert events[0] == Received(peer, "whole")
    assert events[1] == Left(peer, "it closed the connection")
    assert server.serves(*served)


def test_a_peer_that_is_reset_is_told_with_the_reason(
    server: Server,
) -> None:
    channel, peer = server.dial()
    linger = struct.pack("ii", 1, 0)
    channel.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    channel.close()
    assert server.until(bool) == [Left(peer, "Connection reset by peer")]


@pytest.mark.parametrize("bad", [b"", b"no pickle", pickle.dumps(1)[:-1]])
def test_a_peer_that_sends_no_message_has_left(
    server: Server, bad: bytes
) -> None:
    served = server.dial()
    channel, peer = server.dial()
    channel.sock.sendall(raw_frame([bad], channel.seal))
    (left,) = server.until(bool)
    assert left.peer is peer
    assert left.why.startswith("it sent no message")
    assert server.serves(*served)


def test_sending_to_who_has_left_does_nothing(server: Server) -> None:
    channel, peer = server.dial()
    channel.close()
    for _ in range(20):
        peer.send(bytes(10_000))
    (left,) = server.until(bool)
    assert left.peer is peer
    peer.send("still nothing")


def test_the_server_leaves_in_the_middle_of_a_frame(server: Server) -> None:
    channel, peer = server.dial()
    peer.send_raw(frame(bytes(1000), peer.seal)[:500])
    server.hub.drop(peer)
    with pytest.raises(ConnectionResetError, match="other end has closed"):
        channel.receive(DEADLINE_S)


def test_no_event_follows_who_is_dropped(server: Server) -> None:
    channel, peer = server.dial()
    server.hub.drop(peer)
    server.hub.drop(peer)
    assert server.hub.poll(0.05) == []
    with pytest.raises(ConnectionError):
        channel.receive(DEADLINE_S)


def test_a_hub_may_be_read_while_another_thread_dials_who_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # it does not listen
        address = nobody.getsockname()
        hub = Hub(TOKEN, "run")
        found: list[Any] = []

        def read_before(call: Callable[..., Any]) -> Callable[..., Any]:
            def read_then_call(*args: Any) -> Any:
                found.extend(hub.poll(0.0))
                return call(*args)

            return read_then_call

        for owner, name in ((Handshake, "start"), (Peer, "send_raw")):
            step = read_before(getattr(owner, name))
            monkeypatch.setattr(owner, name, step)
        peer = hub.dial(address, ["run"])
        until = time.monotonic() + DEADLINE_S
        while not found and time.monotonic() < until:
            found += hub.poll(0.1)
        (left,) = found
        assert (type(left), left.peer) == (Left, peer)
        hub.close()


def test_another_thread_can_end_a_receive(server: Server) -> None:
    channel, _ = server.dial()
    ended = server.threads.submit(channel.receive, DEADLINE_S)
    begin = time.monotonic()
    channel.shut_down()
    with pytest.raises(ConnectionError):
        ended.result(DEADLINE_S)
    assert time.monotonic() - begin < DEADLINE_S / 2


def test_a_file_that_can_be_read_ends_a_poll() -> None:
    hub = Hub(TOKEN, "run")
    read, write = os.pipe()
    seen: list[bytes] = []
    hub.watch_file(read, lambda: seen.append(os.read(read, 9)))
    os.write(write, b"x")
    begin = time.monotonic()
    assert hub.poll(60.0) == []
    assert seen == [b"x"]
    assert time.monotonic() - begin < 30.0
    hub.unwatch_file(read)
    hub.close()
    os.close(read)
    os.close(write)


def test_a_closed_hub_leaves_nothing_open() -> None:
    before = set(os.listdir("/proc/self/fd"))
    other = Server()
    hub = other.hub
    channel, peer = other.dial()
    stranger = other.raw()
    stranger.sendall(MAGIC)
    hub.poll(0.05)
    peer.send(bytes(2**24))  # most of it waits in the queue
    channel.close()
    stranger.close()
    hub.close()
    hub.close()
    other.threads.shutdown()
    assert set(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ConnectionError, match="nobody answers"):
        connect(hub.address, TOKEN, RUN)


def test_refused_connections_are_closed(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.hub.poll(0)
    before = set(os.listdir("/proc/self/fd"))
    with caplog.at_level(logging.WARNING):
        for number in range(10):
            with socket.create_connection(server.address) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            server.until(lambda _, n=number: len(caplog.records) > n)
    assert set(os.listdir("/proc/self/fd")) == before


# ---- addresses


def test_nobody_answers_there() -> None:
    with listen(("127.0.0.1", 0)) as sock:
        address: Address = sock.getsockname()
    with pytest.raises(
        ConnectionError, match=f"nobody answers at 127.0.0.1:{address[1]}"
    ):
        connect(address, TOKEN, RUN)


def test_somebody_listens_there_and_says_nothing() -> None:
    with (
        listen(("127.0.0.1", 0)) as sock,
        pytest.raises(ConnectionError, match="no answer in time"),
    ):
        connect(sock.getsockname(), TOKEN, RUN, timeout_s=0.05)


def test_somebody_hangs_up_there() -> None:
    def hang_up() -> None:
        sock, _ = listener.accept()
        sock.recv(4096)
        sock.close()

    with listen(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        done = pool.submit(hang_up)
        with pytest.raises(HandshakeError, match="is no minimr server"):
            connect(listener.getsockname(), TOKEN, RUN)
        done.result(DEADLINE_S)


def test_a_port_in_use_is_named(server: Server) -> None:
    host, port = server.address
    with pytest.raises(OSError, match=f"{host}:{port}: the port is in use"):
        Hub(TOKEN, "run", server.address)


def test_an_address_of_another_machine_cannot_be_listened_at() -> None:
    with pytest.raises(OSError, match=r"cannot listen at 192\.0\.2\.1:0"):
        Hub(TOKEN, "run", ("192.0.2.1", 0))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("host.example:65535", ("host.example", 65535)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:99", ("::1", 99)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", ":", "host", "host:", ":80", "host:-1", "host:1x", "host:٣", "h:1.5"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        parse_address(text)


def test_a_port_beyond_the_last_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 65535"):
        parse_address("host:65536")


def test_a_worker_that_waited_for_an_idle_driver_is_let_in() -> None:
    hub = Hub(TOKEN, "run")
    try:
        with socket.create_connection(hub.address, DEADLINE_S) as sock:
            client = client_of(sock)
            sock.settimeout(DEADLINE_S)
            sock.sendall(client.start())
            with ThreadPoolExecutor(1) as pool:
                challenge = pool.submit(sock.recv, 4096)
                while not challenge.done():
                    assert hub.poll(0.01) == []
            sock.sendall(client.receive(challenge.result()))
            for stranger in hub._strangers:  # the driver was busy since
                stranger.deadline = 0.0
            (event,) = hub.poll(DEADLINE_S)
            assert isinstance(event, Joined)
    finally:
        hub.close()
