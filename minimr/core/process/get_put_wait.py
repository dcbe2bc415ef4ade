"""Values in and out: `put`, `get`, `wait`, and what they do underneath.

    put:  pack ─┬─ small: in the entry, here
                └─ large: Create ─> offset, copy into the arena, Seal
    get:  wait for the entries ─> fetch the large ones ─> unpickle
          Fetch ─> offset of the pinned object; arrays lie in the arena
          the last array is gone ─> Unpin

Rules:

1. `get` returns values or raises; an error never looks like a value.
2. An object that somebody reads is pinned, and does not move.
"""

from __future__ import annotations

import ctypes
import mmap
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core import serialization
from minimr.core.process.explain import missing as what_is_missing
from minimr.core.process.refs import Entry, ObjectRef
from minimr.core.process.tasks import FIRST
from minimr.core.process.unhandled_errors import look
from minimr.exceptions import GetTimeoutError, ObjectStoreFullError
from minimr.net.channel import Address
from minimr.net.messages import GONE
from minimr.system import machine

if TYPE_CHECKING:
    from minimr.core.process.runtime import Runtime


GRACE_S = 0.002  # a shorter wait does not give a CPU back
ASK_GRACE_S = 0.05  # nor this one, if it may only be for what is there

Place = int | m.OnDisk  # an offset in the arena, or a file
# What a fetch found no copy of, and where none was.
Lost = list[tuple[Entry, Address | None]]


def _grace(entries: Sequence[Entry]) -> float:
    """Say how long to wait before a CPU is given back.

    Of what others own, a value may be there, and only asked for: that is
    sooner over than the start of a worker that takes the CPU.
    """
    ours = any(e.owner is None and e.value is None for e in entries)
    return GRACE_S if ours else ASK_GRACE_S


