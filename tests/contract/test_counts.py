"""Whatever the texts and the tasks: the same counts on every engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from minimr.interface.mapreduce import Job, MapReduce
from minimr.shared.mapreduce.corpus import FileSplit, Range, split_texts
from minimr.shared.mapreduce.wordcount import COMBINED, JOBS
from tests.contract.jobs import INVERTED_INDEX, KEYS

# An engine of the session is no state that an example could spoil.
QUICK = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

SEPARATORS = [
    *" \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2028\u2029\u3000",
    "\r\n",
    "\ufeff",  # looks like one, and is none
    "\u200b",  # nor is this
]
WORDS = [
    *("the", "The", "THE", "I", "i", "a\n1", ""),
    *("Straße", "STRASSE", "straße", "ẞ"),
    *("İ", "i̇", "I\u0307", "ı", "K", "k"),  # dotted, dotless, the Kelvin sign
    *("ΣΑΣ", "σας", "ΣΑΣ'", "Σ", "ς"),  # a sigma at the end is another one
    *("ǅ", "ﬁ", "ﬀ", "\ud7ff", "\U0001f600", "é", "e\u0301", "\x00"),
]
texts = st.lists(
    st.one_of(
        st.lists(
            st.sampled_from(WORDS) | st.sampled_from(SEPARATORS), max_size=20
        ).map("".join),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    ),
    max_size=12,
)
tasks = st.tuples(st.integers(1, 40), st.integers(1, 9))


@pytest.fixture(params=JOBS)
def job(request: pytest.FixtureRequest) -> Job:
    if request.param == "arrow":
        pytest.importorskip("pyarrow")
    return JOBS[request.param]


def run(engine: MapReduce, *arguments: Any) -> dict[Any, Any]:
    result = engine.run(*arguments)
    try:
        return result.merged()
    finally:
        result.close()


@QUICK
@given(texts=texts, tasks=tasks)
@example(texts=[], tasks=(1, 1))
@example(texts=["", "", ""], tasks=(40, 9))
@example(texts=["ΑΣ", "Σ", "ΑΣ\u2028Σ"], tasks=(2, 2))
def test_any_texts_and_any_tasks_give_the_counts_of_one_line_of_python(
    engine: MapReduce,
    job: Job,
    texts: list[str],
    tasks: tuple[int, int],
) -> None:
    maps, reduces = tasks
    counts = run(engine, job, split_texts(texts, maps), reduces)
    assert counts == Counter(" ".join(texts).lower().split())


@QUICK
@given(data=st.data(), texts=texts, tail=st.binary(max_size=30))
def test_any_cut_of_a_file_into_byte_ranges_counts_the_same(
    engine: MapReduce,
    job: Job,
    files: Path,
    data: st.DataObject,
    texts: list[str],
    tail: bytes,
) -> None:
    content = "\n".join(texts).encode() + tail
    path = files / f"any-cut-{engine.name}"
    path.write_bytes(content)
    inside = st.lists(st.integers(0, len(content)), max_size=12)
    cuts = [0, *sorted(data.draw(inside, "cuts")), len(content)]
    splits = [
        FileSplit((Range(str(path), start, end),))
        for start, end in pairwise(cuts)
    ]
    counts = run(engine, job, splits, 3)
    assert counts == _counts_of(content)


def _counts_of(content: bytes) -> Counter[str]:
    content = content.removeprefix(b"\xef\xbb\xbf")
    return Counter(content.decode(errors="replace").lower().split())


@pytest.mark.parametrize(
    ("maps", "reduces"), [(1_000, 7), (7, 1_000), (200, 200)]
)
def test_a_few_words_may_be_spread_over_many_tasks(
    engine: MapReduce, maps: int, reduces: int
) -> None:
    splits = split_texts(["To be", "or", "not to be"], maps)
    expected = {"to": 2, "be": 2, "or": 1, "not": 1}
    assert run(engine, COMBINED, splits, reduces) == expected


def test_no_split_at_all_gives_an_empty_result(
    engine: MapReduce, job: Job
) -> None:
    result = engine.run(job, [], 3)
    assert result.merged() == {}
    assert result.top(5) == []
    assert result.stats.map_tasks == 0
    assert result.stats.reduce_tasks == 3


@QUICK
@given(texts=texts, tasks=tasks)
def test_an_inverted_index_lists_the_files_of_each_word(
    engine: MapReduce, texts: list[str], tasks: tuple[int, int]
) -> None:
    maps, reduces = tasks
    named = [(f"file {i}", text) for i, text in enumerate(texts)]
    splits = [named[i::maps] for i in range(maps)]
    expected = {
        word: sorted(name for name, text in named if word in text.split())
        for word in {word for text in texts for word in text.split()}
    }
    assert run(engine, INVERTED_INDEX, splits, reduces) == expected


keys = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False),  # no key: it differs from itself
        st.text(max_size=5),
        st.binary(max_size=5),
    ),
    lambda parts: st.lists(parts, max_size=3).map(tuple),
    max_leaves=5,
)


@QUICK
@given(
    splits=st.lists(st.lists(keys, max_size=8), max_size=6),
    reduces=st.integers(1, 9),
)
def test_keys_of_every_kind_may_have_values_of_none(
    engine: MapReduce, splits: list[list[Any]], reduces: int
) -> None:
    counts = Counter(key for split in splits for key in split)
    expected = {key: (number, None) for key, number in counts.items()}
    assert run(engine, KEYS, splits, reduces) == expected


def test_equal_keys_are_one_key_whatever_their_types(
    engine: MapReduce,
) -> None:
    splits = [[1, (1, 2)], [1.0, (1.0, 2)], [True, (True, 2.0)]]
    expected = {1: (3, None), (1, 2): (3, None)}
    assert run(engine, KEYS, splits, 5) == expected


def test_lambdas_and_what_they_enclose_travel(engine: MapReduce) -> None:
    factor = 3

    def pairs(split: list[int]) -> Iterator[tuple[int, int]]:
        yield from ((number % 2, number * factor) for number in split)

    job = Job("closures", pairs, lambda key, values: max(values) + factor)
    expected = {0: 4 * factor + 3, 1: 5 * factor + 3}
    assert run(engine, job, [[1, 2, 3], [4], [5]], 2) == expected


def test_a_program_may_define_everything_in_its_main_module(
    engine: MapReduce,
) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(MAIN_MODULE, names)
    job = Job("main", names["pairs"], names["largest"])
    found = run(engine, job, [[3, 1], [2]], 2)
    assert {key: seen.value for key, seen in found.items()} == {1: 3, 0: 2}


MAIN_MODULE = """
class Seen:
    def __init__(self, value):
        self.value = value

def pairs(split):
    for number in split:
        yield number % 2, Seen(number)

def largest(key, seen):
    return max(seen, key=lambda each: each.value)
"""
