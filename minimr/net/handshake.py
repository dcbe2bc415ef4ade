"""Both ends prove that they have the token before a byte is unpickled.

    client                                        server
      MAGIC, hello_c                     ──────>
                   <──────  MAGIC, hello_s, proof("server", both hellos)
      proof("client", both hellos)       ──────>
                                         <──────  WELCOME

    hello = the version of Python, and random bytes (a nonce)
    proof(role, hellos) = HMAC-SHA256(token, role + hello_c + hello_s)

Rules:

1. The token itself never travels, and no proof can be used twice: each
   end put its own random bytes in it.
2. The messages have fixed sizes, so that whatever talks to the port by
   mistake costs a few dozen bytes.
3. A proof says who is there. It does not hide what follows: on a network
   that others can read, use a tunnel.
4. Functions travel as bytecode, which another minor version of Python does
   not understand: such ends do not get together.

No I/O here: bytes come in by `receive`, what it returns goes out.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import platform
import secrets

MAGIC = b"minimr 2\n"
VERSION_BYTES = 16
NONCE_BYTES = 32
HELLO_BYTES = VERSION_BYTES + NONCE_BYTES
PROOF_BYTES = 32
WELCOME = b"+"

log = logging.getLogger(__name__)
_told: set[str] = set()  # other versions that were warned of


class HandshakeError(ConnectionError):
    """The other end has another protocol, token or version of Python."""


class Handshake:
    """One end of a handshake, from the first byte to `done`.

    Args:
        role: "client", who has dialled, or "server".
        python: the version that this process runs.

    Attributes:
        done: both proofs were right.
        rest: bytes that came after the handshake, once it is done.
    """

    def __init__(
        self, token: bytes, role: str, python: str = platform.python_version()
    ) -> None:
        self.done = False
        self.rest = b""
        self._token = token
        self._role = role
        version = python.encode()[:VERSION_BYTES].ljust(VERSION_BYTES, b"\0")
        self._hello = version + secrets.token_bytes(
            HELLO_BYTES - VERSION_BYTES
        )
        self._other = b""
        self._received = b""
        self._steps = {
            "client": [self._answer_challenge, self._take_welcome],
            "server": [self._challenge, self._take_proof],
        }[role]

    def start(self) -> bytes:
        """Give the first bytes to send: the client speaks first."""
        return MAGIC + self._hello if self._role == "client" else b""

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the other end; give the bytes to answer.

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
        return MAGIC + self._hello + self._proof("server")

    def _answer_challenge(self) -> bytes | None:
        reply = self._take(len(MAGIC) + HELLO_BYTES + PROOF_BYTES)
        if reply is None:
            return None
        self._other = reply[len(MAGIC) : -PROOF_BYTES]
        self._check(reply[-PROOF_BYTES:], "server")
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

    def _proof(self, role: str) -> bytes:
        hellos = (self._hello, self._other)
        if self._role == "server":
            hellos = (self._other, self._hello)
        text = role.encode() + b"".join(hellos)
        return hmac.new(self._token, text, hashlib.sha256).digest()

    def _check(self, proof: bytes, role: str) -> None:
        if not hmac.compare_digest(proof, self._proof(role)):
            raise HandshakeError(
                f"the {role} has another token: all processes of a cluster "
                "need a copy of the same token file"
            )
        mine, other = (
            hello[:VERSION_BYTES].rstrip(b"\0").decode(errors="replace")
            for hello in (self._hello, self._other)
        )
        if mine.split(".")[:2] != other.split(".")[:2]:
            raise HandshakeError(
                f"the {role} runs Python {other}, and this process {mine}: "
                "all processes of a cluster need the same minor version"
            )
        if mine != other and other not in _told:
            _told.add(other)
            log.warning("the %s runs Python %s, we %s", role, other, mine)
