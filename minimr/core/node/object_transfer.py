"""The store's side that talks: to processes, and to other nodes.

process ── Fetch ──> node A                        node B
                     room in the arena
                     Pull(part) ×4 under way ──────> store
                     write <──────────────── bytes of the part
                     pin, answer with the offset
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pickle import PickleBuffer
from typing import Any

from minimr.core import messages as m
from minimr.core.node.object_store import Store
from minimr.net.channel import Address
from minimr.net.endpoint import Endpoint
from minimr.net.messages import Handler, Reply
from minimr.net.peer import Peer
from minimr.system import machine

PART_BYTES = 5 * 2**20
UNDER_WAY = 4
ROOM_WAIT_S = 2.0  # before an object goes to disk, or is refused


log = logging.getLogger(__name__)


@dataclass(eq=False)
class Coming:
    """An object that is being fetched, and who waits for it."""

    id: bytes
    size: int
    place: Address
    owner: Address
    next: int = 0  # first byte that was not asked for
    here: int = 0  # bytes that have come
    begin: float = field(default_factory=lambda: machine.time())
    readers: list[tuple[Peer, Reply[m.Place | m.Missed]]] = field(
        default_factory=list
    )


class Transfers:
    """Objects into the store of this node, and out of it."""

    def __init__(self, endpoint: Endpoint, store: Store) -> None:
        self.endpoint = endpoint
        self.store = store
        self._coming: dict[bytes, Coming] = {}
        # Who asked before the seal came: it travels on another link.
        self._early: defaultdict[bytes, list[Callable[[], None]]]
        self._early = defaultdict(list)
        # [(until when, what to call again)], in the order of the asking
        self._waiting: list[tuple[float, Callable[[float], None]]] = []

    def handlers(self) -> list[Handler]:
        """List what it is told and asked."""
        return [
            m.Create.to(self._on_create),
            m.Seal.to(self._on_seal),
            m.Unpin.to(self._on_unpin),
            m.Free.to(self._on_free),
            m.Pull.to(self._on_pull),
            m.Fetch.to(self._on_fetch),
        ]

    def _on_create(
        self,
        peer: Peer,
        create: m.Create,
        reply: Reply[m.Place | str],
        until: float = 0.0,
    ) -> None:
        id, size, owner = create.id, create.size, create.owner
        if peer.closed:
            return  # it has died while it waited
        if owner != peer.data.address:
            self.endpoint.link(owner)  # to learn when the owner dies
        place = self.store.create(id, size, owner, maker=peer)
        if isinstance(place, str):
            again = partial(self._on_create, peer, create, reply)
            if self._wait(size, until, again):
                return
            place = self.store.create(
                id, size, owner, maker=peer, on_disk=True
            )
        reply(place)

    def _wait(
        self, size: int, until: float, again: Callable[[float], None]
    ) -> bool:
        """Call again when there may be room, and a last time at `until`.

        Somebody may be about to let go of what fills the store.
        """
        until = until or machine.monotonic() + ROOM_WAIT_S
        if size > self.store.arena.size or machine.monotonic() >= until:
            return False
        self._waiting.append((until, again))
        self.endpoint.later(until - machine.monotonic(), self.made_room)
        return True

    def made_room(self) -> None:
        """Something was freed, unpinned or can be spilled."""
        waiting, self._waiting = self._waiting, []
        for until, again in waiting:
            again(until)

    def _on_seal(self, peer: Peer, seal: m.Seal) -> None:
        self.store.seal(seal.id)
        for again in self._early.pop(seal.id, ()):
            again()
        self.made_room()

    def _too_early(self, id: bytes, again: Callable[[], None]) -> bool:
        stored = self.store.objects.get(id)
        if stored is None or stored.sealed or id in self._coming:
            return False
        self._early[id].append(again)
        return True

    def process_left(self, peer: Peer, address: Address) -> None:
        """A process is gone, and so is what it had begun to write."""
        self.store.process_left(peer, address)
        for id in self._early.keys() - self.store.objects.keys():
            for again in self._early.pop(id):
                again()
        self.made_room()

    def _on_unpin(self, peer: Peer, unpin: m.Unpin) -> None:
        for id in unpin.ids:
            self.store.unpin(id, peer)
        self.made_room()

    def _on_free(self, peer: Peer, free: m.Free) -> None:
        for id in free.ids:
            self.store.free(id)
        self.made_room()

    def _on_pull(self, peer: Peer, pull: m.Pull, reply: Reply[Any]) -> None:
        again = partial(self._on_pull, peer, pull, reply)
        if not self._too_early(pull.id, again):
            part = self.store.part(pull.id, pull.begin, pull.end)
            reply(None if part is None else PickleBuffer(part))

    def _on_fetch(
        self,
        peer: Peer,
        fetch: m.Fetch,
        reply: Reply[m.Place | m.Missed],
        until: float = 0.0,
    ) -> None:
        id, size, owner = fetch.id, fetch.size, fetch.owner
        question = (peer, fetch, reply)
        if peer.closed or self._too_early(
            id, lambda: self._on_fetch(*question)
        ):
            return  # a pin of somebody who is gone would stay
        found = self.store.pin(id, peer)
        here = self.endpoint.address
        others = [place for place in fetch.places if place != here]
        if found is None and id not in self._coming:
            if not others:
                reply((here, "it is not here"))
                return
            place = self.store.create(id, size, owner, primary=False)
            if isinstance(place, str):
                if self._wait(size, until, partial(self._on_fetch, *question)):
                    return
                place = self.store.create(
                    id, size, owner, primary=False, on_disk=True
                )
                if isinstance(place, str):
                    reply((None, place))
                    return
            self._coming[id] = Coming(id, size, others[0], owner)
            place = "{}:{}".format(*others[0])
            log.debug("object %s is fetched from %s", id.hex(), place)
        if id in self._coming:
            coming = self._coming[id]
            coming.readers.append((peer, reply))
            while coming.next < min(size, PART_BYTES * UNDER_WAY):
                self._ask_part(coming)
        else:
            assert found is not None
            reply(found)

    def _ask_part(self, coming: Coming) -> None:
        begin = coming.next
        end = coming.next = min(begin + PART_BYTES, coming.size)

        def answered(part: Any) -> None:
            if self._coming.get(coming.id) is not coming:
                return  # another part has failed
            if isinstance(part, str) or part is None:
                self._end(coming, failed=True)
                return
            self.store.write(coming.id, begin, part)
            coming.here += end - begin
            if coming.next < coming.size:
                self._ask_part(coming)
            elif coming.here == coming.size:
                self._end(coming, failed=False)

        place = self.endpoint.link(coming.place)
        self.endpoint.ask(place, answered, m.Pull(coming.id, begin, end))

    def _end(self, coming: Coming, failed: bool) -> None:
        id = coming.id
        del self._coming[id]
        self.store.seal(id)
        if failed:
            self.store.free(id)
        else:
            self.store.note("fetch", id, coming.size, coming.begin)
            owner = self.endpoint.link(coming.owner)
            owner.post(m.Copied(id, self.endpoint.address))
        missed = (coming.place, "that node has it no more")
        for peer, reply in coming.readers:
            if not peer.closed:
                found = None if failed else self.store.pin(id, peer)
                reply(missed if found is None else found)
