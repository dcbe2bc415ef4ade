"""One run of a task: what it is given, what it gives, and how it ends.

    args, deps ─> arguments() ─> the call ─> reply() ─> done, to the owner
                                    └─ it raises ─> Attempt ─> done, failed

Rule: a reference that travels in a result is kept here until the owner has
registered as its borrower, and so answers.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import time
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core import serialize
from minimr.core.pool import PROGRESS
from minimr.core.refs import Entry
from minimr.core.runtime import Running, Runtime, running
from minimr.core.serialize import Slot, fail
from minimr.core.tasks import object_id
from minimr.exceptions import (
    AsyncioActorExit,
    TaskCancelledError,
    task_error,
)
from minimr.net.peer import Peer

if TYPE_CHECKING:
    from minimr.core.worker import Executor


EVENTS_S = 0.5  # what ran is told to the control store
MAX_EVENTS = 1000


class ActorExit(BaseException):
    """Raised by `exit_actor` in a method."""


class Results:
    """Reads arguments and sends results, for one worker."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._events: list[m.Event] = []

    def arguments(self, blob: bytes, deps: Any) -> tuple[Any, Any]:
        """Unpickle arguments, values in the place of references.

        Blocks: until large values are in this node's store.
        """
        if not blob and not deps:
            return (), {}
        values = self._values(deps) if deps else []
        args, kwargs = pickle.loads(blob) if blob else values.pop()
        if values:
            args = [values[a.number] if type(a) is Slot else a for a in args]
            for key, arg in kwargs.items():
                if type(arg) is Slot:
                    kwargs[key] = values[arg.number]
        if self.runtime.objects.to_borrow:
            self.runtime.drain()
        return args, kwargs

    def _values(self, deps: Any) -> list[Any]:
        runtime, entries = self.runtime, []
        for (id, owner), value in deps:
            mine = owner == runtime.address
            entry = runtime.objects.table.get(id) if mine else None
            if entry is None:
                # Not in the table: who sent the task keeps it for us.
                entry = Entry(id, owner, None, value)
            entries.append(entry)
        blocks, load = runtime.values.fetch(entries, None), runtime.values.load
        return [load(entry, blocks.get(entry)) for entry in entries]

    def reply(self, peer: Peer, id: bytes, returns: int, result: Any) -> None:
        """Answer with a result. Blocks: a large one, for room."""
        owner, encode = peer.data.address, self.runtime.values.encode
        if returns < 0:
            count = 0
            for count, item in enumerate(result, 1):
                packed = serialize.pack(item)
                value = encode(object_id(id, count), packed, owner)
                self._send(peer, packed.refs, "yielded", id, count, value)
                self.runtime.hub.flush()
            self._send(peer, [], "done", id, serialize.pack(count).data)
            return
        parts = [result] if returns == 1 else serialize.split(result, returns)
        all_packed = [serialize.pack(part) for part in parts]
        values = [
            encode(object_id(id, index), packed, owner)
            for index, packed in enumerate(all_packed)
        ]
        if returns == 1 and type(values[0]) is bytes:
            peer.post(("done", id, values[0]))
            return
        refs = [ref for packed in all_packed for ref in packed.refs]
        self._send(peer, refs, "done", id, values)

    def _send(self, peer: Peer, refs: list[Any], *message: Any) -> None:
        """Send after all before it, when our references are registered."""
        runtime = self.runtime

        def send() -> None:
            if refs:  # kept by the question until it is answered
                runtime.ask(peer, lambda _: refs.clear(), *message)
            else:
                peer.post(message)

        with runtime.lock:
            runtime.objects.when_registered(send)

    def record(self, event: m.Event) -> None:
        """Note that a task has run."""
        self._events.append(event)
        if len(self._events) == 1:
            with self.runtime.lock:
                self.runtime.later(EVENTS_S, self._tell)
        elif len(self._events) >= MAX_EVENTS:
            with self.runtime.lock:
                self._tell()

    def _tell(self) -> None:
        events, self._events = self._events, []
        if events:
            node, row = self.runtime.welcome.node, f"worker {os.getpid()}"
            blob = pickle.dumps((node, row, [tuple(e) for e in events]))
            self.runtime.head().post(("events", blob))


class Attempt:
    """One run of a task: what is noted of it, and what ends it."""

    __slots__ = ("executor", "now", "peer", "times", "token")

    def __init__(self, executor: Executor, peer: Peer, now: Running) -> None:
        self.executor, self.peer, self.now = executor, peer, now

    def __enter__(self) -> Attempt:
        executor = self.executor
        executor.begun += 1
        about = (executor.lease, executor.begun, self.now.name.encode())
        PROGRESS.pack_into(executor.progress, 0, *about)
        self.token = running.set(self.now)
        if executor.threads is None and executor.loop is None:
            executor.now = self.now
        self.times = [time.time()]
        return self

    def mark(self) -> None:
        """A phase of the task has ended."""
        self.times.append(time.time())

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        executor, (id, name, _) = self.executor, self.now
        executor.now = None
        executor.cancelled.discard(id)
        running.reset(self.token)
        self.mark()
        event = m.Event("task", id, name, tuple(self.times), error is None)
        executor.results.record(event)
        if error is None:
            return True
        if isinstance(error, ActorExit | AsyncioActorExit):
            executor.leave()
        if isinstance(error, SystemExit):
            executor.quit(error)
        if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
            error = TaskCancelledError(f"{name}() was cancelled")
        else:
            error = task_error(name, error, os.getpid())
        self.peer.post(("done", id, fail(error)))
        return True
