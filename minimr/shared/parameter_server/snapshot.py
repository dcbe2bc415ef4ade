"""The state of a parameter server as bytes in a file, and back.

    Rounds ── write ──> [JSON as an array of bytes] [array 0] [array 1] ...
    Rounds <── read ──  NumPy's own format, one array after the other

Rule: a file is data, never code. A pickle can run code, so whoever can
replace the file could run theirs here. This reads numbers, texts, and the few
kinds below.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.lib.format import read_array, write_array

from minimr.interface import parameter_server as interface
from minimr.shared.parameter_server import consistency
from minimr.shared.parameter_server.rounds import Push, Rounds

KINDS = {
    kind.__name__: kind
    for kind in (
        consistency.Synchronous, consistency.Stale, consistency.Asynchronous,
        consistency.Gradients, consistency.Average,
        interface.ServerStats, Push,
    )
}  # fmt: skip


def write(state: Rounds, file: IO[bytes]) -> None:
    """Write the state to a file."""
    arrays: list[Any] = []
    text = json.dumps(_plain(vars(state), arrays))
    head = np.frombuffer(text.encode(), np.uint8)
    for array in (head, *arrays):
        write_array(file, array, allow_pickle=False)


def read(file: IO[bytes]) -> Rounds:
    """Return the state that a file holds.

    Raises:
        ValueError: it was not written by `write`.
    """
    try:
        about = json.loads(read_array(file, allow_pickle=False).tobytes())
        found = dict(_value(about, _arrays(file)))
        state = Rounds({}, 0, consistency.Synchronous(), consistency.Average())
        if found.keys() != vars(state).keys():
            raise ValueError("it has other fields")
        vars(state).update(found)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file.name} is no checkpoint: {error}") from error
    return state


def _arrays(file: IO[bytes]) -> Iterator[Any]:
    while True:
        yield read_array(file, allow_pickle=False)


def _plain(value: Any, arrays: list[Any]) -> Any:
    """Return a value as what JSON has; arrays are added to the list."""
    if isinstance(value, (np.ndarray, np.float32)):
        arrays.append(np.asarray(value))
        return {"array": len(arrays)}
    if isinstance(value, dict):
        name = "counter" if isinstance(value, Counter) else "dict"
        # Pairs: in JSON a key is a text, and ours can be numbers.
        items = ((_plain(k, arrays), v) for k, v in value.items())
        return {name: [(key, _plain(item, arrays)) for key, item in items]}
    if type(value) in KINDS.values():
        names = Push._fields if isinstance(value, Push) else vars(value)
        fields = {name: getattr(value, name) for name in names}
        return {type(value).__name__: _plain(fields, arrays)}
    return value.item() if isinstance(value, np.integer) else value


def _value(plain: Any, arrays: Iterator[Any]) -> Any:
    """Return the value again; the arrays come in the order of `_plain`."""
    if not isinstance(plain, dict):
        return plain
    ((name, content),) = plain.items()
    if name == "array":
        return next(arrays)
    if name in ("dict", "counter"):
        pairs = {key: _value(item, arrays) for key, item in content}
        return Counter(pairs) if name == "counter" else pairs
    return KINDS[name](**_value(content, arrays))
