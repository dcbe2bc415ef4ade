"""What a program asks of an engine, seen in its driver while it runs.

    program ── get, wait, f.remote, A.remote, a.method.remote ──> engine
                 └──> Calls ──> lines: call, seen

Rules:

1. It is seen alike on `minimr` and on Ray: what differs is in `Inside`.
2. Only the driver is seen. What tasks ask is told by their engine.
3. A value is looked at, and not kept: of what cannot be referred to weakly,
   the last few.

Nothing of it is there unless a run is recorded.
"""

from __future__ import annotations

import functools
import inspect
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from lecture.inside import Inside, Submitted
from lecture.trace import Line

LARGE_BYTES = 100_000  # above, both engines put a value into a store
MOST = 10_000  # calls that are kept, the last ones
NAMED = 50  # tasks of one call
LOOKED_AT = 1000  # parts of a value
RECENT = 4  # large values that are remembered
SCALARS = (bool, int, float, complex, str, bytes, type(None))


class Calls:
    """Looks on while a program calls an engine.

    Args:
        api: the module with the verbs.
    """

    def __init__(self, api: Any) -> None:
        self._api, self._inside = api, Inside(api)
        self._calls: deque[Line] = deque(maxlen=MOST)
        self._seen: dict[tuple[str, ...], Line] = {}
        self._definitions: dict[int, _Definition] = {}
        self._classes: dict[str, _Definition] = {}
        self._passed: deque[_Value] = deque(maxlen=RECENT)
        self._got: deque[_Value] = deque(maxlen=RECENT)
        self._undo = ExitStack()

    def __enter__(self) -> Calls:
        for verb in ("get", "wait"):
            self._replace(self._api, verb, self._timed)
        for owner, method in self._inside.submits():
            self._replace(owner, method, self._submitting)
        owner, method = self._inside.pickles()
        self._replace(owner, method, self._pickling)
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    def lines(self) -> list[Line]:
        """Return what was seen, as lines of a trace."""
        self._note("store", "", bytes=self._inside.store_bytes())
        return [*self._calls, *self._seen.values()]

    def _replace(self, owner: Any, name: str, wrap: Any) -> None:
        real = getattr(owner, name)
        setattr(owner, name, wrap(name, real))
        self._undo.callback(setattr, owner, name, real)

    def _note(self, what: str, name: str, *about: str, bytes: int = 0) -> None:
        """Count what was seen: once more, and so many bytes."""
        key = what, name, *about
        line = self._seen.setdefault(
            key,
            {
                "kind": "seen", "what": what, "name": name,
                "about": [*about], "times": 0, "bytes": 0,
            },
        )  # fmt: skip
        line["times"] += 1
        line["bytes"] += bytes

    # ---- get and wait ----

    def _timed(self, verb: str, real: Callable[..., Any]) -> Any:
        @functools.wraps(real)
        def call(refs: Any, *args: Any, **kwargs: Any) -> Any:
            begin, size = time.time(), 0
            try:
                found = real(refs, *args, **kwargs)
                if verb == "get":
                    size = self._fetched(refs, found)
                return found
            finally:
                many = refs if isinstance(refs, list) else [refs]
                ids = [self._inside.task_of(ref) for ref in many[:NAMED]]
                line = {"kind": "call", "name": verb, "begin": begin}
                line |= {"tasks": ids, "times": len(many), "bytes": size}
                self._calls.append({**line, "end": time.time()})

        return call

    def _fetched(self, refs: Any, found: Any) -> int:
        """Look at what was fetched; return its bytes."""
        many = refs if isinstance(refs, list) else [refs]
        values = found if isinstance(refs, list) else [found]
        total = 0
        for ref, value in zip(many, values, strict=False):
            size = size_of(value)
            total += size
            task = self._inside.task_of(ref)
            if size > LARGE_BYTES or isinstance(value, SCALARS):
                self._got.append(_Value(value, task))
            for inner in self._inside.refs_in([value]):
                if self._inside.is_put_by(inner, ref):
                    made = self._inside.task_of(inner)
                    self._note("put", "", task, made)
        return total

    # ---- tasks ----

    def _submitting(self, name: str, real: Callable[..., Any]) -> Any:
        @functools.wraps(real)
        def submit(stub: Any, *args: Any, **kwargs: Any) -> Any:
            told = self._inside.submitted(stub, args, kwargs)
            result = real(stub, *args, **kwargs)
            self._look(told, result)
            return result

        return submit

    def _look(self, told: Submitted, result: Any) -> None:
        task = self._inside.task_of(result)
        for arg in told.arguments:
            if self._inside.is_ref(arg):
                continue
            size = size_of(arg)
            if size > LARGE_BYTES:
                self._large(told.name, arg, size)
            for value in self._got:
                if value.is_same(arg) and size > LARGE_BYTES:
                    self._note("passed on", told.name, bytes=size)
                elif value.is_same(arg):
                    self._note("after", told.name, value.about, task)
            for _ in self._inside.refs_in(arg):
                self._note("handed", told.name)
        if told.yields:
            self._note("generator", told.name)
        for resource, amount in told.asks.items():
            self._note(f"asks for {amount:g} {resource}", told.name)
        self._defined(told)

    def _large(self, name: str, arg: Any, size: int) -> None:
        """Note a large value that is passed by value, and is so again."""
        for value in self._passed:
            if value.is_same(arg):
                self._note("by value", name, bytes=size)
                return
        self._passed.append(_Value(arg, name))

    def _pickling(self, name: str, real: Callable[..., Any]) -> Any:
        """Note a reference that the program pickles by itself."""

        @functools.wraps(real)
        def pickle(me: Any, *args: Any, **kwargs: Any) -> Any:
            if self._inside.is_out_of_band(me):
                self._note("pickled", "")
            return real(me, *args, **kwargs)

        return pickle

    # ---- definitions ----

    def _defined(self, told: Submitted) -> None:
        """Look at the code that a call runs, and at what it captures."""
        if told.method:  # of an actor: its class was sent when it started
            known = self._classes.get(told.name.partition(".")[0])
        else:
            known = self._definitions.get(id(told.target))
        if known is None and told.target is not None:
            known = _Definition(told.target)
            self._definitions[id(told.target)] = known
            self._classes[told.name] = known
            self._note("defined", told.name, known.place)
            for name, size in known.sizes().items():
                if size > LARGE_BYTES:
                    self._note("captured", told.name, name, bytes=size)
            for value in known.values():
                for _ in self._inside.refs_in([value]):
                    self._note("pickled", told.name)
        if known is not None:
            self._note("called", told.name, known.place)
            for name in known.changed():
                self._note("changed", told.name, name)


