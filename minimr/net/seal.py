"""The record layer: each record of a stream has a tag that nobody can forge.

    sender    record ── tag(record) ──>  record │ tag   ── check ──  receiver
              counter n                                   counter n

A record is a header with a small message, or a piece of a large array
(`frames.py`). Its tag is AES-GCM without a plaintext (GMAC) over the record.
The key is of this connection and this direction; `handshake.py` derives it
from the token and from both ends' random bytes.

Rules:

1. No record is unpickled, and no memory is allocated for its sizes, before
   its tag is checked. Whoever relays a handshake without the token can only
   relay the records, too, or end the connection.
2. Both ends count the records, and the counter is part of the tag but not
   of the record. So a record that was left out, repeated or moved shows.
3. It is a seal, not an envelope: what is sent can be read on the way.

It costs 1 us per record and 1 ms per 20 MB; encryption would take another
pass over the memory, and a copy. A connection within one machine has no seal
(`handshake.py`). Ray: TLS, if the user sets it up.
"""

from __future__ import annotations

from hmac import compare_digest

from minimr.net.codec import Buffer

TAG_BYTES = 16


class SealError(ConnectionError):
    """A record was altered, or its sender does not have the token."""


class Seal:
    """One direction of a connection: makes the tags, or checks them.

    Args:
        key: 32 bytes, of this direction only.
    """

    def __init__(self, key: bytes) -> None:
        # Imported here: it takes 20 ms, and few connections need a seal.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._mac = AESGCM(key).encrypt
        self._count = 0  # of tags: the nonce, so never the same twice

    def tag(self, record: Buffer) -> bytes:
        """Return the tag of the next record."""
        self._count += 1
        return self._mac(self._count.to_bytes(12, "big"), b"", record)

    def check(self, record: Buffer, tag: Buffer) -> None:
        """Check the tag of the next record.

        Raises:
            SealError: use nothing of the record, and close the connection.
        """
        if not compare_digest(self.tag(record), tag):
            raise SealError(
                "a record was altered on its way, or its sender does not have "
                "the token"
            )
