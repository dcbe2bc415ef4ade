"""What a task is given, what it gives, and how it fails.

    args, deps ─> arguments() ─> the call ─┬─> reply() ────> Done, to the
                                           └─> failure() ──>  owner

Rule: a reference that travels in a result is kept here until the owner has
registered as its borrower, and so answers.
"""

from __future__ import annotations

import inspect
import logging
import pickle
import sys
from collections.abc import Callable
from itertools import islice
from typing import Any, NoReturn

import cloudpickle

from minimr.core import messages as m
from minimr.core import prints, serialization
from minimr.core.process.records import FIRST, Entry, object_id
from minimr.core.process.runtime import Runtime
from minimr.core.serialization import Slot, as_failed
from minimr.exceptions import (
    AsyncioActorExit,
    TaskCancelledError,
    task_error,
)
from minimr.net.channel import Address
from minimr.net.messages import Message, Reply
from minimr.net.peer import Peer
from minimr.system import machine

log = logging.getLogger(__name__)

EVENTS_S = 0.5  # what ran is told to the control store
MAX_EVENTS = 1000
# Methods that every actor has.
SYSTEM_METHODS = ("__ray_call__", "__ray_ready__", "__ray_terminate__")


def own_repr(actor: Any) -> str:
    """Return what an actor's class writes of it; nothing by default."""
    default: Any = object.__repr__
    if type(actor).__repr__ is default or actor is None:
        return ""
    try:
        return repr(actor)
    except Exception as error:  # noqa: BLE001  # the user's
        return f"<{type(actor).__name__}: its __repr__ raised {error!r}>"


class ActorExit(BaseException):
    """Raised by `exit_actor` in a method."""


def method(actor: Any, name: str) -> Any:
    """Return a method of an actor: its class's, or one that all have."""
    if name == "__ray_terminate__":
        raise ActorExit
    if name == "__ray_ready__":
        return lambda: True
    if name == "__ray_call__":
        return lambda call, /, *args, **kwargs: call(actor, *args, **kwargs)
    # Not the instance's: an attribute may have the name of a method.
    found, cls = inspect.getattr_static(type(actor), name), type(actor)
    bind = getattr(found, "__get__", None)
    return bind(actor, cls) if bind else found


class ArgumentLost(Exception):  # noqa: N818  # nobody's mistake
    """A large argument of a task has no copy where it should have one."""

    def __init__(self, number: int, place: Address | None) -> None:
        super().__init__(number, place)
        self.number, self.place = number, place