class _Value:
    """A value that may come again, and what it is about."""

    def __init__(self, value: Any, about: str) -> None:
        self.about = about
        self._scalar = isinstance(value, SCALARS)
        try:
            self._get: Callable[[], Any] = weakref.ref(value)
        except TypeError:
            self._get = lambda: value

    def is_same(self, other: Any) -> bool:
        """Return whether it is the same object, or an equal small value."""
        mine = self._get()
        if self._scalar and not isinstance(mine, str | bytes):
            return type(mine) is type(other) and bool(mine == other)
        return mine is other and mine is not None


class _Definition:
    """A function or class as it was sent, with what it takes from outside."""

    def __init__(self, target: Any) -> None:
        self._target = target  # so that no other has its id
        functions = [*_functions(target)]
        codes = [each.__code__ for each in functions]
        self.place = ""
        if codes:
            self.place = f"{codes[0].co_filename}:{codes[0].co_firstlineno}"
        self._functions = [each for each in functions if _by_value(each)]
        self._was = {
            name: _mark(value) for name, value in self._captured().items()
        }

    def _captured(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for function in self._functions:
            found |= _captured(function)
        return found

    def values(self) -> list[Any]:
        """Return what it captures."""
        return [*self._captured().values()]

    def sizes(self) -> dict[str, int]:
        """Return the bytes of what it captures."""
        return {n: size_of(value) for n, value in self._captured().items()}

    def changed(self) -> Iterator[str]:
        """Yield the names that stand for something else by now."""
        for name, value in self._captured().items():
            if name in self._was and _mark(value) != self._was[name]:
                yield name


def _functions(target: Any) -> Iterator[Any]:
    """Yield a function, or those of a class, that have code."""
    if inspect.isclass(target):
        for each in vars(target).values():
            yield from _functions(inspect.unwrap(each))
    elif inspect.isfunction(target):
        yield target


def _by_value(function: Any) -> bool:
    """Return whether a function is sent with what it captures."""
    local = "<locals>" in function.__qualname__
    return local or function.__module__ == "__main__"


def _captured(function: Any) -> dict[str, Any]:
    """Return {name: value} of what a function takes from around it."""
    found = {
        name: function.__globals__[name]
        for name in function.__code__.co_names
        if name in function.__globals__
    }
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # it has none yet
            continue
    return found


def _mark(value: Any) -> Any:
    """Return what is equal as long as a value is: of a container, its size."""
    if isinstance(value, SCALARS):
        return type(value), value
    size = len(value) if isinstance(value, list | dict | set) else 0
    return id(value), size


def size_of(value: Any, depth: int = 2) -> int:
    """Return about how many bytes of data a value has."""
    if isinstance(value, bytes | bytearray | str):
        return len(value)
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list | tuple | set) and value and depth:
        looked = list(value)[:LOOKED_AT]
        total = sum(size_of(part, depth - 1) for part in looked)
        return max(8, total // len(looked)) * len(value)
    size = getattr(value, "nbytes", 0)
    return size if isinstance(size, int) else 0
