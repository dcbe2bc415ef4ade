"""Partitions: the same everywhere, complete, exact and compact."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimr.shared.mapreduce.shuffle import group, partition, stable_hash

KEYS = [
    "", "word", "Ärger", "λόγος", "a\nb", "\ud800", "\0", "😀",
    b"", b"bytes", 0, 1, -1, 2**61 - 1, -(2**200), 0.5, 1e300, 2j, None,
    (), ("a", 1), (("nested", None), b"x"), frozenset({1, "a"}),
    Fraction(1, 3), Decimal("0.1"), True,
]  # fmt: skip

# Texts with all that a join, a split or an encoding may trip over.
TEXTS = st.text() | st.text(
    st.sampled_from("ab\n\r\0\x1c\u2028é😀\ud800\udfff"), max_size=4
)
NUMBERS = (
    st.integers() | st.booleans() | st.floats(allow_nan=False) | st.fractions()
)
ANY_KEY = st.recursive(
    TEXTS | NUMBERS | st.binary() | st.none(),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)
EDGES = [0, 1, -1, 255, 256, 2**32 - 1, 2**32, 2**63 - 1, 2**63, -(2**63)]
ANY_VALUE = (
    st.integers()
    | st.sampled_from([*EDGES, -(2**63) - 1])
    | st.booleans()
    | st.text()
    | st.none()
    | st.lists(st.integers(), max_size=2)
)
KIND_OF_KEYS = st.sampled_from([TEXTS, st.integers(), ANY_KEY])
KIND_OF_VALUES = st.sampled_from(
    [st.just(1), st.integers(0, 300), st.integers(), ANY_VALUE]
)


def hashes_elsewhere(seed: str) -> str:
    program = (
        "from tests.unit.test_shuffle import KEYS\n"
        "from minimr.shared.mapreduce.shuffle import stable_hash\n"
        "print([stable_hash(key) for key in KEYS])"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


def test_hashes_are_the_same_in_every_process() -> None:
    here = f"{[stable_hash(key) for key in KEYS]}\n"
    assert hashes_elsewhere("1") == here
    assert hashes_elsewhere("2") == here


def test_hashes_do_not_change_from_one_version_to_the_next() -> None:
    assert [stable_hash(key) for key in ("", "word", b"word", 7, None)] == [
        0,
        3287381265,
        3287381265,
        7,
        0,
    ]


@pytest.mark.parametrize(
    "equal",
    [
        (1, 1.0, True, Fraction(1), Decimal(1), 1 + 0j, np.int32(1)),
        (0, 0.0, -0.0, False, Decimal("-0")),
        (-1, -1.0, Fraction(-1)),
        (2**64, 2.0**64),
        (0.5, Fraction(1, 2), Decimal("0.5")),
        ((1, "a"), (1.0, "a"), (True, "a")),
        (frozenset({1, 2}), frozenset({2.0, 1.0})),
        ("a", np.str_("a")),
    ],
)
def test_equal_keys_have_equal_hashes(equal: tuple[Any, ...]) -> None:
    assert len(set(equal)) == 1
    assert len({stable_hash(key) for key in equal}) == 1


@given(ANY_KEY)
def test_a_hash_is_a_number_that_can_be_divided(key: Any) -> None:
    assert 0 <= stable_hash(key) < 2**64


@pytest.mark.parametrize("key", [[1], {}, object(), print, ("a", [1])])
def test_a_key_without_a_stable_hash_is_refused(key: Any) -> None:
    with pytest.raises(TypeError, match="has no stable hash"):
        stable_hash(key)


@pytest.mark.parametrize(
    "key", [float("nan"), Decimal("nan"), ("a", float("nan"))]
)
def test_not_a_number_is_no_key(key: Any) -> None:
    with pytest.raises(TypeError, match="has no stable hash"):
        stable_hash(key)


def test_words_spread_over_the_partitions() -> None:
    sizes = Counter(stable_hash(f"word{i}") % 7 for i in range(7000))
    assert len(sizes) == 7
    assert min(sizes.values()) > 900


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types: True is not 1."""
    return repr(left) == repr(right)


@given(st.data(), st.integers(1, 9))
def test_pairs_come_back_grouped(data: st.DataObject, number: int) -> None:
    keys, values = data.draw(KIND_OF_KEYS), data.draw(KIND_OF_VALUES)
    tasks = data.draw(
        st.lists(st.lists(st.tuples(keys, values), max_size=8), max_size=4)
    )
    wanted: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, value in [pair for pairs in tasks for pair in pairs]:
        wanted[key].append(value)
    blocks = [partition(iter(pairs), number) for pairs in tasks]
    check_groups(blocks, wanted, number)


@given(st.data(), st.integers(1, 9))
def test_a_mapping_comes_back_with_a_value_of_each_task(
    data: st.DataObject, number: int
) -> None:
    keys, values = data.draw(KIND_OF_KEYS), data.draw(KIND_OF_VALUES)
    tasks = data.draw(
        st.lists(st.dictionaries(keys, values, max_size=8), max_size=4)
    )
    wanted: defaultdict[Any, list[Any]] = defaultdict(list)
    for mapping in tasks:
        for key, value in mapping.items():
            wanted[key].append(value)
    blocks = [partition(mapping, number) for mapping in tasks]
    check_groups(blocks, wanted, number)


def check_groups(
    tasks: list[list[bytes]], wanted: dict[Any, list[Any]], number: int
) -> None:
    seen = 0
    for index in range(number):
        groups = group(blocks[index] for blocks in tasks)
        for key, values in groups.items():
            assert stable_hash(key) % number == index
            assert same(list(values), wanted[key])
        seen += len(groups)
    assert seen == len(wanted)


@pytest.mark.parametrize("value", [*EDGES, -(2**63) - 1, True, False, 1.0])
def test_a_value_keeps_its_type(value: Any) -> None:
    (block,) = partition([("a", value), ("b", 1), ("b", 0)], 1)
    assert same(dict(group([block])), {"a": [value], "b": [1, 0]})
    (block,) = partition({"a": value}, 1)
    assert same(dict(group([block])), {"a": [value]})


@pytest.mark.parametrize("keys", [[], [""], ["\n"], ["a\nb", "c"], ["a", 1]])
def test_keys_that_a_join_could_lose_come_back(keys: list[Any]) -> None:
    (block,) = partition(dict.fromkeys(keys, 1), 1)
    assert same(dict(group([block])), {key: [1] for key in keys})


def test_no_partition_is_left_out() -> None:
    assert len(partition([], 5)) == 5
    assert group(partition([], 5)) == {}
    assert group([]) == {}


def test_blocks_of_words_are_compact() -> None:
    counts = {f"word{number:05}": number % 200 for number in range(10_000)}
    words = sum(len(word) for word in counts)
    (block,) = partition(counts, 1)
    assert len(block) < words + 2 * len(counts) + 200


def test_blocks_of_ones_take_a_byte_for_each() -> None:
    (block,) = partition((("word", 1) for _ in range(100_000)), 1)
    assert len(block) < 100_200


@pytest.mark.parametrize(
    ("largest", "size"), [(255, 1), (256, 4), (2**32 - 1, 4), (2**32, 8)]
)
def test_integers_take_what_the_largest_needs(largest: int, size: int) -> None:
    values = [largest] * 10_000
    (block,) = partition({f"{i:04}": v for i, v in enumerate(values)}, 1)
    assert len(block) < 10_000 * (5 + size) + 200


def test_the_same_pairs_make_the_same_blocks() -> None:
    pairs = [(f"word{i % 100}", i) for i in range(1000)]
    assert partition(pairs, 4) == partition(iter(pairs), 4)
