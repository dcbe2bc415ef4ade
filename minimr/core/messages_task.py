"""Messages between the owner of an object, and who makes or reads it."""

from __future__ import annotations

from typing import NamedTuple

from minimr.core.message_types import (
    Failed,
    Name,
    Value,
)
from minimr.net.channel import Address

# ---- owner -> worker, and back ---------------------------------------------


class Define(NamedTuple):
    """Owner -> worker: a function or class, once per link."""

    key: bytes
    name: str
    blob: bytes


class Push(NamedTuple):
    """Owner -> worker: run a task. `Done` or `Returned` follows."""

    task: bytes
    function: bytes
    args: bytes  # pickled (args, kwargs), a `Slot` for each reference
    deps: tuple[tuple[Name, Value], ...]  # what goes into the slots
    returns: int  # -1: a generator
    attempt: int
    name: str


class Call(NamedTuple):
    """Owner -> actor: call a method. `Done` follows."""

    task: bytes
    method: str
    args: bytes
    deps: tuple[tuple[Name, Value], ...]
    returns: int
    attempt: int


class Granted(NamedTuple):
    """Owner -> worker, before its first push: the lease and its GPUs."""

    lease: int
    gpus: tuple[int, ...]
    hold: tuple[tuple[str, float], ...]


class Done(NamedTuple):
    """Worker -> owner: a task's results; plain bytes for one small one."""

    task: bytes
    results: bytes | Failed | list[Value]  # Failed: it raised


class Yielded(NamedTuple):
    """Worker -> owner: a generator has one more item."""

    task: bytes
    number: int  # from 1
    value: Value


class Returned(NamedTuple):
    """Worker -> owner: these had not begun, run them elsewhere."""

    tasks: list[bytes]


class Cancel(NamedTuple):
    """Owner -> worker: stop a task; with force, end the process."""

    task: bytes
    force: bool
    recursive: bool


# ---- anybody -> owner ------------------------------------------------------


class Locate(NamedTuple):
    """Reader -> owner: => Value, once there is one."""

    id: bytes


class Borrow(NamedTuple):
    """Borrower -> owner: I have references to these. => None."""

    ids: list[bytes]


class Landed(NamedTuple):
    """Receiver -> sender: the references of that value are registered."""

    task: bytes


class Unborrow(NamedTuple):
    """Borrower -> owner: I have none any more."""

    ids: list[bytes]


class Missing(NamedTuple):
    """Reader -> owner: that node had no copy. => Value, found or remade."""

    id: bytes
    place: Address | None  # None: we know of no place


class Copied(NamedTuple):
    """Reader -> owner: that node has a copy now."""

    id: bytes
    place: Address


class Attach(NamedTuple):
    """Driver or worker -> node: I belong to you. => Welcome."""


class Welcome(NamedTuple):
    """Node -> process: where it is."""

    node: str
    head: Address
    arena: tuple[int, int, int]  # process id, file descriptor, bytes
