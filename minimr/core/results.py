"""What a task is given and what it gives: unpickled here, pickled there.

    args, deps ─> arguments() ─> the call ─> reply() ─> Done, to the owner

Rule: a reference that travels in a result is kept here until the owner has
registered as its borrower (`Landed`).
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core import serialize
from minimr.core.objects import Entry
from minimr.core.task import object_id
from minimr.net.peer import Peer

if TYPE_CHECKING:
    from minimr.core.runtime import Runtime


class Slot:
    """Stands in the arguments where a reference was."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __reduce__(self) -> tuple[Any, ...]:
        return Slot, (self.index,)


class Results:
    """Reads arguments and sends results, for one worker."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.sent: dict[bytes, list[Any]] = {}  # references on their way

    def arguments(self, blob: bytes, deps: Any) -> tuple[Any, Any]:
        """Unpickle arguments, values in the place of references.

        Blocks: until large values are in this node's store.
        """
        if not blob:
            return (), {}
        args, kwargs = pickle.loads(blob)
        if deps:
            values = self._values(deps)
            args = [values[a.index] if type(a) is Slot else a for a in args]
            kwargs = {
                key: values[a.index] if type(a) is Slot else a
                for key, a in kwargs.items()
            }
        if self.runtime.objects.borrowing.to_borrow:
            self.runtime.drain()
        return args, kwargs

    def _values(self, deps: Any) -> list[Any]:
        runtime = self.runtime
        entries = []
        for name, value in deps:
            mine = name.owner == runtime.address
            entry = runtime.objects.table.get(name.id) if mine else None
            if entry is None:
                # Not in the table: who sent the task keeps it for us.
                entry = Entry(name.id, name.owner, None)
                entry.value = value
            entries.append(entry)
        blocks = runtime.values.fetch(entries, None)
        return [
            runtime.values.load(entry, blocks.get(entry)) for entry in entries
        ]

    def on_landed(self, peer: Peer, landed: m.Landed) -> None:
        """The owner has registered as borrower of what we sent."""
        self.sent.pop(landed.task, None)

    def reply(self, peer: Peer, task: m.Push | m.Call, result: Any) -> None:
        """Answer with a result. Blocks: a large one, for room."""
        if task.returns == 1:
            packed = serialize.pack(result)
            if (
                not packed.refs
                and not packed.buffers
                and len(packed.data) <= serialize.INLINE_BYTES
            ):
                peer.post(m.Done(task.task, packed.data))
                return
            all_packed = [packed]
        else:
            all_packed = [
                serialize.pack(part) for part in split(result, task.returns)
            ]
        owner = peer.data.address
        values = [
            self.runtime.values.encode(
                object_id(task.task, index), packed, owner
            )
            for index, packed in enumerate(all_packed)
        ]
        refs = [ref for packed in all_packed for ref in packed.refs]
        self._send(peer, task.task, m.Done(task.task, values), refs)

    def _send(
        self, peer: Peer, task: bytes, message: Any, refs: list[Any]
    ) -> None:
        if not refs:
            peer.post(message)
            return
        with self.runtime.lock:
            # Kept until the owner has registered as a borrower.
            self.sent.setdefault(task, []).extend(refs)
            self.runtime.objects.borrowing.when_registered(
                lambda: peer.post(message)
            )

    def generate(self, peer: Peer, task: m.Push | m.Call, items: Any) -> None:
        """Answer with what a generator yields, item by item."""
        owner = peer.data.address
        count = 0
        for count, item in enumerate(items, 1):
            packed = serialize.pack(item)
            id = object_id(task.task, count)
            value = self.runtime.values.encode(id, packed, owner)
            message = m.Yielded(task.task, count, value)
            self._send(peer, task.task, message, packed.refs)
            self.runtime.hub.flush()
        done = m.Done(task.task, serialize.pack(count).data)
        with self.runtime.lock:
            self.runtime.objects.borrowing.when_registered(
                lambda: peer.post(done)
            )

    def fail(self, peer: Peer, task: bytes, error: BaseException) -> None:
        """Answer with an error."""
        peer.post(m.Done(task, serialize.fail(error)))


def split(result: Any, count: int) -> list[Any]:
    """Cut a task's result into its `num_returns` objects.

    Raises:
        ValueError: there are more or fewer.
    """
    if count == 0:
        return []
    parts = list(result)
    if len(parts) != count:
        raise ValueError(
            f"the task has num_returns={count}, but gave {len(parts)} values"
        )
    return parts
