"""Both ends prove that they have the token before a byte is unpickled.

    client                                        server
      MAGIC, hello_c                     ──────>
                   <──────  MAGIC, hello_s, proof("server", both hellos)
      proof("client", both hellos)       ──────>
                                         <──────  WELCOME

    hello = the version of Python, the machine and the client's address; of a
            server also its kind and the address at which it was reached;
            and random bytes (a nonce)
    proof(role, hellos) = HMAC-SHA256(token, role + hello_c + hello_s)
    key(role, hellos)   = the same of "key of " + role; seals what that role
                          sends from now on (`seal.py`), unless the
                          connection stays on one machine

Rules:

1. The token itself never travels, and no proof can be used twice: each
   end puts its own random bytes in it.
2. The messages have fixed sizes, so that whatever talks to the port by
   mistake costs a few hundred bytes.
3. The proof is of this connection. A server names the address at which it
   was reached, and the client compares that with the one that it dialled. So
   a stranger that listens at an old port and relays everything to a live
   server is noticed. Even one that fakes addresses, too, does not have the
   keys: it can relay records, but alter none.
4. If both ends name the same machine and the same address of the client,
   nobody can be between them (`machine.name`), and nothing is sealed. Each
   end decides by the two hellos, so both decide the same, and for an altered
   hello there is no proof.
5. A server names its kind (`kinds.py`). A client that wants another leaves.
6. Functions travel as bytecode, which another minor version of Python does
   not understand, so it is refused.

A key exchange (X25519) would keep what was sent secret from whoever gets the
token later. Nothing here is secret: the records are sealed, not hidden.

No I/O here: `receive` takes the bytes that came, and returns those to send.
"""

from __future__ import annotations

import hmac
import logging
import platform
import struct
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from minimr.net.kinds import mismatch
from minimr.net.seal import Seal
from minimr.system import machine

MAGIC = b"minimr 4\n"
VERSION_BYTES = 16
KIND_BYTES = 16
PLACE_BYTES = 64
MACHINE_BYTES = 64
NONCE_BYTES = 32
_SIZES = (VERSION_BYTES, KIND_BYTES, PLACE_BYTES, PLACE_BYTES, MACHINE_BYTES)
_TEXTS = struct.Struct("".join(f"{size}s" for size in _SIZES))
HELLO_BYTES = _TEXTS.size + NONCE_BYTES
PROOF_BYTES = 32
WELCOME = b"+"

log = logging.getLogger(__name__)
_told: set[str] = set()  # versions that were warned of


class HandshakeError(ConnectionError):
    """The other end has another token or Python, or is not the one meant."""


class Ends(Protocol):
    """What a handshake needs of a socket."""

    def getsockname(self) -> Any:
        """Return the address of this end."""

    def getpeername(self) -> Any:
        """Return the address of the other end."""


