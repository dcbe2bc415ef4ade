"""From the pairs of a map task to the groups of a reduce task.

    map task                         │            reduce task r
    pairs ─> partition() ─> R blocks │─> block r of every map task ─>
                                     │   group() ─> {key: [value, ...]}
                              a socket, or Ray

A block is what travels: one partition of one map task's output, grouped by
key and written by columns. A column of words joined into one text, or of
small integers as raw bytes, is smaller than as many Python objects, and read
several times faster.

Rules:

1. A key goes to partition `stable_hash(key) % R`: the same in every process
   and on every run. Python's own `hash` of a text differs between processes.
2. Keys that are equal have equal hashes: 1, 1.0 and True are one key.
3. A column that cannot be packed is pickled as it is. Only a key without a
   stable hash is refused.
"""

from __future__ import annotations

import pickle
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, chain, pairwise
from numbers import Number
from typing import Any
from zlib import crc32

from minimr.interface.mapreduce import Pairs

SEPARATOR = "\n"  # joins a column of texts, if none of them contains it
MAX_HASH = 2**64


def stable_hash(key: Any) -> int:
    """Return the same number for a key in every process and on every run.

    Raises:
        TypeError: the key is not a text, bytes, a number (but NaN), None,
            or a tuple or frozenset of these.
    """
    if isinstance(key, str):
        return crc32(key.encode("utf-8", "surrogatepass"))
    if isinstance(key, bytes):
        return crc32(key)
    if isinstance(key, Number):
        if key != key:
            raise TypeError("NaN has no stable hash: it equals no key")
        return hash(key) % MAX_HASH  # numbers are not salted
    if key is None:
        return 0
    if isinstance(key, tuple):
        return crc32(repr([stable_hash(part) for part in key]).encode())
    if isinstance(key, frozenset):
        return sum(map(stable_hash, key)) % MAX_HASH
    raise TypeError(
        f"a key of type {type(key).__name__} has no stable hash: use texts, "
        "bytes, numbers, None, or tuples and frozensets of these"
    )


def partition(pairs: Pairs, num_partitions: int) -> list[bytes]:
    """Return a map task's output, grouped by key, a block per partition."""
    grouped = not isinstance(pairs, Mapping)
    output = pairs if isinstance(pairs, Mapping) else _grouped(pairs)
    columns: list[tuple[list[Any], list[Any]]]
    columns = [([], []) for _ in range(num_partitions)]
    hashes = _hashes(output)
    for key, value, number in zip(
        output, output.values(), hashes, strict=True
    ):
        keys, values = columns[number % num_partitions]
        keys.append(key)
        values.append(value)
    return [_encode(keys, values, grouped) for keys, values in columns]


def group(blocks: Iterable[bytes]) -> dict[Any, list[Any]]:
    """Return all the values of each key, over all blocks."""
    groups: dict[Any, list[Any]] = {}
    find = groups.get
    for block in blocks:
        keys, lengths, values = _decode(block)
        if lengths is None:  # most keys are new: a list of just one value
            for key, value in zip(keys, values, strict=True):
                known = find(key)
                if known is None:
                    groups[key] = [value]
                else:
                    known.append(value)
        else:
            for key, part in zip(keys, _cut(values, lengths), strict=True):
                known = find(key)
                if known is None:
                    groups[key] = list(part)
                else:
                    known.extend(part)
    return groups


def add_up(
    blocks: Iterable[bytes], totals: dict[Any, int] | None = None
) -> dict[Any, int]:
    """Add the integers of each key to its total: no list, no call per key."""
    totals = {} if totals is None else totals
    find = totals.get
    for block in blocks:
        keys, _, values = _decode(block)
        for key, value in zip(keys, values, strict=True):
            totals[key] = find(key, 0) + value
    return totals


def write(
    number: int, keys: str | list[Any], values: list[Any], lengths: Any = None
) -> bytes:
    """Return a block of keys, joined if they are texts, and values.

    Args:
        lengths: how many values each key has; None: one.
    """
    columns = (number, keys, lengths, _packed(values))
    try:
        return pickle.dumps(columns, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError):
        # Classes of `__main__`, lambdas: by value, which is slower.
        import cloudpickle  # only now: most jobs never need it

        return bytes(cloudpickle.dumps(columns, protocol=5))


def read(block: bytes) -> tuple[int, str | list[Any], Any, Any]:
    """Return what was written: number, keys, lengths, values."""
    columns: tuple[int, str | list[Any], Any, Any] = pickle.loads(block)
    return columns


def _grouped(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, list[Any]]:
    groups: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


def _hashes(keys: Iterable[Any]) -> Iterable[int]:
    try:  # all texts: a loop in C
        return list(map(crc32, map(str.encode, keys)))
    except (TypeError, UnicodeEncodeError):
        return map(stable_hash, keys)


def _encode(keys: list[Any], values: list[Any], grouped: bool) -> bytes:
    lengths = None
    if grouped:
        lengths = _packed(list(map(len, values)))
        values = list(chain.from_iterable(values))
    return write(len(keys), _joined(keys), values, lengths)


def _decode(block: bytes) -> tuple[list[Any], Any, Any]:
    number, keys, lengths, values = read(block)
    if isinstance(keys, str):
        keys = keys.split(SEPARATOR) if number else []
    return keys, lengths, values


def _joined(keys: list[Any]) -> str | list[Any]:
    try:
        joined = SEPARATOR.join(keys)
    except TypeError:  # not all texts
        return keys
    inside = joined.count(SEPARATOR) + 1 - len(keys)
    return joined if inside == 0 or not keys else keys


def _packed(values: list[Any]) -> bytes | array[int] | list[Any]:
    """Return integers in 1, 4 or 8 bytes each; other values as they are."""
    if set(map(type, values)) != {int}:  # a bool is to stay a bool
        return values
    low, high = min(values), max(values)
    if low >= 0 and high < 2**8:
        return bytes(values)
    if low >= 0 and high < 2**32:
        return array("I", values)
    if low >= -(2**63) and high < 2**63:
        return array("q", values)
    return values


def _cut(values: Any, lengths: Iterable[int]) -> Iterator[Any]:
    for start, end in pairwise(accumulate(lengths, initial=0)):
        yield values[start:end]
