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
import pickle
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from minimr.core import messages as m
from minimr.core import serialize
from minimr.core.actor_calls import ActorCalls, Line
from minimr.core.endpoint import GONE, Endpoint
from minimr.core.exceptions import (
    GetTimeoutError,
    RaySystemError,
    RayTaskError,
)
from minimr.core.leases import Leases
from minimr.core.objects import Entry, ObjectRef, Objects, wake_up
from minimr.core.pump import Pump, Waiter
from minimr.core.store_client import Block, StoreClient
from minimr.core.task import FIRST, Task, object_id
from minimr.net.channel import Address
from minimr.net.peer import Peer

LOCALITY_BYTES = 1 << 20  # arguments that a task is sent to

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
        self.handlers |= {
            m.Done: self._on_done,
            m.Leased: leases.on_leased,
            m.Spilled: leases.on_spilled,
            m.Unschedulable: leases.on_unschedulable,
            m.Reclaim: leases.on_reclaim,
            m.Returned: leases.on_returned,
            m.Yielded: self._on_yielded,
            m.Cancel: self.on_cancel,
            m.Unborrow: objects.on_unborrow,
            m.Copied: objects.on_copied,
            m.ActorState: actors.on_state,
            m.NodeLost: lambda peer, lost: objects.node_lost(lost.address),
            m.Printed: lambda peer, printed: self.printed(printed),
            m.Stop: lambda peer, stop: None,
        }
        self.answerers |= {
            m.Borrow: objects.on_borrow,
            m.Locate: objects.on_locate,
            m.Missing: objects.on_missing,
        }

    def _on_done(self, peer: Peer, done: m.Done) -> None:
        if type(done.results) is list and any(
            isinstance(value, m.Inline | m.Stored) and value.refs
            for value in done.results
        ):
            self._take_done(peer, done)
            landed = m.Landed(done.task)
            self.objects.when_registered(lambda: peer.post(landed))
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
                self.objects.when_registered(lambda: peer.post(landed))

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
            self.finish(task, task.cancelled_value())
        elif isinstance(task.lease, Line):
            if force:
                raise ValueError(
                    "force=True is not supported for actor tasks."
                )
            self.actors.cancel(task, force, recursive)
        else:
            self.leases.cancel(task, force, recursive)

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
            self.objects.register()
            if self.unpinned:
                self.store.drain()

    def flush(self) -> None:
        """Send what should not wait. Lock not held."""
        if self.urgent:
            self.urgent = False
            self.hub.flush()

    def _left(self, peer: Peer, why: str) -> None:
        self.objects.peer_left(peer)
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

    def when_ready(self, task: Task, run: Callable[[Task], None]) -> None:
        """Call `run` when the task's inputs are there. Lock held.

        An input that is an error is the task's result, and it is done.
        """
        waiting = [r.entry for r in task.refs if r.entry.value is None]
        left = len(waiting)

        def ready(entry: Entry) -> None:
            nonlocal left
            left -= 1
            failed = isinstance(entry.value, m.Failed)
            if task.waits and failed:
                self.finish(task, entry.value)
                run(task)
            elif task.waits and left == 0:
                run(task)

        for ref in task.refs:
            if isinstance(ref.entry.value, m.Failed):
                self.finish(task, ref.entry.value)
                break
        else:
            for entry in waiting:
                self.objects.watch(entry, ready)
        if not waiting or not task.waits:
            run(task)

    def deps(self, task: Task) -> tuple[tuple[m.Name, m.Value], ...]:
        """Give the inputs of a task as they are sent along."""
        if not task.refs:
            return ()
        name = self.objects.name
        return tuple((name(ref), ref.entry.value) for ref in task.refs)  # type: ignore[misc]

    def nearest(self, task: Task) -> Address:
        """Give the node that has most of a task's large inputs."""
        here: Address = self.node.data.address
        if not task.refs:
            return here
        weights = {here: LOCALITY_BYTES}
        for ref in task.refs:
            if isinstance(ref.entry.value, m.Stored):
                for place in ref.entry.value.places:
                    weights[place] = (
                        weights.get(place, 0) + ref.entry.value.size
                    )
        return max(weights, key=lambda place: weights[place])

    def finish(self, task: Task, results: Any) -> None:
        """Hand a task's results to its objects. Lock held."""
        task.waits = False
        if task.returns < 0 and type(results) is bytes:
            self._end_stream(task, results)
        if type(results) is bytes:  # the short form of one small value
            entry = self.objects.table.get(task.id + FIRST)
            if entry is not None:
                self.objects.fulfil(entry, results)
            task.refs, task.held = [], []
            return
        if isinstance(results, m.Failed):
            results = [results] * abs(task.returns)
        if task.returns < 0:
            self._end_stream(task, results[0])
        self._keep_lineage(task, results)
        for index, value in enumerate(results):
            self._deliver(task, index, value)
        task.refs = []
        if not task.kept:
            task.held = []

    def _end_stream(self, task: Task, end: m.Value) -> None:
        stream = self.streams.get(task.id)
        if stream is not None:
            stream.ended(end)

    def _keep_lineage(self, task: Task, results: list[m.Value]) -> None:
        if task.kept or not any(isinstance(v, m.Stored) for v in results):
            return
        task.inputs = [ref.entry for ref in task.refs]
        task.kept = True
        for index in range(len(results)):
            entry = self.objects.table.get(object_id(task.id, index))
            if entry is not None:
                self.objects.keep_lineage(entry)

    def _deliver(self, task: Task, index: int, value: m.Value) -> None:
        entry = self.objects.table.get(object_id(task.id, index))
        if entry is not None:
            self.objects.fulfil(entry, value)
        elif isinstance(value, m.Stored):  # nobody waits for it any more
            for place in value.places:
                self.link(place).post(m.Free([object_id(task.id, index)]))

    # ---- the verbs ----

    def put(self, value: Any) -> ObjectRef:
        """Own a value. Blocks: a large one until the node has made room."""
        packed = serialize.pack(value)
        id = self.new_id() + FIRST
        sent = self.encode(id, packed, self.address)
        with self.lock:
            ref = self.objects.new(id, None)
            ref.entry.value = sent
            ref.entry.contained = packed.refs or None
            self.objects.drain()
        return ref

    def encode(
        self, id: bytes, packed: serialize.Packed, owner: Address
    ) -> m.Value:
        """Choose how a value is kept: here, or in the object store."""
        if packed.size() > serialize.INLINE_BYTES:
            return self.store.put(id, packed, owner)
        if not packed.refs and not packed.buffers:
            return packed.data
        names = tuple(map(self.objects.name, packed.refs))
        buffers = tuple(bytes(part) for part in packed.buffers)
        return m.Inline(packed.data, buffers, names)

    def get(
        self, refs: Sequence[ObjectRef], timeout_s: float | None
    ) -> list[Any]:
        """Give the values. Blocks: until they are here."""
        entries = [ref.entry for ref in refs]
        until = None if timeout_s is None else time.monotonic() + timeout_s
        self._await_values(entries, timeout_s)
        if until is not None:
            timeout_s = max(0.0, until - time.monotonic())
        blocks = self._fetch(entries, timeout_s)
        return [self.load(entry, blocks.get(entry)) for entry in entries]

    def _await_values(
        self, entries: list[Entry], timeout_s: float | None
    ) -> None:
        waiting = [entry for entry in entries if entry.value is None]
        if not waiting:
            return
        waiter = Waiter(len(waiting))

        def ready(entry: Entry) -> None:
            # An error ends the wait at once, as in Ray.
            if type(entry.value) is m.Failed:
                waiter.finish()
            else:
                waiter.notify()

        self._watch_all(waiting, ready)
        if not self.wait_for(waiter, timeout_s):
            with self.lock:
                for entry in waiting:
                    self.objects.unwatch(entry, ready)
            missing = sum(entry.value is None for entry in entries)
            raise GetTimeoutError(
                f"get() timed out after {timeout_s} s: {missing} of "
                f"{len(entries)} objects are not there yet"
            )
        for entry in entries:
            if type(entry.value) is m.Failed:
                self.load(entry, None)

    def _watch_all(
        self, entries: list[Entry], ready: Callable[[Entry], None]
    ) -> None:
        with self.lock:
            for entry in entries:
                if entry.value is None:
                    self.objects.watch(entry, ready)
                else:
                    ready(entry)
        self.hub.flush()

    def _fetch(
        self, entries: list[Entry], timeout_s: float | None
    ) -> dict[Entry, Any]:
        stored = {e for e in entries if isinstance(e.value, m.Stored)}
        if not stored:
            return {}
        blocks: dict[Entry, Any] = {}
        waiter = Waiter(len(stored))
        with self.lock:
            for entry in stored:

                def fetched(block: Any, entry: Entry = entry) -> None:
                    blocks[entry] = block
                    waiter.notify()

                self.store.fetch(entry, fetched)
        self.hub.flush()
        if not self.wait_for(waiter, timeout_s):
            raise GetTimeoutError(f"get() timed out after {timeout_s} s")
        return blocks

    def load(self, entry: Entry, block: Block | m.Failed | None) -> Any:
        """Unpickle a value that is there, or raise its error."""
        value = block if isinstance(block, m.Failed) else entry.value
        if type(value) is bytes:
            return pickle.loads(value)
        if isinstance(value, m.Failed):
            error = pickle.loads(value.error)
            if isinstance(error, RayTaskError):
                error = error.as_instanceof_cause()
            raise error
        if isinstance(block, Block):
            loaded = serialize.read(block.memory)
        else:
            assert isinstance(value, m.Inline)
            loaded = serialize.unpack(value.data, value.buffers)
        if self.objects._to_borrow:
            self.drain()
        return loaded

    def wait(
        self,
        refs: Sequence[ObjectRef],
        num_returns: int,
        timeout_s: float | None,
    ) -> tuple[list[ObjectRef], list[ObjectRef]]:
        """Split into ready and not ready. Blocks: until enough are ready."""
        found = self._ready(refs, num_returns)
        if len(found) < num_returns:
            waiting = [r.entry for r in refs if r.entry.value is None]
            # Some may have become ready since they were looked at.
            needed = num_returns - (len(refs) - len(waiting))
            waiter = Waiter(needed)
            ready = waiter.notify
            self._watch_all(waiting, ready)
            self.wait_for(waiter, timeout_s)
            with self.lock:
                for entry in waiting:
                    self.objects.unwatch(entry, ready)
            found = self._ready(refs, num_returns)
        if found == list(range(len(found))):  # the first ones, mostly
            return list(refs[: len(found)]), list(refs[len(found) :])
        chosen = set(found)
        rest = [ref for i, ref in enumerate(refs) if i not in chosen]
        return [refs[index] for index in found], rest

    def _ready(self, refs: Sequence[ObjectRef], count: int) -> list[int]:
        found: list[int] = []
        for index, ref in enumerate(refs):
            if ref.entry.value is not None:
                found.append(index)
                if len(found) == count:
                    break
        return found

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

    def future(self, ref: ObjectRef) -> Future[Any]:
        """Give a future of a value; it is set by the pumping thread."""
        future: Future[Any] = Future()

        def fetched(block: Any) -> None:
            try:
                future.set_result(self.load(ref.entry, block))
            except BaseException as error:  # noqa: BLE001  # the task's
                future.set_exception(error)

        with self.lock:
            self.store.fetch(ref.entry, fetched)
        self.hub.flush()
        return future

    def close(self) -> None:
        """Leave the cluster. Blocks: until the last message is sent."""
        self.hub.flush()
        self.pump.close()
        self.hub.close()


def write_output(printed: m.Printed) -> None:
    """Show at the driver what a worker has printed."""
    stream = sys.stderr if printed.error else sys.stdout
    head = f"({printed.name} pid={printed.pid}, node={printed.node})"
    stream.write("".join(f"{head} {line}\n" for line in printed.lines))
    stream.flush()
