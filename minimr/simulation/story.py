"""What the bytes of a connection say, for people: the names of messages.

    bytes that arrive ─> frames ─┬─ rung 1: a message, named by its class
                                 └─ rung 2: [("Push", id, ...), ...]

No class and no function that a pickle names is looked up: a `Stranger` is in
its place. What a message holds belongs to who gets it.
"""

from __future__ import annotations

import io
import pickle
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

Told = tuple[str, str, str]  # the name of a message, an id, a module


class Unsealed(Seal):
    """Takes every tag: we are not who it protects."""

    def __init__(self) -> None:
        pass

    def check(self, record: Any, tag: Any) -> None:
        """Look at neither."""


class Stranger:
    """Stands for what a pickle names, whatever that is."""

    arguments: tuple[Any, ...] = ()

    def __new__(cls, *arguments: Any, **options: Any) -> Stranger:
        """Take all that it is made of."""
        made = super().__new__(cls)
        made.arguments = arguments
        return made

    def __init__(self, *arguments: Any, **options: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Drop it."""

    extend = append


class Unpickler(pickle.Unpickler):
    """Gives tuples, lists, numbers and texts; the rest are strangers."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a class of that name that does nothing."""
        return type(name, (Stranger,), {"__module__": module})


class Reader:
    """Reads along on all connections."""

    def __init__(self) -> None:
        self._shaking: dict[Stream, int] = {}  # bytes of it that are to come
        self._frames: dict[Stream, FrameReader] = {}
        self._asked: dict[tuple[Stream | None, int], str] = {}

    def __call__(self, sender: Stream, data: bytes) -> dict[str, list[str]]:
        """Return the messages that are complete now.

        "says" has their names, "about" the id that each is about, or "",
        and "of" the module of each. An answer is named by its question.
        """
        dialled = sender.dialled
        size = CLIENT_BYTES if dialled else SERVER_BYTES
        left = self._shaking.setdefault(sender, size)
        self._shaking[sender] = max(0, left - len(data))
        data = data[left:]
        told: list[Told] = []
        if data:
            if sender not in self._frames:
                near = sender.host == sender.other_host
                self._frames[sender] = FrameReader(
                    None if near else Unsealed()
                )
            for parts in self._frames[sender].feed(data):
                file = io.BytesIO(parts[0])
                told += self._told(
                    sender, Unpickler(file, buffers=parts[1:]).load()
                )
        return {
            "says": [name for name, _, _ in told],
            "about": [about for _, about, _ in told],
            "of": [module for _, _, module in told],
        }

    def _told(self, sender: Stream, frame: Any) -> Iterator[Told]:
        if isinstance(frame, Stranger):
            yield type(frame).__name__, "", type(frame).__module__
            return
        for name, *fields in frame:
            if name == "Ask":
                number, name, fields = fields
                self._asked[sender, number] = name
            elif name == "Answer":
                asked = self._asked.pop((sender.twin, fields[0]), "?")
                name, fields = f"Answer to {asked}", []
            first = fields[0] if fields else None
            about = first.hex() if isinstance(first, bytes) else ""
            yield name, about, "minimr.core.messages"
