"""A leased worker, and a queue of tasks that may run on it."""

from __future__ import annotations

import time
from collections import deque

from minimr.core import messages as m
from minimr.core.task import Task
from minimr.net.channel import Address
from minimr.net.peer import Peer


class Lease:
    """A worker that is ours for tasks of one shape."""

    __slots__ = (
        "defined",
        "done",
        "expiring",
        "inflight",
        "last",
        "node",
        "number",
        "peer",
        "queue",
        "spent",
        "window",
    )

    def __init__(
        self,
        queue: Queue,
        number: int,
        node: Address,
        peer: Peer,
        defined: set[bytes],
    ) -> None:
        self.queue = queue
        self.number = number
        self.node = node
        self.peer = peer
        self.defined = defined  # functions that this worker has
        self.inflight: dict[bytes, Task] = {}  # in the order they were sent
        self.done = 0
        self.window = 1
        self.last = time.monotonic()  # of an answer, or of leaving idleness
        self.expiring = False  # others wait: no new tasks
        self.spent = False  # SPREAD: it has had its task


class Queue:
    """Tasks of one shape, the leases for them, and what nodes were asked."""

    def __init__(self, number: int, shape: m.Shape, home: Address) -> None:
        self.number = number
        self.shape = shape
        self.home = home  # the node that is asked first
        self.tasks: deque[Task] = deque()
        self.leases: list[Lease] = []
        self.asked: dict[Address, int] = {}  # {node: workers not yet given}
