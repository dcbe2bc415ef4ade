"""One process of a program: what driver and worker have in common.

    api ──> Runtime ──┬── objects       what references stand for
                      ├── leases        tasks that we submitted
                      ├── actors        calls that we made
                      ├── store         large values of this node
                      └── pump          who reads the sockets

Rule: state changes under `lock`; nothing is sent or awaited under it.
"""

from __future__ import annotations

import itertools
import os
import sys
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from minimr.core import messages as m
from minimr.core.actor_calls import ActorCalls, Line
from minimr.core.endpoint import GONE, Endpoint
from minimr.core.exceptions import (
    RaySystemError,
)
from minimr.core.leases import Leases
from minimr.core.objects import Entry, ObjectRef, Objects, wake_up
from minimr.core.outcomes import Outcomes
from minimr.core.pump import Pump, Waiter
from minimr.core.store_client import StoreClient
from minimr.core.task import FIRST, Task
from minimr.core.values import Values
from minimr.net.channel import Address
from minimr.net.peer import Peer

_current: Runtime | None = None


def current() -> Runtime:
    """Give the runtime of this process.

    Raises:
        RaySystemError: `init` was not called.
    """
    if _current is None:
        raise RaySystemError(
            "minimr is not initialised: call minimr.init() first"
        )
    return _current


def set_current(runtime: Runtime | None) -> None:
    """Make a runtime the one of this process."""
    global _current
    _current = runtime
    wake_up[:] = [runtime.pump.nudge] if runtime is not None else []


def revive(id: bytes, owner: Address) -> ObjectRef:
    """Make a reference that was pickled by another process."""
    runtime = current()
    with runtime.lock:
        return runtime.objects.ref(id, owner)


