"""What a process knows: records of references, objects, tasks and leases.

    ObjectRef ──> Entry ──> Task ──> Queue <──> Lease ──> Peer, a worker
                  value     inputs   of one     tasks
                  owner     results  shape      under way

The parts of a process change them: `Objects` an Entry, `Tasks` a Task,
`Leases` a Queue and a Lease, all with the process's lock held.
"""

from __future__ import annotations

import pickle
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from minimr.core import messages as m
from minimr.core.process.current import current, revive
from minimr.core.process.window import Window
from minimr.core.serialization import outgoing
from minimr.exceptions import RayTaskError
from minimr.net.channel import Address
from minimr.net.peer import Peer

FIRST = (0).to_bytes(4, "big")  # of the object that a task returns


def object_id(task: bytes, index: int) -> bytes:
    """Return the id of a task's result with that index."""
    return task + index.to_bytes(4, "big")


class References:
    """What the references of one process have in common.

    Attributes:
        released: entries whose reference has gone. The garbage collector
            runs `__del__` at any point of any thread, so nothing may be
            locked there: they are counted later.
        escaped: references that a program has pickled by its own hand.
            Nobody can tell how long such a pickle is kept, so they are kept
            to the end of the session.
    """

    def __init__(
        self, address: Address, wake_up: Callable[[], None] = lambda: None
    ) -> None:
        self.address = address  # of the process
        self.wake_up = wake_up  # has them counted soon
        self.released: deque[Entry] = deque()
        self.escaped: list[ObjectRef] = []

    def close(self) -> None:
        """Count no more. References may outlive the session."""
        self.released = deque(maxlen=0)
        self.escaped.clear()


@dataclass(slots=True, eq=False)
class Entry:
    """One object as this process knows it."""

    id: bytes
    owner: Address | None  # None: this process
    task: Task | None  # that makes it, or made it: lineage
    references: References  # of this process
    value: m.Value | None = None  # None: not there yet
    handles: int = 0  # ObjectRefs in this process
    waiters: list[Callable[[Entry], None]] | None = None
    borrowers: set[bytes] | None = None  # {process}
    contained: list[ObjectRef] | None = None  # inside the value
    asked: bool = False  # the owner was asked for the value

    def is_unique(self) -> bool:
        """Return whether it is ours, in a store, and never made again."""
        is_ours = self.owner is None and isinstance(self.value, m.Stored)
        return is_ours and (self.task is None or self.task.retries == 0)


class ObjectRef:
    """A reference to an object that is there, or will be.

    Ray: `ray.ObjectRef`.
    """

    __slots__ = ("__weakref__", "entry")

    def __init__(self, entry: Entry) -> None:
        entry.handles += 1  # under the runtime's lock
        self.entry = entry

    def __del__(self) -> None:  # in the end, this module's globals are gone
        entry = self.entry
        references = entry.references
        references.released.append(entry)
        references.wake_up()

    def __copy__(self) -> ObjectRef:
        return self

    def __deepcopy__(self, memo: Any) -> ObjectRef:
        return self

    def __hash__(self) -> int:
        return hash(self.entry.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectRef) and self.entry.id == other.entry.id

    def __repr__(self) -> str:
        return f"ObjectRef({self.hex()})"

    def __reduce__(self) -> tuple[Any, ...]:
        entry, noted = self.entry, outgoing.get()
        (entry.references.escaped if noted is None else noted).append(self)
        return revive, (entry.id, entry.owner or entry.references.address)

    def __await__(self) -> Any:
        return self.as_future().__await__()

    def binary(self) -> bytes:
        """Return the id."""
        return self.entry.id

    def task_id(self) -> bytes:
        """Return the id of the task that makes the object. Ray: a TaskID."""
        return self.entry.id[:-4]

    def hex(self) -> str:
        """Return the id in hexadecimal digits."""
        return self.entry.id.hex()

    def is_nil(self) -> bool:
        """Return False: a reference always stands for an object."""
        return False

    def __getattr__(self, name: str) -> Any:
        text = (
            f"an ObjectRef has no {name!r} in minimr: it has hex(), binary(), "
            "task_id(), is_nil(), future() and as_future()"
        )
        raise AttributeError(text, name=name, obj=self)

    def future(self) -> Any:
        """Return a `concurrent.futures.Future` of the value."""
        return current().values.future(self)

    def as_future(self) -> Any:
        """Return an `asyncio` future of the value, in the running loop."""
        import asyncio

        return asyncio.wrap_future(self.future())


ObjectID = ObjectRef  # Ray: its other name


