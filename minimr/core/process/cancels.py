"""Cancelling: a task is stopped wherever it is.

    cancel(ref) ─┬─ its owner: waits ────> it fails, and those behind move up
                 │             runs ── Cancel ──> worker: KeyboardInterrupt
                 └─ others ── Abort ──> its owner

Rule: `force` ends the worker; one that does not listen is ended by its node.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from minimr.core import messages as m
from minimr.core.process.leases import Leases
from minimr.core.process.records import Lease, Task
from minimr.core.process.tasks import Tasks, cancelled
from minimr.net.endpoint import Link
from minimr.net.messages import Handler
from minimr.net.peer import Peer

FORCE_S = 1.0  # a worker has to obey a forced cancel that comes to it


class Cancels:
    """Stops tasks of this process. Methods: with the process's lock held."""

    def __init__(
        self,
        tasks: Tasks,
        leases: Leases,
        *,
        link: Link,
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._tasks = tasks
        self._leases = leases
        self._link = link
        self._later = later

    def handlers(self) -> list[Handler]:
        """List what owners are told."""
        return [m.Abort.to(self._on_abort)]

    def cancel(self, task: Task, force: bool, recursive: bool) -> None:
        """Stop a task, wherever it is."""
        if not task.waits:
            return
        if force and task.shape is None:
            raise ValueError("force=True is not supported for actor tasks.")
        task.cancelled = True
        lease = task.lease()
        if lease is not None:
            lease.peer.post(m.Cancel(task.id, force, recursive))
            if force:
                self._later(FORCE_S, partial(self._insist, lease, task))
            return
        self._tasks.finish(task, cancelled(task))
        if task.queue is not None:  # those behind it move up
            self._leases.dispatch(task.queue)

    def _insist(self, lease: Lease, task: Task) -> None:
        """End a worker that does not listen: a stopped one, or one in C."""
        runs = next(iter(lease.inflight), None) == task.id
        if runs and lease.node is not None:
            why = "cancel(force=True)"
            release = m.Release(lease.number, why, at_once=True)
            self._link(lease.node).post(release)

    def _on_abort(self, peer: Peer, abort: m.Abort) -> None:
        task = self._tasks.live.get(abort.id)
        if task is not None:
            self.cancel(task, abort.force, abort.recursive)

    def cancel_children(self, parent: bytes, force: bool) -> None:
        """Stop what a task of this process has submitted."""
        for task in [*self._tasks.live.values()]:
            if task.parent == parent:
                self.cancel(task, force and task.shape is not None, True)
