"""A task as its owner keeps it, and the ids of what it makes."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.serialize import fail
from minimr.exceptions import RayTaskError, TaskCancelledError

if TYPE_CHECKING:
    from minimr.core.objects import Entry, ObjectRef

FIRST = (0).to_bytes(4, "big")  # of the object that a task returns


def object_id(task: bytes, index: int) -> bytes:
    """Give the id of a task's result with that index."""
    return task + index.to_bytes(4, "big")


class Task:
    """A task or a method call, until nobody needs its results any more."""

    __slots__ = (
        "args",
        "attempt",
        "cancelled",
        "function",
        "held",
        "id",
        "inputs",
        "kept",
        "lease",
        "name",
        "parent",
        "ready",
        "refs",
        "retries",
        "retry_exceptions",
        "returns",
        "shape",
        "waits",
    )

    def __init__(
        self,
        id: bytes,
        name: str,
        function: m.Define,
        args: bytes,
        refs: list[ObjectRef],
        held: list[ObjectRef],
        returns: int,
        shape: m.Shape,
        retries: int,
        retry_exceptions: bool | tuple[type, ...],
    ) -> None:
        self.id = id
        self.name = name
        self.function = function
        self.args = args
        self.refs = refs  # top-level arguments, to be resolved
        self.held = held  # references inside other arguments
        self.inputs: list[Entry] = []  # of the refs, once they were let go
        self.returns = returns  # -1: a generator
        self.shape = shape
        self.retries = retries  # -1: without end
        self.retry_exceptions = retry_exceptions
        self.attempt = 0
        self.parent: bytes | None = None  # the task that submitted it
        self.lease: Any = None  # Queue, Lease, or the actor's line
        self.cancelled = False
        self.kept = False  # its results may be lost, so it is kept
        self.ready = False  # its inputs are there
        self.waits = True  # it has no result yet

    def count_retry(self) -> None:
        """Note that the task begins once more."""
        self.attempt += 1
        if self.retries > 0:
            self.retries -= 1

    def wants_retry(self, failed: m.Failed) -> bool:
        """Tell whether this error of the user's code is worth a retry."""
        if not self.retry_exceptions or self.retries == 0 or self.cancelled:
            return False
        if isinstance(self.retry_exceptions, bool):
            return True
        raised = pickle.loads(failed.error)
        cause = raised.cause if isinstance(raised, RayTaskError) else raised
        return isinstance(cause, self.retry_exceptions)

    def cancelled_value(self) -> m.Failed:
        """Give what `get` raises after `cancel`."""
        text = f"{self.name}() was cancelled"
        return fail(TaskCancelledError(text))