@dataclass(slots=True, eq=False)
class Task:
    """A task or a method call, until nobody needs its results any more."""

    id: bytes
    name: str
    function: bytes | str | m.Call  # key of a function; name of a method
    blob: bytes  # the pickled function
    args: bytes | m.Inline
    refs: list[ObjectRef]  # top-level arguments, to be resolved
    held: list[ObjectRef]  # references inside other arguments
    returns: int  # -1: a generator; -1 - n: it may be n items ahead
    shape: m.Shape | None = None  # None: a method
    queue: Queue | None = None  # of a method: from the start
    retries: int = 0  # -1: without end
    retry_exceptions: bool | tuple[type, ...] = False
    parent: bytes | None = None  # the task that submitted it
    inputs: Sequence[Entry] = ()  # of the refs, once they were let go
    attempt: int = 0
    strays: tuple[Address, ...] = ()  # nodes with results not counted on
    cancelled: bool = False
    ready: bool = False  # its inputs are there
    waits: bool = True  # it has no result yet
    # Of a generator: gives who takes the items, if anybody is left.
    stream: Callable[[], Any] = lambda: None
    yielded: int = 0  # items that it has made, in any attempt
    # For the history of its process, if one is kept.
    submitted: float = 0.0
    sent: float = 0.0  # to this worker, in the last attempt
    worker: Peer | None = None

    def result_ids(self) -> list[bytes]:
        """Return the ids of the results."""
        if self.returns == 1 or self.returns < 0:
            return [self.id + FIRST]
        return [object_id(self.id, index) for index in range(self.returns)]

    def lease(self) -> Lease | None:
        """Return the lease of the worker that has it, if one has."""
        for lease in self.queue.leases if self.queue is not None else ():
            if self.id in lease.inflight:
                return lease
        return None

    def count_retry(self) -> None:
        """Note that the task begins once more."""
        self.attempt += 1
        if self.retries > 0:
            self.retries -= 1

    def let_go(self) -> None:
        """Let the inputs go, but for those that nothing makes again.

        A task that is not run again needs none.
        """
        again = self.refs if self.retries else []
        self.inputs = [ref.entry for ref in again]
        self.refs = [ref for ref in again if ref.entry.is_unique()]

    def is_impatient(self) -> bool:
        """Return whether a call does not wait for the restart of its actor."""
        return self.ready and self.retries == 0 and self.attempt == 0

    def wants_retry(self, failed: m.Failed) -> bool:
        """Return whether this error of the user's code is worth a retry."""
        if not self.retry_exceptions or self.retries == 0 or self.cancelled:
            return False
        if isinstance(self.retry_exceptions, bool):
            return True
        raised = pickle.loads(failed.error)
        cause = raised.cause if isinstance(raised, RayTaskError) else raised
        return isinstance(cause, self.retry_exceptions)


@dataclass(slots=True, eq=False)
class Queue:
    """Tasks of one shape or actor, and the leases for them."""

    number: int
    shape: m.Shape | None  # None: an actor's
    home: Address | None = None  # the node that is asked first
    tasks: deque[Task] = field(default_factory=deque)
    leases: list[Lease] = field(default_factory=list)
    asked: Counter[Address] = field(default_factory=Counter)
    answers: Counter[Address] = field(default_factory=Counter)
    error: m.Failed | None = None  # of a dead actor
    gap: m.Failed | None = None  # while an actor restarts
    held: bool = False  # until its placement group is there
    ordered: bool = True  # calls keep their places while inputs are late

    def waiting(self) -> int:
        """Return how many tasks a further worker could begin at once."""
        if self.tasks or self.idle():
            return len(self.tasks)
        return sum(max(0, len(lease.inflight) - 1) for lease in self.leases)

    def idle(self) -> list[Lease]:
        """Return the leases that have room, and nothing to do."""
        return [
            lease
            for lease in self.leases
            if not lease.inflight and lease.window.room
        ]

    def fullest(self) -> Lease | None:
        """Return the lease where most tasks wait behind another, if any do."""
        most, full = 1, None
        for lease in self.leases:
            if len(lease.inflight) > most:
                most, full = len(lease.inflight), lease
        return full


@dataclass(slots=True, eq=False)
class Lease:
    """A worker that is ours, for tasks of one queue."""

    queue: Queue
    peer: Peer
    number: int
    node: Address | None
    window: Window = field(default_factory=Window)
    # In the order they were sent.
    inflight: dict[bytes, Task] = field(default_factory=dict)
    wanted: bool = False  # others wait: it goes as soon as it is idle
    stolen_from: bool = False  # it was asked for tasks, and has not answered
    done: int = 0
    last: float = 0.0  # when it did a thing
    lost: bool = False  # the worker hung up, and all it said is read
    # What we were told of its end, to be believed when it is lost.
    on_link_closed: list[Callable[[], None]] = field(default_factory=list)
