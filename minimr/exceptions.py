"""The errors that `get` and the verbs raise, under Ray's names.

Rules:

1. An error of a task is raised at `get` as an instance of both
   `RayTaskError` and the class that the task raised, with the remote
   traceback in its text.
2. An error of the system says what happened, where, and what to do.
"""

from __future__ import annotations

import linecache
import re
import traceback
from contextlib import suppress
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

FRAME_WITHOUT_LINE = re.compile(
    r'^  File "(?P<file>[^"\n]+)", line (?P<line>\d+), in .*\n(?!    )',
    re.MULTILINE,
)
MEMBERS = (MemberDescriptorType, GetSetDescriptorType)


class RayError(Exception):
    """The base of all errors of the system."""


class CrossLanguageError(RayError):
    """Never raised: there is one language. Kept for `except` clauses."""


class RayTaskError(RayError):
    """A task or a method raised; `cause` is what it raised."""

    def __init__(
        self, function_name: str, traceback_str: str, cause: BaseException
    ) -> None:
        self.function_name = function_name
        self.traceback_str = traceback_str
        self.cause = cause
        super().__init__(function_name, traceback_str, cause)

    def __str__(self) -> str:
        return self.traceback_str

    def __reduce__(self) -> tuple[Any, ...]:
        args = (self.function_name, self.traceback_str, self.cause)
        return (RayTaskError, args, _in_slots(self.cause) or None)

    def __setstate__(self, slots: Any) -> None:
        for name, value in slots.items():
            setattr(self.cause, name, value)

    def as_instanceof_cause(self) -> RayTaskError:
        """Return this error as an instance of the cause's class as well."""
        kind = type(self.cause)
        if isinstance(self.cause, RayTaskError):
            return self.cause
        if isinstance(self, kind):
            return self

        def new(cls: Any, error: RayTaskError) -> Any:  # a group needs its own
            return kind.__new__(cls, *error.cause.args)

        about = {"__module__": RayTaskError.__module__}
        try:
            both = type(
                f"RayTaskError({kind.__name__})",
                (RayTaskError, kind),
                {"__new__": new, "__init__": _copy_of, **about},
            )
            return both(self)  # type: ignore[no-any-return]
        except TypeError:  # the class cannot be derived from
            return self


def _copy_of(self: Any, error: RayTaskError) -> None:
    self.__dict__.update(getattr(error.cause, "__dict__", {}))
    self.function_name = error.function_name
    self.traceback_str = error.traceback_str
    self.cause = error.cause
    self.args = error.cause.args
    # Members outside of `__dict__`, such as `errno`; Ray drops them.
    for kind in type(error.cause).__mro__:
        for name, member in vars(kind).items():
            if isinstance(member, MEMBERS) and not name.startswith("__"):
                with suppress(AttributeError, TypeError):  # unset, or fixed
                    setattr(self, name, getattr(error.cause, name))


def _in_slots(error: BaseException) -> dict[str, Any]:
    """Return what an error has in `__slots__`: its own pickle drops that."""
    kind = type(error)
    if kind.__reduce__ is not BaseException.__reduce__:
        return {}  # it knows better
    return {
        name: getattr(error, name)
        for cls in kind.__mro__
        if "__slots__" in vars(cls)
        for name, member in vars(cls).items()
        if isinstance(member, MemberDescriptorType) and hasattr(error, name)
    }


class WorkerCrashedError(RayError):
    """The worker died while it ran the task, once too often."""


class LocalRayletDiedError(RayError):
    """The node of this process, or the head of its cluster, is gone."""


class TaskCancelledError(RayError):
    """The task was cancelled."""


class TaskUnschedulableError(RayError):
    """No node can ever run the task."""


class ActorUnschedulableError(RayError):
    """No node can ever run the actor."""


class TaskPlacementGroupRemoved(RayError):  # noqa: N818  # Ray's name
    """The placement group of the task was removed."""


class ActorPlacementGroupRemoved(RayError):  # noqa: N818  # Ray's name
    """The placement group of the actor was removed."""


class RayActorError(RayError):
    """A call has no result: the actor is dead or cannot be reached."""


class ActorDiedError(RayActorError):
    """The actor is dead for good."""


class ActorUnavailableError(RayActorError):
    """The actor is restarting; a later call may succeed."""


class ActorAlreadyExistsError(ValueError, RayError):
    """Another actor has the name."""


