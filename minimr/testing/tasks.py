"""Which task is the third, and where: what a driver sends to workers.

Leases ── Push ──> worker    noticed: Sent(number, name, worker, node)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from minimr.core.process.leases import Leases
from minimr.core.process.records import Lease, Task
from minimr.net.channel import Address
from minimr.net.messages import Caller

RUNS_S = 0.1  # a task that was sent has begun by then


class Sent(NamedTuple):
    """A task has been sent to a worker, which is of a node."""

    name: str
    worker: Address
    node: Address
    caller: Callable[[], Caller]  # who the worker has said that it is


@contextlib.contextmanager
def noticed(notice: Callable[[Sent], None]) -> Iterator[None]:
    """Be told of each task that a process of this interpreter sends."""
    push = Leases._push

    def push_and_tell(self: Leases, lease: Lease, task: Task) -> None:
        push(self, lease, task)
        if lease.node is not None:  # an actor is no task
            peer = lease.peer
            worker = peer.data.address
            notice(Sent(task.name, worker, lease.node, lambda: peer.data))

    Leases._push = push_and_tell  # type: ignore[method-assign]
    try:
        yield
    finally:
        Leases._push = push  # type: ignore[method-assign]