class Handshake:
    """One end of a handshake, from the first byte to `done`.

    Args:
        role: "client", the end that has dialled, or "server".
        kinds: of a server its own kind; of a client all that it wants.
        ends: the socket, which is asked for its two addresses only.
        python: the version that this process runs.
        machine_name: returns the name of the machine that it runs on.

    Attributes:
        done: both proofs were right.
        rest: once it is done, bytes that came after the handshake.
    """

    def __init__(
        self,
        token: bytes,
        role: str,
        kinds: Sequence[str],
        ends: Ends,
        python: str = platform.python_version(),
        machine_name: Callable[[], str] | None = None,
    ) -> None:
        self.done = False
        self.rest = b""
        self._token = token
        self._role = role
        self._kinds = kinds
        self._ends = ends
        self._python = python
        self._machine = machine_name or machine.name
        self._hello = b""
        self._other = b""
        self._received = b""
        self._steps = {
            "client": [self._answer_challenge, self._take_welcome],
            "server": [self._challenge, self._take_proof],
        }[role]

    def start(self) -> bytes:
        """Return the first bytes to send: the client speaks first."""
        if self._role == "server":
            return b""
        client = _text(self._ends.getsockname())
        self._hello = _hello(self._python, "", "", client, self._machine())
        return MAGIC + self._hello

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the other end; return the bytes to answer.

        Raises:
            HandshakeError: close the connection, and do not answer.
        """
        self._received += data
        answer = b""
        while self._steps:
            reply = self._steps[0]()
            if reply is None:  # the step's message is not complete yet
                return answer
            del self._steps[0]
            answer += reply
        self.done, self.rest, self._received = True, self._received, b""
        return answer

    def _challenge(self) -> bytes | None:
        hello = self._take(len(MAGIC) + HELLO_BYTES)
        if hello is None:
            return None
        self._other = hello[len(MAGIC) :]
        self._hello = _hello(
            self._python,
            self._kinds[0],
            self._place(),
            _text(self._ends.getpeername()),
            self._machine(),
        )
        return MAGIC + self._hello + self._proof("server")

    def _answer_challenge(self) -> bytes | None:
        reply = self._take(len(MAGIC) + HELLO_BYTES + PROOF_BYTES)
        if reply is None:
            return None
        self._other = reply[len(MAGIC) : -PROOF_BYTES]
        self._check(reply[-PROOF_BYTES:], "server")
        self._check_server()
        return self._proof("client")

    def _take_proof(self) -> bytes | None:
        proof = self._take(PROOF_BYTES)
        if proof is None:
            return None
        self._check(proof, "client")
        return WELCOME

    def _take_welcome(self) -> bytes | None:
        welcome = self._take(len(WELCOME))
        return None if welcome is None else b""

    def _take(self, size: int) -> bytes | None:
        begin = self._received[: len(MAGIC)]
        if size > PROOF_BYTES and not MAGIC.startswith(begin):
            raise HandshakeError(
                f"the other end does not speak this protocol: it sent "
                f"{self._received[:16]!r}"
            )
        if len(self._received) < size:
            return None
        message = self._received[:size]
        self._received = self._received[size:]
        return message

    def sealing(self) -> Seal | None:
        """Return the seal of what this end sends, once it is done."""
        return self._seal(self._role)

    def checking(self) -> Seal | None:
        """Return the seal of what this end receives, once it is done."""
        return self._seal({"client": "server", "server": "client"}[self._role])

    def _seal(self, sender: str) -> Seal | None:
        mine, other = _read(self._hello)[3:], _read(self._other)[3:]
        if mine == other and all(mine):  # it stays on this machine
            return None
        return Seal(self._mac("key of " + sender))

    def _proof(self, role: str) -> bytes:
        return self._mac(role)

    def _mac(self, label: str) -> bytes:
        hellos = (self._hello, self._other)
        if self._role == "server":
            hellos = (self._other, self._hello)
        text = label.encode() + b"".join(hellos)
        return hmac.digest(self._token, text, "sha256")

    def _place(self) -> str:
        """Return the server's address, as this end sees it."""
        server = self._role == "server"
        ends = self._ends
        return _text(ends.getsockname() if server else ends.getpeername())

    def _check(self, proof: bytes, role: str) -> None:
        if not hmac.compare_digest(proof, self._proof(role)):
            raise HandshakeError(
                f"the {role} has another token: all processes of a cluster "
                "need a copy of the same token file"
            )
        other = _read(self._other)[0]
        if self._python.split(".")[:2] != other.split(".")[:2]:
            raise HandshakeError(
                f"the {role} runs Python {other}, and this process "
                f"{self._python}: all processes of a cluster need the same "
                "minor version"
            )
        if self._python != other and other not in _told:
            _told.add(other)
            log.warning(
                "the %s runs Python %s, we %s", role, other, self._python
            )

    def _check_server(self) -> None:
        _, kind, place, *_ = _read(self._other)
        if kind not in self._kinds:
            raise HandshakeError(mismatch(kind, self._kinds))
        if place != self._place():
            raise HandshakeError(
                f"the server was reached at {place}: somebody passes the "
                f"connection on from {self._place()}. If that is on purpose "
                "(a forwarded port, an address that is translated), dial "
                "the address where the server listens, or use a VPN"
            )


def _text(address: Any) -> str:
    return "{}:{}".format(*address[:2])


def _hello(*texts: str) -> bytes:
    fields = _TEXTS.pack(*[text.encode() for text in texts])
    return fields + machine.random_bytes(NONCE_BYTES)


def _read(hello: bytes) -> list[str]:
    """Return version, kind, place, the client's address, and the machine."""
    fields = _TEXTS.unpack_from(hello)
    return [text.rstrip(b"\0").decode(errors="replace") for text in fields]
