"""The handshake, in memory: two ends, and what lies between them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimr.net.handshake import (
    HELLO_BYTES,
    MAGIC,
    PROOF_BYTES,
    WELCOME,
    Handshake,
    HandshakeError,
)

TOKEN = bytes(range(32))
OTHER = bytes(32)
THERE = ("10.0.0.1", 4000)
ELSEWHERE = ("10.0.0.1", 4001)
CLIENT = ("10.0.0.1", 50_000)


class Ends:
    """The two addresses of a connection, as one end sees them."""

    def __init__(self, role: str, where: Any, client: Any) -> None:
        self._ends = (where, client) if role == "server" else (client, where)

    def getsockname(self) -> Any:
        return self._ends[0]

    def getpeername(self) -> Any:
        return self._ends[1]


def end(
    role: str,
    token: bytes = TOKEN,
    kinds: Sequence[str] = ("run",),
    where: tuple[str, int] = THERE,
    client: tuple[str, int] = CLIENT,
    machine: str | None = None,
    **python: str,
) -> Handshake:
    """Give an end; unless it is told otherwise, on a machine of its own."""
    ends = Ends(role, where, client)
    name = f"the {role}'s" if machine is None else machine
    about = {"machine_name": lambda: name, **python}
    return Handshake(token, role, kinds, ends, **about)


def exchange(client: Handshake, server: Handshake) -> list[bytes]:
    """Carry bytes to and fro until nobody has more to say."""
    wire = []
    message, receiver, sender = client.start(), server, client
    while message:
        wire.append(message)
        message = receiver.receive(message)
        receiver, sender = sender, receiver
    return wire


def test_two_ends_with_the_same_token_are_done() -> None:
    client, server = end("client"), end("server")
    wire = exchange(client, server)
    assert client.done
    assert server.done
    assert [len(message) for message in wire] == [
        len(MAGIC) + HELLO_BYTES,
        len(MAGIC) + HELLO_BYTES + PROOF_BYTES,
        PROOF_BYTES,
        len(WELCOME),
    ]


def test_the_client_is_not_done_before_it_is_welcome() -> None:
    client, server = end("client"), end("server")
    proof = client.receive(server.receive(client.start()))
    assert proof
    assert not client.done
    assert not server.done


def test_the_server_speaks_only_when_spoken_to() -> None:
    assert end("server").start() == b""


@given(data=st.data(), rest=st.binary(max_size=100))
def test_any_cut_of_the_stream_is_the_same_handshake(
    data: st.DataObject, rest: bytes
) -> None:
    client, server = end("client"), end("server")
    to = {client: b"", server: client.start()}
    other = {client: server, server: client}
    while not (client.done and server.done):
        taker = data.draw(st.sampled_from([e for e in to if to[e]]))
        size = data.draw(st.integers(1, len(to[taker])))
        piece, to[taker] = to[taker][:size], to[taker][size:]
        to[other[taker]] += taker.receive(piece)
        if server.done and rest:  # the first frame on the heels of it
            to[client], rest = to[client] + rest, b""
            sent = to[client][len(WELCOME) :]
            assert not client.done
            assert client.receive(to[client]) == b""
            assert client.rest == sent
    assert server.rest == b""


def test_bytes_behind_the_proof_are_kept_for_the_frames() -> None:
    client, server = end("client"), end("server")
    proof = client.receive(server.receive(client.start()))
    assert server.receive(proof + b"a frame") == WELCOME
    assert server.rest == b"a frame"


def test_the_client_refuses_a_server_with_another_token() -> None:
    client, server = end("client"), end("server", OTHER)
    reply = server.receive(client.start())
    with pytest.raises(HandshakeError, match="the server has another token"):
        client.receive(reply)
    assert not client.done


def test_the_server_refuses_a_client_with_another_token() -> None:
    server = end("server")
    server.receive(MAGIC + bytes(HELLO_BYTES))
    with pytest.raises(HandshakeError, match="the client has another token"):
        server.receive(bytes(PROOF_BYTES))
    assert not server.done


def test_a_recorded_handshake_cannot_be_played_again() -> None:
    client, server = end("client"), end("server")
    hello, _, proof, _ = exchange(client, server)
    again = end("server")
    again.receive(hello)
    with pytest.raises(HandshakeError, match="another token"):
        again.receive(proof)


def test_a_proof_sent_back_to_its_maker_proves_nothing() -> None:
    server = end("server")
    reply = server.receive(MAGIC + bytes(HELLO_BYTES))
    with pytest.raises(HandshakeError, match="another token"):
        server.receive(reply[-PROOF_BYTES:])


def test_the_token_never_travels() -> None:
    client, server = end("client"), end("server")
    wire = b"".join(exchange(client, server))
    assert TOKEN not in wire
    assert TOKEN.hex().encode() not in wire


def test_no_two_handshakes_are_alike() -> None:
    first, second = (exchange(end("client"), end("server")) for _ in range(2))
    assert not set(first[:3]) & set(second[:3])


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"minimr 1\n" + bytes(100),
        b"m" + b"M" * 8,
        b"\0",
    ],
)
def test_another_protocol_is_named_at_its_first_bytes(
    role: str, garbage: bytes
) -> None:
    with pytest.raises(HandshakeError, match="does not speak this protocol"):
        end(role).receive(garbage)


@pytest.mark.parametrize("role", ["client", "server"])
@given(prefix=st.sampled_from([b"", MAGIC[:4], MAGIC]), noise=st.binary())
def test_noise_is_refused_or_waited_for_but_never_believed(
    role: str, prefix: bytes, noise: bytes
) -> None:
    handshake = end(role)
    handshake.start()
    with contextlib.suppress(HandshakeError):
        handshake.receive(prefix + noise)
    assert not handshake.done


def ends(mine: str, other: str) -> tuple[Handshake, Handshake]:
    return end("client", python=mine), end("server", python=other)


@pytest.mark.parametrize("other", ["3.12.1", "3.1.10", "4.11.7", "", "3"])
def test_another_minor_version_is_refused_and_both_are_named(
    other: str,
) -> None:
    client, server = ends("3.11.7", other)
    with pytest.raises(HandshakeError) as caught:
        exchange(client, server)
    assert f"the server runs Python {other}," in str(caught.value)
    assert "this process 3.11.7" in str(caught.value)
    assert not client.done


def test_the_server_refuses_another_minor_version_too() -> None:
    client, server = ends("3.11.7", "3.12.1")
    reply = server.receive(client.start())
    client._other = reply[len(MAGIC) : -PROOF_BYTES]
    with pytest.raises(HandshakeError, match=r"client runs Python 3\.11\.7"):
        server.receive(client._proof("client"))
    assert not server.done


def test_another_token_is_told_before_another_version() -> None:
    client = end("client", python="3.11.7")
    server = end("server", OTHER, python="3.12.1")
    with pytest.raises(HandshakeError, match="another token"):
        exchange(client, server)


def test_another_patch_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        client, server = ends("3.11.7", "3.11.700")
        exchange(client, server)
        assert client.done
        assert server.done
    told = [record.getMessage() for record in caplog.records]
    assert told.count("the server runs Python 3.11.700, we 3.11.7") == 1


# ---- whose connection it is


def test_both_ends_make_the_same_seals_one_for_each_direction() -> None:
    client, server = end("client"), end("server")
    exchange(client, server)
    there, back = tag_of(client), tag_of(server)
    for checker, tag in ((server, there), (client, back)):
        seal = checker.checking()
        assert seal is not None
        seal.check(b"x", tag)
    assert there != back


def test_no_two_connections_have_the_same_seals() -> None:
    tags = set()
    for _ in range(2):
        client, server = end("client"), end("server")
        exchange(client, server)
        tags |= {tag_of(client), tag_of(server)}
    assert len(tags) == 4


def tag_of(sender: Handshake) -> bytes:
    seal = sender.sealing()
    assert seal is not None
    return seal.tag(b"x")


def sealed(client: Handshake, server: Handshake) -> list[bool]:
    """Tell for each end and direction whether it has a seal."""
    exchange(client, server)
    assert client.done
    assert server.done
    seals = [end.sealing() for end in (client, server)]
    seals += [end.checking() for end in (client, server)]
    return [seal is not None for seal in seals]


def test_what_stays_on_one_machine_is_not_sealed() -> None:
    client = end("client", machine="one")
    assert sealed(client, end("server", machine="one")) == [False] * 4


def test_what_leaves_the_machine_is_sealed() -> None:
    client = end("client", machine="one")
    assert sealed(client, end("server", machine="other")) == [True] * 4


def test_what_does_not_know_its_machine_is_sealed() -> None:
    client = end("client", machine="")
    assert sealed(client, end("server", machine="")) == [True] * 4


@pytest.mark.parametrize(
    "other", [("10.0.0.1", 50_001), ("10.0.0.2", 50_000)], ids=str
)
def test_two_connections_with_somebody_between_them_are_sealed(
    other: tuple[str, int],
) -> None:
    client = end("client", machine="one")
    server = end("server", client=other, machine="one")
    assert sealed(client, server) == [True] * 4


def test_nobody_can_make_a_server_leave_out_the_seal() -> None:
    client = end("client", machine="one")
    server = end("server", machine="other")
    hello = client.start()
    reply = server.receive(hello.replace(b"one\0\0", b"other"))
    with pytest.raises(HandshakeError, match="another token"):
        client.receive(reply)


def test_nobody_can_make_a_client_leave_out_the_seal() -> None:
    client = end("client", machine="other")
    server = end("server", machine="one")
    reply = server.receive(client.start())
    forged = reply.replace(b"one\0\0", b"other")
    assert forged != reply
    with pytest.raises(HandshakeError, match="another token"):
        client.receive(forged)


def test_who_takes_a_seal_out_of_both_hellos_is_refused() -> None:
    client = end("client", machine="one")
    server = end("server", machine="other")
    reply = server.receive(client.start().replace(b"one\0\0", b"other"))
    with pytest.raises(HandshakeError, match="another token"):
        client.receive(reply.replace(b"other", b"one\0\0"))
    with pytest.raises(HandshakeError, match="another token"):
        server.receive(bytes(PROOF_BYTES))


def test_a_server_that_was_reached_elsewhere_is_refused() -> None:
    client, server = end("client"), end("server", where=ELSEWHERE)
    with pytest.raises(HandshakeError, match="somebody passes") as caught:
        exchange(client, server)
    assert "10.0.0.1:4000" in str(caught.value)
    assert "10.0.0.1:4001" in str(caught.value)
    assert not client.done
    assert not server.done


def test_nobody_can_change_where_a_server_was_reached() -> None:
    client, server = end("client"), end("server", where=ELSEWHERE)
    reply = server.receive(client.start())
    forged = reply.replace(b"10.0.0.1:4001", b"10.0.0.1:4000")
    assert forged != reply
    with pytest.raises(HandshakeError, match="another token"):
        client.receive(forged)


def test_another_kind_of_server_is_refused_and_both_are_named() -> None:
    client = end("client", kinds=["run"])
    with pytest.raises(HandshakeError) as caught:
        exchange(client, end("server", kinds=["head"]))
    assert str(caught.value) == (
        "it is the head of a cluster (`minimr start --head`), and not a "
        "MapReduce run (`minimr wordcount --listen`)"
    )
    assert not client.done


def test_one_of_the_kinds_that_a_client_may_talk_to_will_do() -> None:
    client = end("client", kinds=["head", "node"])
    exchange(client, end("server", kinds=["node"]))
    assert client.done
