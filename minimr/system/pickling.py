"""Says where in a value the part is that cannot be pickled.

    TypeError: cannot pickle '_thread.lock' object: it is
    argument 1.model['layers'][3].guard

Python's own error names the class of that part, and nothing else. This walks
down from the value: into a part that cannot be pickled either, again and
again, until all parts can be pickled.

It runs only after pickling has failed, so it may be slow: it pickles each
part that it passes.

Ray: `ray.util.inspect_serializability`, and what it adds to its error.
"""

from __future__ import annotations

import pickle
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cloudpickle

Step = tuple[str, Any]  # how a part is reached, and the part
FAILURES = (TypeError, AttributeError, pickle.PicklingError)


def dumps(
    value: Any,
    root: str = "the value",
    roots: Callable[[], Mapping[str, Any]] | None = None,
    buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None,
) -> bytes:
    """Return a value pickled; functions and classes of `__main__` by value.

    Args:
        root: what to call the value in an error.
        roots: called after a failure; returns {name: part} to search instead.
        buffer_callback: takes large buffers, as in `pickle.dumps`.

    Raises:
        TypeError, pickle.PicklingError: a part cannot be pickled;
            the text says where it is.
    """
    try:
        return bytes(cloudpickle.dumps(value, 5, buffer_callback))
    except FAILURES as error:
        named = roots() if roots is not None else {root: value}
        raise blame(error, named) from None


def blame(error: Exception, roots: Mapping[str, Any]) -> Exception:
    """Return the error that says where the part is, below one of the roots."""
    is_plain = not isinstance(error, pickle.PicklingError)
    kind = TypeError if is_plain else pickle.PicklingError
    for root, value in roots.items():
        if not can_be_pickled(value):
            return kind(f"{error}: it is {''.join(find(value, root)[0])}")
    return kind(str(error))


def find(value: Any, root: str) -> tuple[tuple[str, ...], Any]:
    """Return the path to the part that cannot be pickled, and the part."""
    path = [root]
    passed = [value]  # kept, so that no other object gets their ids
    while True:
        broken = (
            (step, part)
            for step, part in _parts(value)
            if not any(part is one for one in passed)
            and not can_be_pickled(part)
        )
        step, value = next(broken, ("", None))
        if not step:
            return tuple(path), passed[-1]
        passed.append(value)
        path.append(step)


def can_be_pickled(value: Any) -> bool:
    """Return whether a value can be pickled."""
    try:
        cloudpickle.dumps(value, 5)
    except Exception:  # noqa: BLE001  # whatever a user's class raises
        return False
    return True


def _parts(value: Any) -> Iterator[Step]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield f"[{key!r}]", part
            yield f" > key {key!r}", key
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield f"[{index}]", part
    elif isinstance(value, set | frozenset):
        yield from ((" > element", part) for part in value)
    elif isinstance(value, types.FunctionType):
        yield from _captured(value)
    elif isinstance(value, type):
        yield from _attributes(vars(value))
    elif isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
    else:
        yield from _state(value)


def _state(value: Any) -> Iterator[Step]:
    """Yield what `__reduce_ex__` of an object would pickle along."""
    try:
        made_of = value.__reduce_ex__(4)
    except Exception:  # noqa: BLE001  # this is the culprit, or its class
        return
    if isinstance(made_of, str):  # a name in its module
        return
    args, state = made_of[1], made_of[2] if len(made_of) > 2 else None
    pair: Any = (state,)
    if isinstance(state, tuple) and len(state) == 2:
        pair = state
    if all(isinstance(part, dict | None) for part in pair):
        for part in pair:  # a __dict__, and what lies in slots
            yield from _attributes(part or {})
    else:
        yield " > its state", state
    for index, part in enumerate(args):
        yield f" > its argument {index}", part


def _attributes(state: Mapping[str, Any]) -> Iterator[Step]:
    yield from ((f".{name}", part) for name, part in state.items())


def _captured(function: types.FunctionType) -> Iterator[Step]:
    """Yield the variables that a function uses from outside."""
    name, code = function.__qualname__, function.__code__
    cells = function.__closure__ or ()
    for variable, cell in zip(code.co_freevars, cells, strict=True):
        try:
            yield f" > variable {variable!r} of {name}", cell.cell_contents
        except ValueError:
            continue  # an empty cell
    for variable in sorted(_names(code) & function.__globals__.keys()):
        part = function.__globals__[variable]
        yield f" > global {variable!r} of {name}", part
    for index, part in enumerate(function.__defaults__ or ()):
        yield f" > default {index} of {name}", part


def _names(code: types.CodeType) -> set[str]:
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))
