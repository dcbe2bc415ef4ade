"""References in other processes: who borrows what from whom.

    borrower                          owner
      receives a reference
      Borrow(ids)        ──────>      entry.borrowers.add(process)
      Locate(id)         ──────>      answers when there is a value
      the last one goes
      Unborrow(ids)      ──────>      discard; nobody left: the object goes

Rule: who sent the reference keeps its own until `when_registered`.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.exceptions import ObjectLostError
from minimr.net.channel import Address
from minimr.net.peer import Peer

if TYPE_CHECKING:
    from minimr.core.objects import Objects
    from minimr.core.runtime import Runtime


class Borrowing:
    """Both sides of borrowing: ours, and that of who borrows from us."""

    def __init__(self, runtime: Runtime, objects: Objects) -> None:
        self.runtime = runtime
        self.objects = objects
        self.lent: defaultdict[bytes, set[bytes]] = defaultdict(set)
        self.to_borrow: defaultdict[Address, list[bytes]] = defaultdict(list)
        self.registering = 0  # questions to owners under way
        self.after: list[Callable[[], None]] = []

    def register(self) -> None:
        """Tell the owners of references that we received. Lock held."""
        while self.to_borrow:
            owner, ids = self.to_borrow.popitem()
            self.registering += 1
            link = self.runtime.link(owner)
            self.runtime.ask(link, m.Borrow(ids), self._registered)

    def _registered(self, _: Any) -> None:
        self.registering -= 1
        if self.registering == 0:
            after, self.after = self.after, []
            for function in after:
                function()

    def when_registered(self, function: Callable[[], None]) -> None:
        """Call it when every reference that we hold is known to its owner."""
        if self.to_borrow:
            self.register()
        if self.registering:
            self.after.append(function)
        else:
            function()

    def on_borrow(self, peer: Peer, borrow: m.Borrow, reply: Any) -> None:
        """Another process holds references to objects of ours."""
        for id in borrow.ids:
            entry = self.objects.table.get(id)
            if entry is not None:
                if entry.borrowers is None:
                    entry.borrowers = set()
                entry.borrowers.add(peer.data.process)
                self.lent[peer.data.process].add(id)
        reply(None)

    def on_unborrow(self, peer: Peer, message: m.Unborrow) -> None:
        """Another process has let go of references."""
        self._returned(peer.data.process, message.ids)

    def _returned(self, process: bytes, ids: list[bytes]) -> None:
        lent = self.lent.get(process, set())
        for id in ids:
            lent.discard(id)
            entry = self.objects.table.get(id)
            if entry is not None and entry.borrowers:
                entry.borrowers.discard(process)
                if not entry.borrowers and entry.handles <= 0:
                    self.objects.drop(entry)

    def peer_left(self, peer: Peer) -> None:
        """A process is gone, and so are the references that it had."""
        self._returned(
            peer.data.process, list(self.lent.pop(peer.data.process, ()))
        )

    def on_locate(self, peer: Peer, question: m.Locate, reply: Any) -> None:
        """Another process wants a value: answer when it is there."""
        entry = self.objects.table.get(question.id)
        if entry is None:
            text = f"object {question.id.hex()} was freed by its owner"
            reply(m.Failed(pickle.dumps(ObjectLostError(text))))
        elif entry.value is not None:
            reply(entry.value)
        else:
            self.objects.watch(entry, lambda entry: reply(entry.value))

    def on_missing(self, peer: Peer, question: m.Missing, reply: Any) -> None:
        """A reader found no copy where we said: find or make another."""
        entry = self.objects.table.get(question.id)
        if entry is not None and entry.value is not None:
            self.objects.missing(entry, question.place)
        self.on_locate(peer, m.Locate(question.id), reply)

    def on_copied(self, peer: Peer, message: m.Copied) -> None:
        """A node has one more copy of an object of ours."""
        entry = self.objects.table.get(message.id)
        if entry is None or not isinstance(entry.value, m.Stored):
            link = self.runtime.link(message.place)
            link.post(m.Free([message.id]))
        elif message.place not in entry.value.places:
            entry.value.places.append(message.place)
