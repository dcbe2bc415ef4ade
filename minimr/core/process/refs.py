"""References, and what they stand for in this process: entries.

ObjectRef ──> Entry in the table of this process (`objects.py`)
                owned:    value or places, borrowers, lineage
                borrowed: a copy of what the owner answered
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.serialization import outgoing
from minimr.net.channel import Address

if TYPE_CHECKING:
    from minimr.core.process.tasks import Task

# Entries whose reference has gone. The garbage collector runs `__del__` at
# any point of any thread, so nothing may be locked there.
released: deque[Entry] = deque()
wake_up: list[Callable[[], None]] = []  # of the runtime: to count down soon
# References that a program has pickled by its own hand. Nobody can tell how
# long such a pickle is kept, so they are kept to the end of the session.
escaped: list[ObjectRef] = []


@dataclass(slots=True, eq=False)
class Entry:
    """One object as this process knows it."""

    id: bytes
    owner: Address | None  # None: this process
    task: Task | None  # that makes it, or made it: lineage
    value: m.Value | None = None  # None: not there yet
    handles: int = 0  # ObjectRefs in this process
    waiters: list[Callable[[Entry], None]] | None = None
    borrowers: set[bytes] | None = None  # {process}
    contained: list[ObjectRef] | None = None  # inside the value
    asked: bool = False  # the owner was asked for the value

    def is_unique(self) -> bool:
        """Tell whether it is ours, in a store, and never made again."""
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

    def __del__(
        self, release: Any = released.append, wake_up: Any = wake_up
    ) -> None:  # at the very end, the globals of this module are gone
        release(self.entry)
        for wake in wake_up:
            wake()

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
        from minimr.core.process.runtime import current, revive

        noted = outgoing.refs
        (escaped if noted is None else noted).append(self)
        return revive, (self.entry.id, self.entry.owner or current().address)

    def __await__(self) -> Any:
        return self.as_future().__await__()

    def binary(self) -> bytes:
        """Give the id."""
        return self.entry.id

    def task_id(self) -> bytes:
        """Return the id of the task that makes the object. Ray: a TaskID."""
        return self.entry.id[:-4]

    def hex(self) -> str:
        """Give the id in hexadecimal digits."""
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
        """Give a `concurrent.futures.Future` of the value."""
        from minimr.core.process.runtime import current

        return current().values.future(self)

    def as_future(self) -> Any:
        """Return an `asyncio` future of the value, in the running loop."""
        import asyncio

        return asyncio.wrap_future(self.future())


ObjectID = ObjectRef  # Ray: its other name