class Values:
    """Reads and writes the values of objects, for one process."""

    arena: mmap.mmap

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        # {object: the array that it is here}
        self._pinned: weakref.WeakValueDictionary[bytes, Any]
        self._pinned = weakref.WeakValueDictionary()

    def put(self, value: Any) -> ObjectRef:
        """Own a value. Blocks: a large one until the node has made room."""
        return self.keep(serialization.pack(value))

    def keep(self, packed: serialization.Packed) -> ObjectRef:
        """Own a value that is pickled. Blocks: as `put` does."""
        id = self.runtime.new_id() + FIRST
        sent = self.encode(id, packed, self.runtime.address)
        with self.runtime.lock:
            ref = self.runtime.objects.new(id, None)
            ref.entry.value = sent
            ref.entry.contained = packed.refs or None
            self.runtime.objects.drain()
        return ref

    def encode(
        self, id: bytes, packed: serialization.Packed, owner: Address
    ) -> m.Value:
        """Keep a value here or, if large, in the object store.

        Returns: the value as it travels.

        Raises:
            ObjectStoreFullError: the node cannot make room.
        """
        plain = not packed.refs and not packed.buffers
        if plain and len(packed.data) <= serialization.INLINE_BYTES:
            return packed.data
        names = tuple(map(self.runtime.objects.name, packed.refs))
        if sum(packed.sizes()) <= serialization.INLINE_BYTES:
            return m.Inline(packed.data, packed.copied(), names)
        size, node = serialization.stored_size(packed), self.runtime.node
        self.runtime.drain()  # what we have let go of makes room
        place = self.runtime.call(node, m.Create(id, size, owner))
        if isinstance(place, str):
            raise ObjectStoreFullError(place)
        arena, offset = self._find(place, size)
        with memoryview(arena)[offset : offset + size] as memory:
            serialization.write(memory, packed)
        node.post(m.Seal(id))
        node.flush()  # before anybody hears of it: we may die in between
        return m.Stored(size, [node.data.address], names)

    # ---- get ----

    def get(
        self, refs: Sequence[ObjectRef], timeout_s: float | None
    ) -> list[Any]:
        """Give the values. Blocks: until they are here."""
        entries = [ref.entry for ref in refs]
        until = None if timeout_s is None else machine.monotonic() + timeout_s
        waiting = [entry for entry in entries if entry.value is None]
        if waiting:
            self._await(entries, waiting, timeout_s)
        if until is not None:
            timeout_s = max(0.0, until - machine.monotonic())
        return self.fetch(entries, timeout_s)

    def _await(
        self, entries: list[Entry], waiting: list[Entry], timeout_s: Any
    ) -> None:
        seen, objects = -1, self.runtime.objects
        failed: list[Entry] = []

        def ready() -> bool:
            nonlocal seen
            while waiting and waiting[-1].value is not None:
                waiting.pop()
            if seen != objects.failures:  # an error ends the wait, as in Ray
                seen = objects.failures
                failed[:] = [e for e in entries if type(e.value) is m.Failed]
            return bool(failed) or not waiting

        self._want(waiting)
        grace_s = _grace(waiting)
        if not self.runtime.wait_for(ready, timeout_s, entries, grace_s):
            with self.runtime.lock:
                why = what_is_missing(entries)
            text = f"get() timed out after {timeout_s} s: {why}"
            raise GetTimeoutError(text)
        for entry in failed:
            look(entry.value)
        for entry in failed:
            self._load(entry, None)

    def _want(self, entries: Sequence[Entry]) -> None:
        """Ask the owners of borrowed objects for their values."""
        borrowed = [entry for entry in entries if entry.owner is not None]
        if borrowed:
            with self.runtime.lock:
                for entry in borrowed:
                    self.runtime.objects.want(entry)

    def _load(self, entry: Entry, block: memoryview | m.Failed | None) -> Any:
        """Unpickle a value that is there, or raise its error."""
        look(entry.value)
        if isinstance(block, memoryview):
            return serialization.read(block)
        return serialization.load(entry.value if block is None else block)

    def future(self, ref: ObjectRef) -> Future[Any]:
        """Give a future of a value; it is set by the pumping thread.

        Who cancels it waits no longer; the task goes on.
        """
        future: Future[Any] = Future()

        def fetched(block: Any) -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(self._load(ref.entry, block))
            except BaseException as error:  # noqa: BLE001  # the task's
                future.set_exception(error)

        with self.runtime.lock:
            self._fetch(ref.entry, fetched)
        self.runtime.hub.flush()
        return future

    def arrival(self, entry: Entry) -> Future[None]:
        """Give a future that is set when a value is there, or its error."""
        future: Future[None] = Future()

        def arrived(_: Entry) -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(None)

        with self.runtime.lock:
            self.runtime.objects.watch(entry, arrived)
        self.runtime.hub.flush()
        return future

    # ---- large values ----

    def fetch(
        self,
        entries: Sequence[Entry],
        timeout_s: float | None,
        lost: Lost | None = None,
    ) -> list[Any]:
        """Give values that are there. Blocks: until large ones are here.

        Args:
            lost: gets what has no copy, and then nothing is given; without
                it, what is lost is waited for.
        """
        small = (bytes, m.Inline)
        coming = {e for e in entries if type(e.value) not in small}
        if not coming:
            return [serialization.load(entry.value) for entry in entries]
        blocks: dict[Entry, Any] = {}
        with self.runtime.lock:
            for entry in coming:
                self._fetch(entry, partial(blocks.__setitem__, entry), lost)
        there = lambda: len(blocks) == len(coming)  # noqa: E731
        if not self.runtime.wait_for(
            there, timeout_s, (), ASK_GRACE_S, gives_cpu=lost is None
        ):
            raise GetTimeoutError(f"get() timed out after {timeout_s} s")
        if lost:
            return []
        return [self._load(entry, blocks.get(entry)) for entry in entries]

    def _fetch(
        self,
        entry: Entry,
        done: Callable[[Any], None],
        lost: Lost | None = None,
    ) -> None:
        """Bring an object here. Lock held.

        `done` gets its block, its error, or None when the value is small or
        among what is lost.
        """
        value, objects = entry.value, self.runtime.objects

        def missing(place: Address | None) -> None:
            if lost is not None:
                lost.append((entry, place))
                done(None)
            else:
                objects.missing(entry, place)
                self._fetch(entry, done)

        if value is None and lost is not None:
            missing(None)
            return
        if value is None:
            objects.watch(entry, lambda entry: self._fetch(entry, done))
            return
        if not isinstance(value, m.Stored):
            done(None)
            return
        array = self._pinned.get(entry.id)
        if array is not None:
            done(memoryview(array).toreadonly().cast("B"))
            return
        if not value.places:
            missing(None)
            return

        def answered(answer: Any) -> None:
            if isinstance(answer, int | m.OnDisk):
                done(self._pin(entry.id, answer, value.size))
            elif isinstance(answer, tuple) and answer[0] is not None:
                missing(answer[0])
            elif answer == GONE:
                done(serialization.fail(self.runtime.error()))
            else:
                why = answer[1] if isinstance(answer, tuple) else answer
                done(serialization.fail(ObjectStoreFullError(why)))

        self.unpin()  # what we have let go of makes room
        owner = entry.owner or self.runtime.address
        fetch = m.Fetch(entry.id, value.size, list(value.places), owner)
        self.runtime.ask(self.runtime.node, answered, fetch)

    def _find(self, place: Place, size: int) -> tuple[mmap.mmap, int]:
        """Map what holds an object. Returns: that, and where it begins."""
        if isinstance(place, m.OnDisk):
            node, *_ = self.runtime.welcome.arena
            return machine.map_memory_of(node, place.descriptor, size), 0
        return self.arena, place

    def _pin(self, id: bytes, place: Place, size: int) -> memoryview:
        arena, offset = self._find(place, size)
        array = (ctypes.c_char * size).from_buffer(arena, offset)

        def gone() -> None:
            self.runtime.unpinned.append(id)
            self.runtime.pump.nudge()

        self._pinned[id] = array
        weakref.finalize(array, gone).atexit = False
        return memoryview(array).toreadonly().cast("B")

    def unpin(self) -> None:
        """Tell the node what nobody here reads any more. Lock held."""
        unpinned = self.runtime.unpinned
        if unpinned:
            ids = [unpinned.popleft() for _ in range(len(unpinned))]
            self.runtime.node.post(m.Unpin(ids))

    def close(self) -> None:
        """Let go of the arena, at the latest when its last array goes."""
        with suppress(AttributeError, BufferError):  # none, or arrays in it
            self.arena.close()

    # ---- wait ----

    def wait(
        self,
        refs: Sequence[ObjectRef],
        num_returns: int,
        timeout_s: float | None,
    ) -> tuple[list[ObjectRef], list[ObjectRef]]:
        """Split into ready and not ready. Blocks: until enough are ready."""
        found: list[int] = []

        def ready() -> bool:
            values = (ref.entry.value for ref in refs)
            there = (i for i, v in enumerate(values) if v is not None)
            found[:] = islice(there, num_returns)
            return len(found) == num_returns

        if not ready():
            entries = [ref.entry for ref in refs]
            self._want(entries)
            self.runtime.wait_for(ready, timeout_s, entries, _grace(entries))
        rest = list(refs)
        taken = [rest.pop(index) for index in reversed(found)]
        return taken[::-1], rest
