"""What references stand for: values, owners, and who still counts on them.

    ObjectRef ──> Entry in the table of this process
                    owned:    value or places, borrowers, lineage
                    borrowed: a copy of what the owner answered

Rules (after Wang et al., "Ownership", NSDI 2021):

1. Who submits a task, or puts a value, owns the object: it alone knows
   where the value is, and decides when it is freed.
2. An owned object lives while a reference is left here (`handles`), or in
   a value or a task that holds one, or in a process that has borrowed it.
3. A process that receives a reference borrows it from the owner. Who sent
   it keeps its own until that borrowing is registered (`when_registered`).
4. An object made by a task keeps the task (its lineage), and the task
   keeps its inputs' entries, so that what is lost can be made again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.borrowing import Borrowing
from minimr.core.serialize import fail, outgoing
from minimr.exceptions import ObjectLostError, OwnerDiedError
from minimr.net.channel import Address

if TYPE_CHECKING:
    from minimr.core.runtime import Runtime
    from minimr.core.task import Task

# Entries whose reference has gone. The garbage collector runs `__del__` at
# any point of any thread, so nothing may be locked there.
released: deque[Entry] = deque()
wake_up: list[Callable[[], None]] = []  # of the runtime: to count down soon


class Entry:
    """One object as this process knows it."""

    __slots__ = (
        "asked",
        "borrowers",
        "contained",
        "handles",
        "id",
        "owner",
        "task",
        "uses",
        "value",
        "waiters",
    )

    def __init__(self, id: bytes, owner: Address | None, task: Any) -> None:
        self.id = id
        self.owner = owner  # None: this process
        self.value: m.Value | None = None  # None: not there yet
        self.handles = 0  # ObjectRefs in this process
        self.waiters: list[Callable[[Entry], None]] | None = None
        self.borrowers: set[bytes] | None = None  # {process}
        self.contained: list[ObjectRef] | None = None  # inside the value
        self.task: Task | None = task  # that makes it, or made it: lineage
        self.uses = 0  # entries whose lineage needs this one
        self.asked = False  # the owner was asked for the value


class ObjectRef:
    """A reference to an object that is there, or will be.

    Ray: `ray.ObjectRef`.
    """

    __slots__ = ("__weakref__", "entry")

    def __init__(self, entry: Entry) -> None:
        entry.handles += 1  # under the runtime's lock
        self.entry = entry

    def __del__(self) -> None:
        released.append(self.entry)
        for wake in wake_up:
            wake()

    def __hash__(self) -> int:
        return hash(self.entry.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectRef) and self.entry.id == other.entry.id

    def __repr__(self) -> str:
        return f"ObjectRef({self.hex()})"

    def __reduce__(self) -> tuple[Any, ...]:
        from minimr.core.runtime import current, revive

        outgoing.refs.append(self)
        owner = self.entry.owner or current().address
        return revive, (self.entry.id, owner)

    def __await__(self) -> Any:
        import asyncio

        return asyncio.wrap_future(self.future()).__await__()

    def binary(self) -> bytes:
        """Give the id."""
        return self.entry.id

    def hex(self) -> str:
        """Give the id in hexadecimal digits."""
        return self.entry.id.hex()

    def future(self) -> Any:
        """Give a `concurrent.futures.Future` of the value."""
        from minimr.core.runtime import current

        return current().values.future(self)


class Objects:
    """The table of all objects that this process owns or has borrowed."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.table: dict[bytes, Entry] = {}
        self.listeners: list[Callable[[Entry], None]] = []  # of all entries
        self.borrowing = Borrowing(runtime, self)

    def new(self, id: bytes, task: Task | None) -> ObjectRef:
        """Own a new object."""
        entry = self.table[id] = Entry(id, None, task)
        return ObjectRef(entry)

    def ref(self, id: bytes, owner: Address) -> ObjectRef:
        """Make the reference that was sent to us."""
        entry = self.table.get(id)
        if entry is None:
            mine = owner == self.runtime.address
            entry = Entry(id, None if mine else owner, None)
            if mine:  # its last reference was on its way: too late
                lost = ObjectLostError(f"object {id.hex()} was freed")
                entry.value = fail(lost)
            else:
                self.borrowing.to_borrow[owner].append(id)
            self.table[id] = entry
        return ObjectRef(entry)

    def name(self, ref: ObjectRef) -> m.Name:
        """Say a reference so that another process understands it."""
        return m.Name(ref.entry.id, ref.entry.owner or self.runtime.address)

    def fulfil(self, entry: Entry, value: m.Value) -> None:
        """Set the value of an object and tell who waits for it."""
        entry.value = value
        if isinstance(value, m.Inline | m.Stored):
            if value.refs and entry.contained is None:
                entry.contained = [self.ref(*name) for name in value.refs]
        elif entry.task is not None:
            self.forget_lineage(entry)  # it is not going to be lost
        waiters, entry.waiters = entry.waiters, None
        for waiter in waiters or ():
            waiter(entry)
        for listener in self.listeners[:]:
            listener(entry)

    def watch(self, entry: Entry, waiter: Callable[[Entry], None]) -> None:
        """Call the waiter when the value is there. Not yet: see `value`."""
        if entry.waiters is None:
            entry.waiters = []
        entry.waiters.append(waiter)
        if entry.owner is not None and not entry.asked:
            entry.asked = True
            self._ask_owner(entry, m.Locate(entry.id))

    def unwatch(self, entry: Entry, waiter: Callable[[Entry], None]) -> None:
        """Call the waiter no more."""
        if entry.waiters and waiter in entry.waiters:
            entry.waiters.remove(waiter)

    def missing(self, entry: Entry, place: Address | None) -> None:
        """A node has no copy any more: find another, or make it again."""
        value = entry.value
        if entry.owner is not None:
            entry.value = None
            self._ask_owner(entry, m.Missing(entry.id, place))
            return
        if isinstance(value, m.Stored):
            if place in value.places:
                value.places.remove(place)
            if not value.places:
                entry.value = None
                self.runtime.leases.recovery.recover(entry)

    def _ask_owner(self, entry: Entry, question: Any) -> None:
        def answered(value: Any) -> None:
            if not isinstance(value, bytes | m.Inline | m.Stored | m.Failed):
                text = f"the owner of object {entry.id.hex()} has died"
                value = fail(OwnerDiedError(text))
            self.fulfil(entry, value)

        assert entry.owner is not None
        link = self.runtime.link(entry.owner)
        self.runtime.ask(link, question, answered)

    # ---- counting ----

    def drain(self) -> None:
        """Count down for the references that have gone. Lock held."""
        while released:
            entry = released.popleft()
            entry.handles -= 1
            if entry.handles <= 0 and not entry.borrowers:
                self.drop(entry)

    def drop(self, entry: Entry) -> None:
        """Nobody has a reference: free the value. Lock held."""
        if self.table.get(entry.id) is not entry:
            return  # of a runtime that was shut down
        if entry.owner is not None:
            del self.table[entry.id]
            waiting = self.borrowing.to_borrow.get(entry.owner)
            if waiting and entry.id in waiting:
                waiting.remove(entry.id)
            elif self.runtime.known(entry.owner):
                link = self.runtime.link(entry.owner)
                link.post(m.Unborrow([entry.id]))
            return
        if isinstance(entry.value, m.Stored):
            for place in entry.value.places:
                self.runtime.link(place).post(m.Free([entry.id]))
            entry.value = m.Stored(entry.value.size, [], ())
        entry.contained = None
        self.runtime.actors.unreachable(entry.id)
        if not entry.uses:
            self._bury(entry)

    def _bury(self, entry: Entry) -> None:
        self.table.pop(entry.id, None)
        self.forget_lineage(entry)

    def keep_lineage(self, entry: Entry) -> None:
        """The object may be lost: its task's inputs are to be known."""
        assert entry.task is not None
        for needed in entry.task.inputs:
            needed.uses += 1

    def forget_lineage(self, entry: Entry) -> None:
        """The object needs to be made no more."""
        task, entry.task = entry.task, None
        if task is None or not task.kept:
            return
        for needed in task.inputs:
            needed.uses -= 1
            unused = needed.uses <= 0 and needed.handles <= 0
            if unused and not needed.borrowers:
                self._bury(needed)

    def node_lost(self, place: Address) -> None:
        """A node is dead: its copies are gone."""
        for entry in self.table.values():
            value = entry.value
            if isinstance(value, m.Stored) and place in value.places:
                value.places.remove(place)
