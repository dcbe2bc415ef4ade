"""Every message of the parameter server: the protocol on one page.

    client -> server   Start, Newest, Enter, Join, Leave, Pull, Push,
                       GetStats, Save; each is answered exactly once
    client -> server   Goodbye; not answered
    server -> client   Pulled, Done, Failed

A connection that ends without a Goodbye is the death of the workers that
used it last. A request that was sent and not answered may be sent again, on
another connection and to a server that was restarted: each means the same
the second time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from minimr.interface.parameter_server import Weights
from minimr.shared.parameter_server.consistency import Consistency, Update
from minimr.shared.parameter_server.weights import Pulled as Pulled
from minimr.shared.parameter_server.weights import Reading


class Start(NamedTuple):
    """driver -> server, first of all. Reply: Done."""

    weights: Weights  # of this server
    num_workers: int
    consistency: Consistency
    update: Update


class Newest(NamedTuple):
    """Which is the largest clock there ever was? Reply: Done."""


class Enter(NamedTuple):
    """How far is this worker? Reply: Done."""

    worker: int


class Join(NamedTuple):
    """Let a worker in at this clock. Reply: Done."""

    worker: int
    clock: int


class Leave(NamedTuple):
    """Wait for a worker no more. Reply: Done."""

    worker: int


class Pull(NamedTuple):
    """Read the weights, once this worker may. Reply: Pulled."""

    worker: int | None
    clocks: dict[int, int]  # {worker: ...} that the client knows
    since: Reading
    timeout_s: float


class Push(NamedTuple):
    """Count this update once. Reply: Done, when it has been counted."""

    worker: int
    clocks: dict[int, int]  # before this has counted
    update: Weights
    timeout_s: float


class GetStats(NamedTuple):
    """Reply: Done, with ServerStats."""


class Save(NamedTuple):
    """Write a checkpoint now. Reply: Done."""


class Goodbye(NamedTuple):
    """The connection ends, and its workers live on."""


class Done(NamedTuple):
    """server -> client: it is done, and this is the answer."""

    answer: Any = None


class Failed(NamedTuple):
    """server -> client: it cannot be done."""

    why: str


# What a client may ask for.
REQUESTS = (
    Start, Newest, Enter, Join, Leave, Pull, Push, GetStats, Save,
)  # fmt: skip

Reply = Pulled | Done | Failed
