"""What the bytes of a connection say, for people: the names of messages.

    bytes that arrive ─> frames ─> the first name in each pickle

Nothing is unpickled: what a message holds belongs to who gets it.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from typing import Any

from minimr.net.frames import FrameReader
from minimr.net.handshake import (
    HELLO_BYTES,
    MAGIC,
    PROOF_BYTES,
    WELCOME,
)
from minimr.net.seal import Seal
from minimr.simulation.network import Stream

BEGIN = len(MAGIC) + HELLO_BYTES
CLIENT_BYTES = BEGIN + PROOF_BYTES  # of the handshake
SERVER_BYTES = BEGIN + PROOF_BYTES + len(WELCOME)


class Unsealed(Seal):
    """Takes every tag: we are not who it protects."""

    def __init__(self) -> None:
        pass

    def check(self, record: Any, tag: Any) -> None:
        """Look at neither."""


class Reader:
    """Reads along on all connections."""

    def __init__(self) -> None:
        self._shaking: dict[Stream, int] = {}  # bytes of it that are to come
        self._frames: dict[Stream, FrameReader] = {}

    def __call__(self, sender: Stream, data: bytes) -> list[str]:
        """Return the names of the messages that are complete now."""
        dialled = sender.dialled
        size = CLIENT_BYTES if dialled else SERVER_BYTES
        left = self._shaking.setdefault(sender, size)
        self._shaking[sender] = max(0, left - len(data))
        data = data[left:]
        if not data:
            return []
        if sender not in self._frames:
            near = sender.host == sender.other_host
            self._frames[sender] = FrameReader(None if near else Unsealed())
        frames = self._frames[sender].feed(data)
        return [name for parts in frames for name in _names(bytes(parts[0]))]


def _names(pickled: bytes) -> Iterator[str]:
    """Find what a pickle begins with: its class, or a text."""
    text = ""
    for operation, argument, _ in pickletools.genops(pickled):
        if operation.name == "STACK_GLOBAL":
            yield text
            return
        if isinstance(argument, str):
            text = argument
    if text:
        yield text
