"""What messages are made of: shapes, jobs, names and values."""

from __future__ import annotations

from typing import Any, NamedTuple

from minimr.net.channel import Address

Resources = dict[str, float]


class Shape(NamedTuple):
    """What a worker has to have: leases of one shape are exchangeable."""

    resources: tuple[tuple[str, float], ...]
    strategy: tuple[Any, ...] | None  # ("SPREAD",), ("node", id, soft)
    env: tuple[tuple[str, str], ...]  # environment variables of the worker


class Job(NamedTuple):
    """What the workers of one driver have in common."""

    id: str
    sys_path: tuple[str, ...]
    directory: str
    namespace: str
    env: tuple[tuple[str, str], ...]


# ---- values ---------------------------------------------------------------


class Inline(NamedTuple):
    """A small value that travels itself. Plain `bytes` is its short form."""

    data: bytes
    buffers: tuple[bytes, ...]
    refs: tuple[Name, ...]  # references that the value contains


class Stored(NamedTuple):
    """A large value in the object stores of some nodes."""

    size: int
    places: list[Address]  # nodes that have a copy
    refs: tuple[Name, ...]


class Failed(NamedTuple):
    """There is no value: a pickled exception instead."""

    error: bytes


class Name(NamedTuple):
    """A reference on its way: which object, and who owns it."""

    id: bytes
    owner: Address


Value = bytes | Inline | Stored | Failed
