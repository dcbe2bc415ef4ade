"""Large objects between nodes: asked for in parts, several at once.

process ── Fetch ──> node A                        node B
                     room in the arena
                     Pull(part) ×4 under way ──────> store
                     write <──────────────── bytes of the part
                     pin, answer with the offset
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.endpoint import Handler, Reply
from minimr.core.store import Store
from minimr.net.channel import Address
from minimr.net.peer import Peer

if TYPE_CHECKING:
    from minimr.core.node import Node

PART_BYTES = 5 * 2**20
UNDER_WAY = 4
ROOM_WAIT_S = 2.0  # before a full store is an error


class Coming:
    """An object that is being fetched, and who waits for it."""

    def __init__(self, fetch: m.Fetch, place: Address) -> None:
        self.fetch = fetch
        self.place = place
        self.next = 0  # first byte that was not asked for
        self.left = fetch.size  # bytes not yet here
        self.readers: list[tuple[Peer, Reply]] = []
        self.failed = False


class Transfers:
    """The store's side that talks: to processes, and to other nodes."""

    def __init__(self, node: Node, store: Store) -> None:
        self.node = node
        self.store = store
        self._coming: dict[bytes, Coming] = {}
        # Who asked before the seal came: it travels on another link.
        self._early: dict[bytes, list[Callable[[], None]]] = {}
        # [(until when, what to call again)], in the order of the asking
        self._waiting: list[tuple[float, Callable[[float], None]]] = []
        handlers: dict[type, Handler] = {
            m.Seal: self._on_seal,
            m.Unpin: self._on_unpin,
            m.Free: self._on_free,
        }
        node.handlers |= handlers
        node.answerers |= {
            m.Create: self._on_create,
            m.Fetch: self._on_fetch,
            m.Pull: self._on_pull,
        }

    def _on_create(
        self, peer: Peer, create: m.Create, reply: Reply, until: float = 0.0
    ) -> None:
        if create.owner != peer.data.address:
            self.node.link(create.owner)  # to learn when the owner dies
        offset = self.store.create(*create)
        if isinstance(offset, int) or not self._wait_for_room(
            create.size, until, partial(self._on_create, peer, create, reply)
        ):
            reply(offset)

    def _wait_for_room(
        self, size: int, until: float, again: Callable[[float], None]
    ) -> bool:
        """Call again when there may be room, and a last time at `until`.

        Somebody may be about to let go of what fills the store.
        """
        until = until or time.monotonic() + ROOM_WAIT_S
        if size > self.store.arena.size or time.monotonic() >= until:
            return False
        self._waiting.append((until, again))
        self.node.later(until - time.monotonic(), self.made_room)
        return True

    def made_room(self) -> None:
        """Something was freed, unpinned or can be spilled."""
        waiting, self._waiting = self._waiting, []
        for until, again in waiting:
            again(until)

    def _on_seal(self, peer: Peer, seal: m.Seal) -> None:
        self.store.seal(seal.id)
        for again in self._early.pop(seal.id, []):
            again()
        self.made_room()

    def _too_early(self, id: bytes, again: Callable[[], None]) -> bool:
        stored = self.store.objects.get(id)
        if stored is None or stored.sealed or id in self._coming:
            return False
        self._early.setdefault(id, []).append(again)
        return True

    def _on_unpin(self, peer: Peer, unpin: m.Unpin) -> None:
        for id in unpin.ids:
            self.store.unpin(id, peer)
        self.made_room()

    def _on_free(self, peer: Peer, free: m.Free) -> None:
        for id in free.ids:
            self.store.free(id)
        self.made_room()

    def _on_pull(self, peer: Peer, pull: m.Pull, reply: Reply) -> None:
        if self._too_early(pull.id, lambda: self._on_pull(peer, pull, reply)):
            return
        part = self.store.part(pull.id, pull.begin, pull.end)
        reply(None if part is None else PickleBuffer(part))

    def _on_fetch(
        self, peer: Peer, fetch: m.Fetch, reply: Reply, until: float = 0.0
    ) -> None:
        if self._too_early(
            fetch.id, lambda: self._on_fetch(peer, fetch, reply)
        ):
            return
        found = self.store.pin(fetch.id, peer)
        if isinstance(found, int):
            reply(found)
            return
        again = partial(self._on_fetch, peer, fetch, reply)
        if isinstance(found, str):
            if not self._wait_for_room(fetch.size, until, again):
                reply(m.Missed(None, found))
            return
        coming = self._coming.get(fetch.id)
        if coming is None:
            places = [p for p in fetch.places if p != self.node.address]
            if not places:
                reply(m.Missed(self.node.address, "it is not here"))
                return
            offset = self.store.create(
                fetch.id, fetch.size, fetch.owner, primary=False
            )
            if isinstance(offset, str):
                if not self._wait_for_room(fetch.size, until, again):
                    reply(m.Missed(None, offset))
                return
            coming = self._coming[fetch.id] = Coming(fetch, places[0])
        coming.readers.append((peer, reply))
        while coming.next < fetch.size and coming.next < (
            PART_BYTES * UNDER_WAY
        ):
            self._ask_part(coming)

    def _ask_part(self, coming: Coming) -> None:
        begin = coming.next
        end = coming.next = min(begin + PART_BYTES, coming.fetch.size)

        def answered(part: Any) -> None:
            if isinstance(part, str) or part is None:
                self._fail(coming)
            elif not coming.failed:
                self.store.write(coming.fetch.id, begin, part)
                coming.left -= end - begin
                if coming.next < coming.fetch.size:
                    self._ask_part(coming)
                elif coming.left == 0:
                    self._complete(coming)

        question = m.Pull(coming.fetch.id, begin, end)
        self.node.ask(self.node.link(coming.place), question, answered)

    def _complete(self, coming: Coming) -> None:
        id = coming.fetch.id
        del self._coming[id]
        self.store.seal(id)
        owner = self.node.link(coming.fetch.owner)
        owner.post(m.Copied(id, self.node.address))
        for peer, reply in coming.readers:
            reply(self.store.pin(id, peer))

    def _fail(self, coming: Coming) -> None:
        if coming.failed:
            return
        coming.failed = True
        id = coming.fetch.id
        del self._coming[id]
        self.store.seal(id)
        self.store.free(id)
        for _, reply in coming.readers:
            reply(m.Missed(coming.place, "that node has it no more"))
