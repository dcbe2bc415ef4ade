"""The store's side that talks: to processes, and to other nodes.

process ── Fetch ──> node A                        node B
                     room in the arena
                     Pull(part) ×4 under way ──────> store
                     write <──────────────── bytes of the part
                     pin, answer with the offset

Rules:

1. An object comes once, however many processes ask for it meanwhile.
2. A question that comes before the seal waits for it, since the seal travels
   on another link. If the writer dies, it is answered, too.
3. A full store waits for a while before an object goes to disk, or is
   refused: somebody may be about to let go of what fills it.
4. A process that has died while it waited gets nothing: it would keep it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pickle import PickleBuffer

from minimr.core import messages as m
from minimr.core.node.object_store import Store, StoreFullError
from minimr.net.channel import Address
from minimr.net.codec import Buffer
from minimr.net.endpoint import AskFunction, Later, Link
from minimr.net.messages import Gone, Handler, Reply
from minimr.net.peer import Peer
from minimr.system import machine

PART_BYTES = 5 * 2**20
UNDER_WAY = 4
ROOM_WAIT_S = 2.0  # before an object goes to disk, or is refused

Fetched = m.Place | m.Missing | m.StoreFull  # the answer to `Fetch`


log = logging.getLogger(__name__)


@dataclass(eq=False)
class Coming:
    """An object that is being fetched, and who waits for it."""

    id: bytes
    size: int
    place: Address
    owner: Address
    readers: list[tuple[Peer, Reply[Fetched]]]
    next: int = 0  # first byte that was not asked for
    here: int = 0  # bytes that have come
    begin: float = field(default_factory=lambda: machine.time())


class Transfers:
    """Objects into the store of this node, and out of it.

    Args:
        here: the address of this node.
        link: returns the link to an address.
        ask: sends a question on a link, and calls with the answer.
        later: calls a function after that many seconds.
    """

    def __init__(
        self,
        store: Store,
        here: Address,
        *,
        link: Link,
        ask: AskFunction,
        later: Later,
    ) -> None:
        self.store = store
        self._here = here
        self._link, self._ask = link, ask
        self._later = later
        self._coming: dict[bytes, Coming] = {}
        # {object without a seal: what to do at its seal}
        self._early: defaultdict[bytes, list[Callable[[], None]]]
        self._early = defaultdict(list)
        # [(until when, what to call again)], in the order of the asking
        self._waiting: list[tuple[float, Callable[[float], None]]] = []

    def handlers(self) -> list[Handler]:
        """Return what it is told and asked."""
        return [
            m.Create.to(self._on_create),
            m.Seal.to(self._on_seal),
            m.Fetch.to(self._on_fetch),
            m.Unpin.to(self._on_unpin),
            m.Free.to(self._on_free),
            m.Pull.to(self._on_pull),
        ]

    # ---- a process writes ----

    def _on_create(
        self,
        peer: Peer,
        create: m.Create,
        reply: Reply[m.Place | m.StoreFull],
        until: float | None = None,
    ) -> None:
        if peer.closed:
            return  # it has died while it waited
        id, size, owner = create.id, create.size, create.owner
        if owner != peer.data.address:
            self._link(owner)  # to learn when the owner dies
        last = self._is_last_try(size, until)
        try:
            place = self.store.create(
                id, size, owner, maker=peer, on_disk=last
            )
        except StoreFullError as full:
            if last:
                reply(m.StoreFull(str(full)))
            else:
                again = partial(self._on_create, peer, create, reply)
                self._wait_for_room(again, until)
        else:
            reply(place)

    def _on_seal(self, peer: Peer, seal: m.Seal) -> None:
        self.store.seal(seal.id)
        for again in self._early.pop(seal.id, ()):
            again()
        self.made_room()

    def _is_early(self, id: bytes, again: Callable[[], None]) -> bool:
        """Return whether an object has no seal, and ask again at its seal."""
        stored = self.store.objects.get(id)
        if stored is None or stored.sealed or id in self._coming:
            return False
        self._early[id].append(again)
        return True

    # ---- room ----

    def _is_last_try(self, size: int, until: float | None) -> bool:
        """Return whether it is of no use to wait (any longer) for room."""
        is_over = until is not None and machine.monotonic() >= until
        return is_over or size > self.store.arena.size

    def _wait_for_room(
        self, again: Callable[[float], None], until: float | None
    ) -> None:
        """Call again when there may be room, and a last time at `until`."""
        if until is None:
            until = machine.monotonic() + ROOM_WAIT_S
        self._waiting.append((until, again))
        self._later(max(0.0, until - machine.monotonic()), self.made_room)

    def made_room(self) -> None:
        """Something was freed, unpinned or can be spilled."""
        waiting, self._waiting = self._waiting, []
        for until, again in waiting:
            again(until)

    def process_left(self, peer: Peer, address: Address) -> None:
        """A process is gone, and so is what it had begun to write."""
        self.store.process_left(peer, address)
        for id in [id for id in self._early if id not in self.store.objects]:
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

    # ---- a process reads ----

    def _on_fetch(
        self,
        peer: Peer,
        fetch: m.Fetch,
        reply: Reply[Fetched],
        until: float | None = None,
    ) -> None:
        again = partial(self._on_fetch, peer, fetch, reply)
        if peer.closed or self._is_early(fetch.id, again):
            return
        if fetch.id in self._coming:
            self._coming[fetch.id].readers.append((peer, reply))
            return
        place = self.store.pin(fetch.id, peer)
        if place is not None:
            reply(place)
        else:
            self._start_transfer(peer, fetch, reply, until)

    def _start_transfer(
        self,
        peer: Peer,
        fetch: m.Fetch,
        reply: Reply[Fetched],
        until: float | None,
    ) -> None:
        id, size, owner = fetch.id, fetch.size, fetch.owner
        others = [place for place in fetch.places if place != self._here]
        if not others:
            reply(m.Missing(self._here))
            return
        last = self._is_last_try(size, until)
        try:
            self.store.create(id, size, owner, primary=False, on_disk=last)
        except StoreFullError as full:
            if last:
                reply(m.StoreFull(str(full)))
            else:
                again = partial(self._on_fetch, peer, fetch, reply)
                self._wait_for_room(again, until)
            return
        coming = Coming(id, size, others[0], owner, [(peer, reply)])
        self._coming[id] = coming
        place = "{}:{}".format(*others[0])
        log.debug("object %s is fetched from %s", id.hex(), place)
        while coming.next < min(size, PART_BYTES * UNDER_WAY):
            self._ask_part(coming)

    # ---- between nodes ----

    def _on_pull(
        self,
        peer: Peer,
        pull: m.Pull,
        reply: Reply[PickleBuffer | Buffer | None],
    ) -> None:
        again = partial(self._on_pull, peer, pull, reply)
        if not self._is_early(pull.id, again):
            part = self.store.part(pull.id, pull.begin, pull.end)
            reply(None if part is None else PickleBuffer(part))

    def _ask_part(self, coming: Coming) -> None:
        begin = coming.next
        end = coming.next = min(begin + PART_BYTES, coming.size)

        def answered(part: PickleBuffer | Buffer | Gone | None) -> None:
            if self._coming.get(coming.id) is not coming:
                return  # another part has failed
            if isinstance(part, Gone) or part is None:
                self._end(coming, failed=True)
                return
            self.store.write(coming.id, begin, part)
            coming.here += end - begin
            if coming.next < coming.size:
                self._ask_part(coming)
            elif coming.here == coming.size:
                self._end(coming, failed=False)

        place = self._link(coming.place)
        self._ask(place, answered, m.Pull(coming.id, begin, end))

    def _end(self, coming: Coming, failed: bool) -> None:
        id = coming.id
        del self._coming[id]
        self.store.seal(id)
        missing = m.Missing(self._here)  # if it was freed on its way
        if failed:
            self.store.free(id)
            missing = m.Missing(coming.place)
        elif id in self.store.objects:
            self.store.note("fetch", id, coming.size, coming.begin)
            owner = self._link(coming.owner)
            owner.post(m.Copied(id, self._here))
        for peer, reply in coming.readers:
            if not peer.closed:
                found = None if failed else self.store.pin(id, peer)
                reply(missing if found is None else found)
