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
   keeps its inputs' entries, even those that nobody can reach any more: so
   what is lost can be made again. Inputs that nothing makes again, it keeps
   alive.
5. A copy that somebody could not get is not counted on any more, and is
   freed: it may be there all the same.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from minimr.core import messages as m
from minimr.core.process.records import Entry, ObjectRef, References, Task
from minimr.core.process.unhandled_errors import Unhandled, look
from minimr.core.serialization import as_failed
from minimr.exceptions import (
    ObjectLostError,
    ObjectReconstructionFailedError,
    OwnerDiedError,
)
from minimr.net.channel import Address
from minimr.net.endpoint import NOBODY, AskFunction, Link
from minimr.net.messages import GONE, Handler, Reply
from minimr.net.peer import Peer


class Objects:
    """The table of all objects that this process owns or has borrowed.

    Runs in: driver and worker. All methods: with the process's lock held.

    Args:
        links: {address: the link to it}; `link` makes one.
        in_turn: makes calls, and those that they lead to after them.
        resubmit: runs a task again.
        unneeded: is told when nobody has a result of a task any more.
    """

    def __init__(
        self,
        references: References,
        unhandled: Unhandled,
        *,
        links: Mapping[Address, Peer],
        link: Link,
        ask: AskFunction,
        in_turn: Callable[..., None],
        resubmit: Callable[[Task], None],
        unneeded: Callable[[Task], None],
    ) -> None:
        self.references = references
        self.unhandled = unhandled
        self._links = links
        self._link = link
        self._ask = ask
        self._in_turn = in_turn
        self._resubmit = resubmit
        self._unneeded = unneeded
        self.table: dict[bytes, Entry] = {}
        self.failures = 0  # values that were errors
        self.to_borrow: defaultdict[Address, list[bytes]] = defaultdict(list)
        self.registering: set[int] = set()  # questions to owners under way
        self._numbers = itertools.count()  # of them
        # What is called when those have been answered, the oldest first.
        self._after: list[tuple[set[int], Callable[[], None]]] = []

    def new(self, id: bytes, task: Task | None) -> ObjectRef:
        """Own a new object."""
        entry = self.table[id] = Entry(id, None, task, self.references)
        return ObjectRef(entry)

    def ref(self, id: bytes, owner: Address) -> ObjectRef:
        """Make the reference that was sent to us."""
        entry = self.table.get(id)
        if entry is None:
            entry = self.table[id] = Entry(id, owner, None, self.references)
            if owner == self.references.address:
                entry.owner = None
                lost = ObjectLostError(f"object {id.hex()} was freed")
                entry.value = as_failed(lost)  # the reference came too late
            else:
                self.to_borrow[owner].append(id)
        return ObjectRef(entry)

    def received(self, name: m.Name, value: m.Value) -> Entry:
        """Return the entry of an argument that somebody keeps for us."""
        id, owner = name
        mine = owner == self.references.address
        known = self.table.get(id) if mine else None
        return known or Entry(id, owner, None, self.references, value)

    def to_wire(self, ref: ObjectRef) -> m.Name:
        """Return a reference as another process understands it."""
        return (ref.entry.id, ref.entry.owner or self.references.address)

    def inputs(self, task: Task) -> tuple[tuple[m.Name, Any], ...]:
        """Return the arguments of a task as they are sent along."""
        name = self.to_wire
        return tuple((name(ref), ref.entry.value) for ref in task.refs)

    # ---- values ----

    def fulfil(self, entry: Entry, value: m.Value) -> None:
        """Set the value of an object and tell who waits for it."""
        entry.value, kind = value, type(value)
        if kind is not m.Stored:
            entry.task = None  # it is not going to be lost
        if kind is not bytes:
            self._note(entry, value)
        if entry.waiters:
            waiters, entry.waiters = entry.waiters, None
            self._in_turn(*(partial(waiter, entry) for waiter in waiters))

    def _note(self, entry: Entry, value: m.Value) -> None:
        """Count what a value contains, or an error that somebody has."""
        if isinstance(value, m.Inline | m.Stored):
            if value.refs and entry.contained is None:
                entry.contained = [self.ref(*name) for name in value.refs]
        elif isinstance(value, m.Failed):
            self.failures += 1
            if entry.owner is None:
                self.unhandled.hold(value)

    def made(self, id: bytes, value: m.Value) -> None:
        """A task has made an object: perhaps once more, or for nobody."""
        entry = self.table.get(id)
        if entry is not None and entry.value is None:
            self.fulfil(entry, value)
        elif isinstance(value, m.Stored):
            for place in value.places:
                self.copied(id, place)

    def watch(self, entry: Entry, waiter: Callable[[Entry], None]) -> None:
        """Call the waiter when the value is there, at once if it is."""
        if entry.value is not None:
            waiter(entry)
            return
        if entry.waiters is None:
            entry.waiters = []
        entry.waiters.append(waiter)
        self.want(entry)

    def want(self, entry: Entry, missing_at: Address | None = None) -> None:
        """Ask the owner of a borrowed object for its value, once."""
        if entry.owner is None or entry.asked or entry.value is not None:
            return

        def answered(value: Any) -> None:
            entry.asked = False
            if value == GONE:
                text = f"the owner of object {entry.id.hex()} has died"
                value = as_failed(OwnerDiedError(text))
            self.fulfil(entry, value)

        entry.asked = True
        owner = self._link(entry.owner)
        self._ask(owner, answered, m.Locate(entry.id, missing_at))

    # ---- what is lost ----

    def missing(self, entry: Entry, place: Address | None) -> None:
        """A node has no copy any more: find another, or make it again."""
        if entry.owner is not None:
            entry.value = None
            self.want(entry, place)
        elif isinstance(entry.value, m.Stored):
            places = entry.value.places
            stray = place if place in places else None
            if stray is not None:
                places.remove(stray)
            if not places:
                entry.value = None
                self._recover(entry)
            if stray is not None:
                self._free_stray(entry, stray)

    def _free_stray(self, entry: Entry, place: Address) -> None:
        """Free a copy that nobody counts on, but that may be there.

        It was out of reach, as over a link that broke. What is made again,
        perhaps there as well, is not freed before it is known where it is.
        """
        if entry.task is not None and entry.task.waits:
            entry.task.strays += (place,)
        elif place in self._links:
            self.free(entry.id, [place])

    def find_again(self, entry: Entry) -> None:
        """See to it that there is, or will be, a copy of an object."""
        if _is_lost(entry):
            self.missing(entry, None)

    def node_lost(self, place: Address) -> None:
        """A node is dead: its copies are gone."""
        for entry in self.table.values():
            value = entry.value
            if isinstance(value, m.Stored) and place in value.places:
                value.places.remove(place)

    def _recover(self, entry: Entry) -> None:
        """Run the task again that made a lost object."""
        task, lost = entry.task, f"object {entry.id.hex()} is lost"
        error: Exception
        if task is None:
            why = "its node died, and only results of tasks can be made again"
            error = ObjectLostError(f"{lost}: {why}")
        elif task.retries == 0:
            text = f"{lost}, and {task.name}() has no retry left"
            error = ObjectReconstructionFailedError(text)
        else:
            if not task.waits:
                task.waits = True
                self._in_turn(partial(self._rerun, task))
            return
        self.fulfil(entry, as_failed(error))

    def _rerun(self, task: Task) -> None:
        task.count_retry()
        task.ready = False
        task.refs = [ObjectRef(entry) for entry in task.inputs]
        for id in task.result_ids():
            other = self.table.get(id)
            if other is not None and _is_lost(other):
                other.value = None
        for entry in task.inputs:
            if entry.owner is None:  # it may have been out of reach
                self.table[entry.id] = entry
        self._resubmit(task)

    # ---- the owner's side of borrowing ----

    def handlers(self) -> list[Handler]:
        """List what owners are told and asked."""
        return [
            m.Locate.to(self._on_locate),
            m.Borrow.to(self._on_borrow),
            m.Unborrow.to(self._on_unborrow),
            m.Register.to(self._on_register),
            m.Copied.to(self._on_copied),
        ]

    def _on_locate(
        self, peer: Peer, locate: m.Locate, reply: Reply[m.Value]
    ) -> None:
        entry = self.table.get(locate.id)
        if entry is None:
            text = f"object {locate.id.hex()} was freed by its owner"
            reply(as_failed(ObjectLostError(text)))
            return
        if isinstance(entry.value, m.Stored):
            self.missing(entry, locate.place)
        self.watch(entry, partial(self._pass_on, reply))

    def _pass_on(self, reply: Reply[m.Value], entry: Entry) -> None:
        assert entry.value is not None
        look(entry.value)  # who has asked looks after it
        reply(entry.value)

    def _on_borrow(
        self, peer: Peer, borrow: m.Borrow, reply: Reply[None]
    ) -> None:
        process = peer.data.process
        for id in borrow.ids:
            entry = self.table.get(id)
            if entry is not None:
                entry.borrowers = (entry.borrowers or set()) | {process}
        reply(None)

    def _on_unborrow(self, peer: Peer, unborrow: m.Unborrow) -> None:
        process = peer.data.process
        for id in unborrow.ids:
            entry = self.table.get(id)
            if entry is not None and entry.borrowers:
                entry.borrowers.discard(process)
                self._drop_unused(entry)

    def _on_copied(self, peer: Peer, copied: m.Copied) -> None:
        self.copied(copied.id, copied.place)

    def copied(self, id: bytes, place: Address) -> None:
        """A node has a copy: count on it, or let it go."""
        entry = self.table.get(id)
        if entry is None or not isinstance(entry.value, m.Stored):
            self.free(id, [place])
        elif place not in entry.value.places:
            entry.value.places.append(place)

    def left(self, peer: Peer, why: str) -> None:
        """A process is gone, and so are the references that it had."""
        lent = [id for id, entry in self.table.items() if entry.borrowers]
        self._on_unborrow(peer, m.Unborrow(lent))

    # ---- the borrower's side ----

    def register(self) -> None:
        """Register received references with their owners."""
        while self.to_borrow:
            owner, ids = self.to_borrow.popitem()
            number = next(self._numbers)
            self.registering.add(number)
            answered = partial(self._registered, number)
            self._ask(self._link(owner), answered, m.Borrow(ids))

    def _registered(self, number: int, _: Any) -> None:
        self.registering.discard(number)
        waiting, self._after = self._after, []
        for numbers, function in waiting:
            numbers.discard(number)
            if numbers:
                self._after.append((numbers, function))
            else:
                function()

    def _on_register(
        self, peer: Peer, question: m.Register, reply: Reply[None]
    ) -> None:
        self.when_registered(partial(reply, None))

    def when_registered(self, function: Callable[[], None]) -> None:
        """Call it when every reference that we hold is known to its owner.

        Later ones are not waited for, and calls keep their order.
        """
        self.register()
        if self.registering:
            self._after.append((set(self.registering), function))
        else:
            function()

    # ---- counting ----

    def drain(self) -> None:
        """Count the references that have come, and those that have gone."""
        self.register()
        released = self.references.released
        while released:
            entry = released.popleft()
            entry.handles -= 1
            self._drop_unused(entry)

    def _drop_unused(self, entry: Entry) -> None:
        is_known = self.table.get(entry.id) is entry  # or was dropped before
        if entry.handles > 0 or entry.borrowers or not is_known:
            return
        del self.table[entry.id]
        if entry.owner is not None:
            if entry.owner in self._links:
                self._link(entry.owner).post(m.Unborrow([entry.id]))
            return
        if isinstance(entry.value, m.Stored):
            self.free(entry.id, entry.value.places)
            entry.value = entry.value._replace(places=[], refs=())
        elif type(entry.value) is m.Failed:
            self.unhandled.let_go(entry.value)
        entry.contained = None
        if entry.task is not None:
            self._unneeded(entry.task)

    def close(self) -> None:
        """Leave nothing behind that a reference of this session gives."""
        self.references.close()
        text = "the reference is of an earlier init(): its object is gone"
        for entry in self.table.values():
            entry.value = as_failed(ValueError(text))
            entry.owner = NOBODY.address
        self.table.clear()

    def free(self, id: bytes, places: Sequence[Address]) -> None:
        """Let stores forget a value."""
        for place in places:
            self._link(place).post(m.Free([id]))


def _is_lost(entry: Entry) -> bool:
    return isinstance(entry.value, m.Stored) and not entry.value.places