class Results:
    """Reads arguments and sends results, for one worker."""

    def __init__(
        self, runtime: Runtime, end: Callable[[int], NoReturn]
    ) -> None:
        self.runtime = runtime
        self.end = end  # has the process end with this code
        # {key of a function or method}: pickled until the first use
        self.functions: dict[bytes | str | m.Call, Any] = {}
        self._events: list[Any] = []  # m.Event, one after the other
        self._tells = False  # soon
        self._records = runtime.history is not None

    def function(self, key: bytes | str | m.Call, actor: Any) -> Any:
        """Return what a task calls. A function is unpickled once, at first."""
        known = self.functions.get(key)
        if known is None:
            name = key.method if isinstance(key, m.Call) else str(key)
            known = self.functions[key] = method(actor, name)
        elif isinstance(known, bytes):
            known = self.functions[key] = cloudpickle.loads(known)
        return known

    def arguments(
        self, blob: bytes | m.Inline, deps: Any, waits: bool
    ) -> tuple[Any, Any]:
        """Unpickle arguments, values in the place of references.

        Args:
            waits: for what is lost, until it is made anew.

        Blocks: until large values are in this node's store.

        Raises:
            ArgumentLost: it does not wait for that.
        """
        if not blob and not deps:
            return (), {}
        values = self._values(deps, waits) if deps else []
        args, kwargs = serialization.load(blob) if blob else values.pop()
        if values:
            args = [values[a.number] if type(a) is Slot else a for a in args]
            for key, arg in kwargs.items():
                if type(arg) is Slot:
                    kwargs[key] = values[arg.number]
        if self.runtime.objects.to_borrow:
            self.runtime.values.drain()
        return args, kwargs

    def _values(self, deps: Any, waits: bool) -> list[Any]:
        values, received = self.runtime.values, self.runtime.objects.received
        entries = [received(name, value) for name, value in deps]
        if waits:
            return values.fetch(entries, None)
        lost: list[tuple[Entry, Address | None]] = []
        found = values.fetch(entries, None, lost)
        for entry, place in lost:
            raise ArgumentLost(entries.index(entry), place)
        return found

    def reply(
        self,
        peer: Peer,
        id: bytes,
        returns: int,
        result: Any,
        failure: Callable[[BaseException], m.Failed],
    ) -> None:
        """Answer with a result. Blocks: a large one, for room.

        A generator's values are results, even if it raises after them.
        """
        owner, encode = peer.data.address, self.runtime.values.encode
        if returns == 1:
            packed = serialization.pack(result)
            value = encode(id + FIRST, packed, owner)
            self._send(peer, packed.refs, m.Done(id, value))
            return
        unrolls = inspect.isgenerator(result)
        parts = result if unrolls else serialization.split(result, returns)
        values: list[m.Value] = []
        refs: list[Any] = []
        try:
            for index, part in enumerate(islice(parts, returns)):
                packed = serialization.pack(part)
                values.append(encode(object_id(id, index), packed, owner))
                refs += packed.refs
            if len(values) < returns:
                serialization.split(values, returns)  # says so
        except BaseException as error:
            if not unrolls:
                raise
            values += [failure(error)] * (returns - len(values))
        if unrolls and next(result, self) is not self:
            text = "it has num_returns=%d, and yields more, which nobody gets"
            log.warning(text, returns)
        self._send(peer, refs, m.Done(id, values))

    def item(self, peer: Peer, id: bytes, number: int, item: Any) -> None:
        """Send what a generator has yielded. Blocks: a large one."""
        owner, encode = peer.data.address, self.runtime.values.encode
        packed = serialization.pack(item)
        value = encode(object_id(id, number), packed, owner)
        self._send(peer, packed.refs, m.Yielded(id, number, value))
        self.runtime.hub.flush()

    def _send(self, peer: Peer, refs: list[Any], message: Message) -> None:
        """Send after all before it, when our references are registered."""
        runtime = self.runtime
        if not refs and not runtime.objects.registering:  # as mostly
            peer.post(message)
            return

        def send() -> None:
            peer.post(message)
            if refs:  # kept by the question until it is answered
                runtime.ask(peer, lambda _: refs.clear(), m.Register())

        with runtime.lock:
            runtime.objects.when_registered(send)

    def failure(
        self,
        spec: m.ActorSpec | None,
        name: str,
        error: BaseException,
        actor: Any = None,
    ) -> m.Failed:
        """Return the answer when a task has raised.

        Raises:
            SystemExit: there is none, and this process ends.
        """
        prints.flush()
        self.runtime.hub.flush()
        if isinstance(error, ActorExit | AsyncioActorExit):
            assert spec is not None
            why = "it called exit_actor()"
            self.runtime.ask_head(m.EndActor(spec.id, True, why, False))
            error = SystemExit()
        if isinstance(error, SystemExit):
            code = error.code
            self.end(code if isinstance(code, int) else code is not None)
        if isinstance(error, KeyboardInterrupt) or _is_cancelled(error):
            return as_failed(TaskCancelledError(f"{name}() was cancelled"))
        return as_failed(
            task_error(name, error, machine.pid(), own_repr(actor))
        )

    def record(
        self,
        kind: str,
        id: bytes,
        name: str,
        succeeded: bool,
        began: float,
        loaded: float | None = None,
        executed: float | None = None,
    ) -> None:
        """Note what has run, and ends now."""
        if not self._records:
            return
        events, now = self._events, machine.time()
        events += (kind, id, name, succeeded, began, loaded, executed, now)
        full = len(events) == MAX_EVENTS * m.EVENT_FIELDS
        if full or not self._tells:
            self._tells = True
            with self.runtime.lock:
                self.runtime.later(0.0 if full else EVENTS_S, self._tell)

    def _tell(self) -> None:
        self._tells = False
        self.tell(lambda _: None)

    def tell(self, told: Reply[Any]) -> None:
        """Send the control store what has run by now. Lock held."""
        events, self._events = self._events, []
        if events:
            node, row = self.runtime.welcome.node, f"worker {machine.pid()}"
            blob = pickle.dumps((node, row, events))
            self.runtime.ask(self.runtime.head(), told, m.Events(blob))
        else:
            told(None)


def _is_cancelled(error: BaseException) -> bool:
    # Who never imported asyncio, which takes long, has no such error.
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)
