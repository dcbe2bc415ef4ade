"""The verbs of an engine, which note every call.

    student ── f.remote(x) ──> Recorder ── f.remote(x) ──> engine
                                   └─> Event("call", "f", (x,), refs)

Rules:

1. The engine does all the work: what is noted is what was asked of it, in
   that order, and so who waited for whom. No clock is read.
2. What travels to a task or an actor is the engine's own: there, nothing is
   noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that was asked of the engine.

    `of` is the number of an actor: actors are counted from 0, per class.
    """

    kind: str  # call, new, get, wait, kill
    name: str = ""  # of the function, or of class and method: "Agent.train"
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    refs: tuple[Any, ...] = ()  # what it returned, or was asked for
    of: int = -1

    def waits_for(self, refs: Sequence[Any]) -> bool:
        """Return whether it is a `get` or a `wait` for any of these."""
        return self.kind in ("get", "wait") and any(
            ref in self.refs for ref in refs
        )


class Recorder:
    """Stands in the place of `ray` in a student's program.

    Args:
        engine: the module that has the verbs.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.events: list[Event] = []
        self._put: dict[Any, Any] = {}  # reference: what it stands for
        self._actors: list[Handle] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def __reduce__(self) -> Any:
        return import_module, (self._engine.__name__,)

    def init(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the engine has been started."""

    def shutdown(self) -> None:
        """Do nothing: the engine is still needed."""

    def remote(self, *args: Any, **options: Any) -> Any:
        """Make a task or an actor class, as a decorator does."""
        if not args:
            return lambda what: self._remote(what, options)
        return self._remote(args[0], options)

    def put(self, value: Any) -> Any:
        """Put a value, and remember it."""
        ref = self._engine.put(value)
        self._put[ref] = value
        return ref

    def get(self, refs: Any, **options: Any) -> Any:
        """Note who is waited for, and wait."""
        several = tuple(refs) if isinstance(refs, (list, tuple)) else (refs,)
        self.events.append(Event("get", refs=several))
        return self._engine.get(refs, **options)

    def wait(self, refs: Any, **options: Any) -> Any:
        """Note who is waited for, and wait."""
        self.events.append(Event("wait", refs=tuple(refs)))
        return self._engine.wait(refs, **options)

    def kill(self, actor: Any, **options: Any) -> None:
        """End an actor."""
        self._engine.kill(actor.real, **options)
        self._actors = [a for a in self._actors if a is not actor]

    def value(self, argument: Any) -> Any:
        """Return what was put, for its reference; else the argument."""
        if not self.is_ref(argument):
            return argument
        return self._put.get(argument, argument)

    def is_ref(self, argument: Any) -> bool:
        """Return whether it is a reference of the engine."""
        return isinstance(argument, self._engine.ObjectRef)

    def is_result(self, argument: Any) -> bool:
        """Return whether it is a reference to what a call has returned."""
        return self.is_ref(argument) and argument not in self._put

    def end_actors(self) -> None:
        """End the actors that are left."""
        for actor in tuple(self._actors):
            self.kill(actor)

    def _remote(self, what: Any, options: dict[str, Any]) -> Any:
        kind = Actors if isinstance(what, type) else Task
        return kind(self, what, options)


class Task:
    """A function as a task. `function` is the student's own."""

    def __init__(
        self,
        recorder: Recorder,
        function: Callable[..., Any],
        options: dict[str, Any],
    ) -> None:
        self._recorder, self.function = recorder, function
        self._options = options
        self.__name__ = function.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raise an error that says how it is called."""
        raise TypeError(
            f"{self.__name__} is a task: call {self.__name__}.remote()"
        )

    def __reduce__(self) -> Any:
        name = self._recorder._engine.__name__
        return _remade, (name, self.function, self._options)

    def options(self, **options: Any) -> Task:
        """Return the same task with other options."""
        changed = {**self._options, **options}
        return Task(self._recorder, self.function, changed)

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Note the call, and let the engine run it."""
        made = _with_options(
            self._recorder._engine, self.function, self._options
        )
        answer = made.remote(*map(_real, args), **_all_real(kwargs))
        refs = tuple(answer) if isinstance(answer, list) else (answer,)
        self._recorder.events.append(
            Event("call", self.__name__, args, kwargs, refs)
        )
        return answer


class Actors:
    """A class as actors. `function` is the student's own."""

    def __init__(
        self, recorder: Recorder, cls: type, options: dict[str, Any]
    ) -> None:
        self._recorder, self.function = recorder, cls
        self._options = options
        self.__name__ = cls.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raise an error that says how it is called."""
        raise TypeError(
            f"{self.__name__} is an actor: call {self.__name__}.remote()"
        )

    def __reduce__(self) -> Any:
        name = self._recorder._engine.__name__
        return _remade, (name, self.function, self._options)

    def options(self, **options: Any) -> Actors:
        """Return the same class with other options."""
        changed = {**self._options, **options}
        return Actors(self._recorder, self.function, changed)

    def remote(self, *args: Any, **kwargs: Any) -> Handle:
        """Note that there is another actor, and start it."""
        recorder, name = self._recorder, self.__name__
        made = _with_options(recorder._engine, self.function, self._options)
        number = sum(
            event.kind == "new" and event.name == name
            for event in recorder.events
        )
        recorder.events.append(Event("new", name, args, kwargs, of=number))
        real = made.remote(*map(_real, args), **_all_real(kwargs))
        handle = Handle(recorder, real, name, number)
        recorder._actors.append(handle)
        return handle


class Handle:
    """An actor; where it travels to, it is the engine's own handle."""

    def __init__(
        self, recorder: Recorder, real: Any, name: str, number: int
    ) -> None:
        self._recorder, self.real = recorder, real
        self._name, self._number = name, number

    def __getattr__(self, name: str) -> Method:
        if name.startswith("__"):
            raise AttributeError(name)
        return Method(self, name)

    def __reduce__(self) -> Any:
        return _itself, (self.real,)


class Method:
    """A method of an actor."""

    def __init__(self, handle: Handle, name: str) -> None:
        self._handle, self._name = handle, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raise an error that says how it is called."""
        raise TypeError(
            f"{self._name} is a method of an actor: call {self._name}.remote()"
        )

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Note the call, and let the engine run it."""
        handle = self._handle
        method = getattr(handle.real, self._name)
        answer = method.remote(*map(_real, args), **_all_real(kwargs))
        name = f"{handle._name}.{self._name}"
        handle._recorder.events.append(
            Event("call", name, args, kwargs, (answer,), handle._number)
        )
        return answer


def calls(events: Sequence[Event], name: str) -> Iterator[tuple[int, Event]]:
    """Yield the calls of a function or a method, and when they came."""
    for index, event in enumerate(events):
        if event.kind == "call" and event.name == name:
            yield index, event


def _real(argument: Any) -> Any:
    return argument.real if isinstance(argument, Handle) else argument


def _all_real(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: _real(argument) for name, argument in kwargs.items()}


def _with_options(engine: Any, what: Any, options: dict[str, Any]) -> Any:
    made = engine.remote(what)
    return made.options(**options) if options else made


def _remade(engine: str, what: Any, options: dict[str, Any]) -> Any:
    return _with_options(import_module(engine), what, options)


def _itself(real: Any) -> Any:
    return real