class Runtime(Endpoint):
    """The part of a driver or a worker that talks to the cluster."""

    node: Peer

    def __init__(self, kind: str, token: bytes, host: str) -> None:
        super().__init__(kind, token, host)
        self.urgent = False  # something was posted that should not wait
        self.objects = Objects(self)
        self.leases = Leases(self)
        self.actors = ActorCalls(self)
        self.values = Values(self)
        self.outcomes = Outcomes(self)
        self.store: StoreClient
        self.unpinned: deque[bytes] = deque()  # filled by the collector
        self.welcome: m.Welcome
        self.printed: Callable[[m.Printed], None] = lambda printed: None
        # A worker's task that waits gives its CPU back meanwhile.
        self.blocking: Callable[[], AbstractContextManager[None] | None]
        self.blocking = lambda: None
        self.pump = Pump(self._step, self.hub.wake)
        # {task: the generator of references to what it yields}
        self.streams: weakref.WeakValueDictionary[bytes, Any]
        self.streams = weakref.WeakValueDictionary()
        self._counter = itertools.count(1)
        self.left = self._left
        self._register()

    def _register(self) -> None:
        leases, objects, actors = self.leases, self.objects, self.actors
        borrowing = objects.borrowing
        self.handlers |= {
            m.Done: self._on_done,
            m.Leased: leases.on_leased,
            m.Spilled: leases.on_spilled,
            m.Unschedulable: leases.on_unschedulable,
            m.Reclaim: leases.on_reclaim,
            m.Returned: leases.on_returned,
            m.Yielded: self._on_yielded,
            m.Cancel: self.on_cancel,
            m.Unborrow: borrowing.on_unborrow,
            m.Copied: borrowing.on_copied,
            m.ActorState: actors.on_state,
            m.NodeLost: self._on_node_lost,
            m.Printed: lambda peer, printed: self.printed(printed),
            m.Stop: lambda peer, stop: None,
        }
        self.answerers |= {
            m.Borrow: borrowing.on_borrow,
            m.Locate: borrowing.on_locate,
            m.Missing: borrowing.on_missing,
        }

    def _on_done(self, peer: Peer, done: m.Done) -> None:
        if type(done.results) is list and any(
            isinstance(value, m.Inline | m.Stored) and value.refs
            for value in done.results
        ):
            self._take_done(peer, done)
            landed = m.Landed(done.task)
            self.objects.borrowing.when_registered(lambda: peer.post(landed))
        else:
            self._take_done(peer, done)

    def _take_done(self, peer: Peer, done: m.Done) -> None:
        if not self.actors.on_done(done):
            self.leases.on_done(peer, done)

    def _on_yielded(self, peer: Peer, item: m.Yielded) -> None:
        stream = self.streams.get(item.task)
        if stream is not None:
            stream.arrived(item)
            if isinstance(item.value, m.Inline | m.Stored) and item.value.refs:
                landed = m.Landed(item.task)
                self.objects.borrowing.when_registered(
                    lambda: peer.post(landed)
                )

    def on_cancel(self, peer: Peer, cancel: m.Cancel) -> None:
        """A borrower wants a task of ours stopped."""
        entry = self.objects.table.get(cancel.task + FIRST)
        if entry is not None:
            self.cancel(entry.task, cancel.force, cancel.recursive)

    def cancel(self, task: Task | None, force: bool, recursive: bool) -> None:
        """Stop the task that makes an object. Lock held."""
        if task is None or not task.waits:
            return
        if task.lease is None:  # its inputs are not there yet
            task.cancelled = True
            self.outcomes.finish(task, task.cancelled_value())
        elif isinstance(task.lease, Line):
            if force:
                raise ValueError(
                    "force=True is not supported for actor tasks."
                )
            self.actors.cancel(task, force, recursive)
        else:
            self.leases.recovery.cancel(task, force, recursive)

    def attach(self, node: Peer) -> None:
        """Join the node. Blocks: until it has answered."""
        self.node = node
        welcome = self.call(node, m.Attach(), 30)
        if not isinstance(welcome, m.Welcome):
            raise RaySystemError(f"the node did not take us: {welcome}")
        self.welcome = welcome
        self.store = StoreClient(self, welcome.arena)

    def _step(self, timeout_s: float | None) -> None:
        self.drain()
        self.step(timeout_s)

    def drain(self) -> None:
        """Count down for references and arrays that have gone."""
        with self.lock:
            self.objects.drain()
            self.objects.borrowing.register()
            if self.unpinned:
                self.store.drain()

    def flush(self) -> None:
        """Send what should not wait. Lock not held."""
        if self.urgent:
            self.urgent = False
            self.hub.flush()

    def _on_node_lost(self, peer: Peer, lost: m.NodeLost) -> None:
        self.objects.node_lost(lost.address)
        self.drop_node(lost.address, lost.why)

    def _left(self, peer: Peer, why: str) -> None:
        self.objects.borrowing.peer_left(peer)
        self.leases.peer_left(peer, why)
        self.actors.peer_left(peer, why)
        if peer is getattr(self, "node", None):
            self.node_left(why)

    def node_left(self, why: str) -> None:
        """Our node is gone. Runs in: worker; a driver says so at `get`."""
        if self.kind == "worker":
            os._exit(1)

    # ---- questions ----

    def call(
        self, peer: Peer, question: Any, timeout_s: float | None = None
    ) -> Any:
        """Ask and wait. Blocks: until there is an answer, or time is up."""
        answers: list[Any] = []
        waiter = Waiter()

        def answered(body: Any) -> None:
            answers.append(body)
            waiter.finish()

        with self.lock:
            self.ask(peer, question, answered)
        self.hub.flush()
        self.pump.wait(waiter, timeout_s)
        return answers[0] if answers else GONE

    def control(self) -> Peer:
        """Give the link to the control store."""
        with self.lock:
            return self.link(self.welcome.head)

    # ---- ids and arguments ----

    def new_id(self) -> bytes:
        """Make an id: the process, and a counter."""
        return self.process + next(self._counter).to_bytes(6, "big")

    def handle(self, entry: Entry) -> ObjectRef:
        """Make one more reference to an entry. Lock held."""
        return ObjectRef(entry)

    # ---- the verbs ----

    def wait_for(self, waiter: Waiter, timeout_s: float | None) -> bool:
        """Wait, and give this task's CPU back if that takes long."""
        blocked = self.blocking()
        if blocked is None:
            return self.pump.wait(waiter, timeout_s)
        grace = 0.002
        if timeout_s is not None and timeout_s <= grace:
            return self.pump.wait(waiter, timeout_s)
        if self.pump.wait(waiter, grace):
            return True
        rest = None if timeout_s is None else timeout_s - grace
        with blocked or nullcontext():
            return self.pump.wait(waiter, rest)

    def close(self) -> None:
        """Leave the cluster. Blocks: until the last message is sent."""
        self.hub.flush()
        self.pump.close()
        self.hub.close()
        store = getattr(self, "store", None)  # none: no node took us
        if store is not None:
            store.close()


def write_output(printed: m.Printed) -> None:
    """Show at the driver what a worker has printed."""
    stream = sys.stderr if printed.error else sys.stdout
    head = f"({printed.name} pid={printed.pid}, node={printed.node})"
    stream.write("".join(f"{head} {line}\n" for line in printed.lines))
    stream.flush()
