"""Messages with nodes and with the control store."""

from __future__ import annotations

from typing import NamedTuple

from minimr.core.message_types import (
    Resources,
    Shape,
)
from minimr.net.channel import Address

# ---- owner -> node, and back -----------------------------------------------


class Demand(NamedTuple):
    """Owner -> node: how many more workers of a shape I can use now."""

    queue: int
    shape: Shape
    workers: int
    hops: int  # 1: another node sent me here


class Leased(NamedTuple):
    """Node -> owner: a worker is yours until `Release`."""

    queue: int
    lease: int
    worker: Address
    gpus: tuple[int, ...]


class Spilled(NamedTuple):
    """Node -> owner: ask that node for one of them."""

    queue: int
    node: Address


class Unschedulable(NamedTuple):
    """Node -> owner: no node can ever run this."""

    queue: int
    why: str


class Release(NamedTuple):
    """Owner -> node: a lease is over."""

    lease: int


class Reclaim(NamedTuple):
    """Node -> owner: others wait, give idle leases back; busy ones soon."""

    busy: bool


class Blocked(NamedTuple):
    """Worker -> node: the task waits (True) or goes on (False)."""

    waits: bool


class Obituary(NamedTuple):
    """Owner -> node: how did this worker die? => Death."""

    worker: Address


class Death(NamedTuple):
    """Node -> owner: how a worker ended."""

    why: str
    lease: int | None  # its last one; None: unknown
    begun: int  # tasks that it had begun in that lease


class Printed(NamedTuple):
    """Node -> driver: lines that workers of its job have printed."""

    pid: int
    node: str
    lines: list[str]
    error: bool
    name: str  # of the task


class Stop(NamedTuple):
    """Node -> worker: end. Control -> node: end with all workers."""

    why: str


# ---- process <-> node: the object store ------------------------------------


class Create(NamedTuple):
    """Process -> node: make room. => offset, or a text: why not."""

    id: bytes
    size: int
    owner: Address  # without it, nobody would free the object


class Seal(NamedTuple):
    """Process -> node: the object is complete."""

    id: bytes


class Fetch(NamedTuple):
    """Process -> node: bring it here and pin it. => offset or Missed."""

    id: bytes
    size: int
    places: list[Address]
    owner: Address


class Missed(NamedTuple):
    """Node -> process: that place has it no more; or the store is full."""

    place: Address | None
    why: str


class Unpin(NamedTuple):
    """Process -> node: nothing here reads it any more."""

    ids: list[bytes]


class Free(NamedTuple):
    """Owner -> node: nobody can reach these objects."""

    ids: list[bytes]


class Pull(NamedTuple):
    """Node -> node: a part of an object. => buffer, or None."""

    id: bytes
    begin: int
    end: int


# ---- node <-> control store ------------------------------------------------


class NodeInfo(NamedTuple):
    """What the cluster knows of a node."""

    id: str
    address: Address
    total: Resources
    available: Resources
    pid: int
    alive: bool
    store_bytes: int


class Report(NamedTuple):
    """Node -> control: I live, and this is what I have."""

    info: NodeInfo


class View(NamedTuple):
    """Control -> nodes: all nodes."""

    nodes: list[NodeInfo]


class NodeLost(NamedTuple):
    """Control -> nodes -> processes: a node is dead."""

    address: Address
    why: str


class Events(NamedTuple):
    """Worker -> control: what ran; pickled, unread until asked for."""

    blob: bytes


# ---- tools -> control ------------------------------------------------------


class Query(NamedTuple):
    """Anybody -> control or node: => a list of dicts, or whatever."""

    what: str
