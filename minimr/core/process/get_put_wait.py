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
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import islice
from typing import Any

from minimr.core import messages as m
from minimr.core import serialization
from minimr.core.process.explain import missing as what_is_missing
from minimr.core.process.ownership import Objects
from minimr.core.process.records import FIRST, Entry, ObjectRef
from minimr.core.process.unhandled_errors import look
from minimr.exceptions import GetTimeoutError, ObjectStoreFullError
from minimr.net.channel import Address
from minimr.net.endpoint import AskFunction
from minimr.net.messages import Gone, Question
from minimr.net.peer import Peer
from minimr.system import machine

GRACE_S = 0.002  # a shorter wait does not give a CPU back
ASK_GRACE_S = 0.05  # nor this one, if it may only be for what is there

# What a fetch has brought: the object where it lies, its error, or None of a
# value that is small, or lost.
Block = memoryview | m.Failed | None
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
    """Reads and writes the values of objects, for one process.

    Args:
        node: gives the link to our node, whose object store we use.
        call: asks and waits; `ask` has a function called with the answer.
        wait_for: waits, and may give this task's CPU back meanwhile.
        flush: sends what was posted.
        wake_up: is called when an array is gone, in any thread: `unpin` is
            to be called soon.
        error: says why this process is cut off from its node.
    """

    arena: mmap.mmap

    def __init__(
        self,
        objects: Objects,
        *,
        lock: AbstractContextManager[Any],
        node: Callable[[], Peer],
        ask: AskFunction,
        call: Callable[[Peer, Question[Any]], Any],
        wait_for: Callable[..., bool],
        flush: Callable[[], None],
        wake_up: Callable[[], None],
        new_id: Callable[[], bytes],
        error: Callable[[], Exception],
    ) -> None:
        self._objects = objects
        self._address = objects.references.address
        self._lock = lock
        self._node = node
        self._ask = ask
        self._call = call
        self._wait_for = wait_for
        self._flush = flush
        self._wake_up = wake_up
        self._new_id = new_id
        self._error = error
        # {object: the array that it is here}
        self._pinned: weakref.WeakValueDictionary[bytes, Any]
        self._pinned = weakref.WeakValueDictionary()
        self.unpinned: deque[bytes] = deque()  # filled by the collector

    def open(self, pid: int, descriptor: int, size: int) -> None:
        """Use the object store of a node, which has that process."""
        self._pid, self.arena = (
            pid,
            machine.map_memory_of(pid, descriptor, size),
        )

    def put(self, value: Any) -> ObjectRef:
        """Own a value. Blocks: a large one until the node has made room."""
        return self.keep(serialization.pack(value))

    def keep(self, packed: serialization.Packed) -> ObjectRef:
        """Own a value that is pickled. Blocks: as `put` does."""
        id = self._new_id() + FIRST
        sent = self.encode(id, packed, self._address)
        with self._lock:
            ref = self._objects.new(id, None)
            ref.entry.value = sent
            ref.entry.contained = packed.refs or None
            self._objects.drain()
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
        names = tuple(map(self._objects.to_wire, packed.refs))
        if sum(packed.sizes()) <= serialization.INLINE_BYTES:
            return m.Inline(packed.data, packed.copied(), names)
        size, node = serialization.stored_size(packed), self._node()
        self.drain()  # what we have let go of makes room
        place = self._call(node, m.Create(id, size, owner))
        if isinstance(place, m.StoreFull):
            raise ObjectStoreFullError(place.why)
        arena, offset = self._find(place, size)
        with memoryview(arena)[offset : offset + size] as memory:
            serialization.write(memory, packed)
        node.post(m.Seal(id))
        node.flush_all()  # before anybody hears of it: we may die then
        return m.Stored(size, [node.data.address], names)

    # ---- get ----

    def get(
        self, refs: Sequence[ObjectRef], timeout_s: float | None
    ) -> list[Any]:
        """Return the values. Blocks: until they are here."""
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
        seen, objects = -1, self._objects
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
        if not self._wait_for(ready, timeout_s, entries, grace_s):
            with self._lock:
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
            with self._lock:
                for entry in borrowed:
                    self._objects.want(entry)

    def _load(self, entry: Entry, block: Block) -> Any:
        """Unpickle a value that is there, or raise its error."""
        look(entry.value)
        if isinstance(block, memoryview):
            return serialization.read(block)
        return serialization.load(entry.value if block is None else block)

    def future(self, ref: ObjectRef) -> Future[Any]:
        """Return a future of a value; it is set by the pumping thread.

        Who cancels it waits no longer; the task goes on.
        """
        future: Future[Any] = machine.future()

        def fetched(block: Block) -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(self._load(ref.entry, block))
            except BaseException as error:  # noqa: BLE001  # the task's
                future.set_exception(error)

        with self._lock:
            self._fetch(ref.entry, fetched)
        self._flush()
        return future

    def arrival(self, entry: Entry) -> Future[None]:
        """Return a future that is set when a value is there, or its error."""
        future: Future[None] = machine.future()

        def arrived(_: Entry) -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(None)

        with self._lock:
            self._objects.watch(entry, arrived)
        self._flush()
        return future

    # ---- large values ----

    def fetch(
        self,
        entries: Sequence[Entry],
        timeout_s: float | None,
        lost: Lost | None = None,
    ) -> list[Any]:
        """Return values that are there. Blocks: until large ones are here.

        Args:
            lost: gets what has no copy, and then nothing is given; without
                it, what is lost is waited for.
        """
        small = (bytes, m.Inline)
        large = [e for e in entries if type(e.value) not in small]
        if not large:
            return [serialization.load(entry.value) for entry in entries]
        coming = dict.fromkeys(large)  # each once, in their order
        blocks: dict[Entry, Block] = {}
        with self._lock:
            for entry in coming:
                self._fetch(entry, partial(blocks.__setitem__, entry), lost)
        there = lambda: len(blocks) == len(coming)  # noqa: E731
        if not self._wait_for(
            there, timeout_s, (), ASK_GRACE_S, gives_cpu=lost is None
        ):
            raise GetTimeoutError(f"get() timed out after {timeout_s} s")
        if lost:
            return []
        return [self._load(entry, blocks.get(entry)) for entry in entries]

    def _fetch(
        self,
        entry: Entry,
        done: Callable[[Block], None],
        lost: Lost | None = None,
    ) -> None:
        """Bring an object here; call `done` then. Lock held."""
        value, array = entry.value, self._pinned.get(entry.id)
        if value is None and lost is None:
            again = partial(self._fetch, done=done)
            self._objects.watch(entry, again)
        elif value is None:
            self._miss(entry, None, done, lost)
        elif not isinstance(value, m.Stored):
            done(None)
        elif array is not None:
            done(memoryview(array).toreadonly().cast("B"))
        elif not value.places:
            self._miss(entry, None, done, lost)
        else:
            self._bring(entry, value, done, lost)

    def _miss(
        self,
        entry: Entry,
        place: Address | None,
        done: Callable[[Block], None],
        lost: Lost | None,
    ) -> None:
        """Note what has no copy there, or wait until there is another."""
        if lost is None:
            self._objects.missing(entry, place)
            self._fetch(entry, done)
        else:
            lost.append((entry, place))
            done(None)

    def _bring(
        self,
        entry: Entry,
        value: m.Stored,
        done: Callable[[Block], None],
        lost: Lost | None,
    ) -> None:
        def answered(
            answer: m.Place | m.Missing | m.StoreFull | Gone,
        ) -> None:
            match answer:
                case int() | m.OnDisk():
                    done(self._pin(entry.id, answer, value.size))
                case Gone():
                    done(serialization.as_failed(self._error()))
                case m.StoreFull(why):
                    done(serialization.as_failed(ObjectStoreFullError(why)))
                case m.Missing(place):
                    self._miss(entry, place, done, lost)

        self.unpin()  # what we have let go of makes room
        owner = entry.owner or self._address
        places = list(value.places)
        fetch = m.Fetch(entry.id, value.size, places, owner)
        self._ask(self._node(), answered, fetch)

    def _find(self, place: m.Place, size: int) -> tuple[mmap.mmap, int]:
        """Map what holds an object. Returns: that, and where it begins."""
        if isinstance(place, m.OnDisk):
            return machine.map_memory_of(self._pid, place.descriptor, size), 0
        return self.arena, place

    def _pin(self, id: bytes, place: m.Place, size: int) -> memoryview:
        arena, offset = self._find(place, size)
        array = (ctypes.c_char * size).from_buffer(arena, offset)

        def gone() -> None:
            self.unpinned.append(id)
            self._wake_up()

        self._pinned[id] = array
        weakref.finalize(array, gone).atexit = False
        return memoryview(array).toreadonly().cast("B")

    def unpin(self) -> None:
        """Unpin at the node what no array here uses any more. Lock held."""
        unpinned = self.unpinned
        if unpinned:
            ids = [unpinned.popleft() for _ in range(len(unpinned))]
            self._node().post(m.Unpin(ids))

    def drain(self) -> None:
        """Count references that have come or gone, and arrays gone."""
        with self._lock:
            self._objects.drain()
            self.unpin()

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
            self._wait_for(ready, timeout_s, entries, _grace(entries))
        rest = list(refs)
        taken = [rest.pop(index) for index in reversed(found)]
        return taken[::-1], rest
