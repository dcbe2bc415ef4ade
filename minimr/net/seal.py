"""The record layer: each piece of a stream has a tag that nobody can forge.

    sender    record ── tag(record) ──>  record │ tag   ── check ──  receiver
              counter n                                   counter n

A record is a header with a small message, or a piece of a large array
(`frames.py`). Its tag is AES-GCM without a text (GMAC) over
the record, under a key of this connection and this direction, which
`handshake.py` makes of the token and of both ends' random bytes.

Rules:

1. Nothing is unpickled, and no memory is taken, on the word of a record
   whose tag was not checked: whoever passes a handshake on without having
   the token can pass the records on as well, or end the connection.
2. A counter stands for each record, and travels in no record: what is left
   out, sent again, or put elsewhere has the wrong tag.
3. It is a seal, not an envelope: what is sent can be read on the way.

It costs 1 us a record and 1 ms for 20 MB, where encryption would take
another pass over the memory, and a copy of it. A connection that stays on
one machine has none (`handshake.py`). Ray: TLS, by hand.
"""

from __future__ import annotations

from hmac import compare_digest

from minimr.net.codec import Buffer

TAG_BYTES = 16


class SealError(ConnectionError):
    """A record was altered on its way, or nobody with the token made it."""


class Seal:
    """One direction of a connection: makes the tags, or checks them.

    Args:
        key: 32 bytes, of this direction only.
    """

    def __init__(self, key: bytes) -> None:
        # Here, as it takes 20 ms, and most connections stay on a machine.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._mac = AESGCM(key).encrypt
        self._count = 0  # of tags; no two may have the same

    def tag(self, record: Buffer) -> bytes:
        """Return the tag of the next record."""
        self._count += 1
        return self._mac(self._count.to_bytes(12, "big"), b"", record)

    def check(self, record: Buffer, tag: Buffer) -> None:
        """Take a record as the next one.

        Raises:
            SealError: close the connection, and use nothing of it.
        """
        if not compare_digest(self.tag(record), tag):
            raise SealError(
                "what came was altered on its way, or is of somebody who "
                "does not have the token"
            )