class ActorHandleNotFoundError(ValueError, RayError):
    """The handle is of an earlier `init`."""


class GetTimeoutError(RayError, TimeoutError):
    """`get` timed out."""


class ObjectStoreFullError(RayError):
    """There is no room for the object, in memory or on disk."""


class OutOfDiskError(RayError):
    """An object could not be spilled: the disk is full."""


class OutOfMemoryError(RayError):
    """The worker was killed because memory ran out."""


class NodeDiedError(RayError):
    """The node is dead."""


class ObjectLostError(RayError):
    """All copies of the object are gone, and it cannot be recomputed."""


class ObjectFetchTimedOutError(ObjectLostError):
    """The object could not be fetched in time."""


class ReferenceCountingAssertionError(ObjectLostError, AssertionError):
    """The object was freed while a reference was left."""


class ObjectFreedError(ObjectLostError):
    """The object was freed explicitly."""


class OwnerDiedError(ObjectLostError):
    """The object's owner has died, and with it the record of its places."""


class ObjectReconstructionFailedError(ObjectLostError):
    """The object was lost, and so was what recomputing it needs."""


class RaySystemError(RayError):
    """The system itself failed."""


class PendingCallsLimitExceeded(RayError):  # noqa: N818  # Ray's name
    """The actor has `max_pending_calls` calls waiting."""


class RuntimeEnvSetupError(RayError):
    """The runtime environment that was asked for cannot be set up."""


class AsyncioActorExit(RayError):  # noqa: N818  # Ray's name
    """Raised in an async method to end its actor."""


# Never raised here. Kept, as CrossLanguageError is, for `except` clauses.


class AuthenticationError(RayError):
    """A token is missing or wrong. Here that is a ConnectionError."""


class ObjectRefStreamEndOfStreamError(RayError):
    """A generator has no more items. Here that is StopIteration."""


class OufOfBandObjectRefSerializationException(RayError):  # noqa: N818
    """A program pickles a reference itself. Here it may."""


class PlasmaObjectNotAvailable(RayError):  # noqa: N818  # Ray's name
    """An object did not come in time. Here that is a GetTimeoutError."""


class RpcError(RayError):
    """A question between processes failed. Here that is a RayError."""


class StreamingGeneratorReplayInconsistentError(RaySystemError):
    """A generator gave other items again. Here items are ObjectLostErrors."""


class UnserializableException(RayError):  # noqa: N818  # Ray's name
    """An error cannot be read back. Here that is a RayTaskError."""


class RayCgraphCapacityExceeded(RaySystemError):  # noqa: N818  # Ray's name
    """A compiled graph has too much under way. Here there are none."""


class RayChannelError(RaySystemError):
    """A channel of a compiled graph failed. Here there are none."""


class RayChannelTimeoutError(RayChannelError, TimeoutError):
    """Such a channel took too long."""


class RayDirectTransportError(RaySystemError):
    """Accelerators could not exchange an object. Here sockets carry all."""


class UserCodeException(RayError):  # noqa: N818  # Ray's name
    """The code of a user raised. Here that is a RayTaskError."""


def task_error(
    name: str, error: BaseException, pid: int, actor: str = ""
) -> RayTaskError:
    """Return what a task raised, wrapped. Runs in: the worker's `except`."""
    if isinstance(error, RayTaskError):
        text = error.traceback_str  # raised by a task that this one got
        cause = error.cause
    else:
        text, cause = "", error
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    here = "".join(lines).rstrip()
    head = f"{name}() (pid={pid}{f', repr={actor}' if actor else ''})"
    return RayTaskError(name, f"{head}\n{here}" if not text else here, cause)


def with_lines(text: str) -> str:
    """Return a traceback with the lines of source that it lacks.

    A worker does not know those of a notebook; whoever has its cells does.
    """

    def frame(found: re.Match[str]) -> str:
        line = linecache.getline(found["file"], int(found["line"])).strip()
        return f"{found[0]}    {line}\n" if line else found[0]

    return FRAME_WITHOUT_LINE.sub(frame, text)


def as_raised(error: BaseException) -> BaseException:
    """Return what a task raised itself; the remote traceback is its cause.

    An error of the system is returned as it is.
    """
    if not isinstance(error, RayTaskError):
        return error
    error.cause.__cause__ = error
    return error.cause
