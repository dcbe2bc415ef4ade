"""Both jobs against `Counter(text.lower().split())`."""

from __future__ import annotations

import os
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimr.cli.count_files import differences, read_counts, write_counts
from minimr.interface.mapreduce import Job, task_counters
from minimr.shared.mapreduce.corpus import (
    NOT_UTF8,
    FileSplit,
    Range,
    Split,
    split_files,
)
from minimr.shared.mapreduce.shuffle import group, partition
from minimr.shared.mapreduce.wordcount import COMBINED, JOBS, TEXTBOOK
from tests.unit.texts import CONTENT, counted

CORPUS = Path(
    os.environ.get("MINIMR_CORPUS")
    or Path(__file__).parents[2] / "../shared/corpus"
)
# German; French; a byte-order mark and no-break spaces; some Greek.
BOOKS = ["pg22367.txt", "pg4650.txt", "pg30601.txt", "pg2701.txt"]

both = pytest.mark.parametrize(
    "job", [TEXTBOOK, COMBINED], ids=lambda j: j.name
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("words")


def run(job: Job, splits: list[Split]) -> dict[str, int]:
    """Run a job with one reduce task and nothing around it."""
    blocks = [partition(job.map_function(split), 1)[0] for split in splits]
    return {
        word: job.reduce_function(word, values)
        for word, values in group(blocks).items()
    }


def test_the_jobs_go_by_their_names() -> None:
    assert {"textbook": TEXTBOOK, "combined": COMBINED} == JOBS


def test_the_textbook_job_gives_a_one_for_every_word() -> None:
    pairs = list(TEXTBOOK.map_function("To be or not to be"))
    words = ["to", "be", "or", "not", "to", "be"]
    assert pairs == [(word, 1) for word in words]


def test_the_combined_job_gives_each_word_once() -> None:
    pairs = COMBINED.map_function(["To be or", "not to be"])
    assert pairs == {"to": 2, "be": 2, "or": 1, "not": 1}


@both
@given(st.lists(st.text() | CONTENT.map(lambda c: c.decode("latin-1"))))
def test_texts_count_as_they_should(job: Job, texts: list[str]) -> None:
    wanted: Counter[str] = Counter()
    for text in texts:
        wanted.update(text.lower().split())
    assert run(job, [texts]) == wanted
    assert run(job, list(texts)) == wanted


@both
@given(content=CONTENT, data=st.data())
def test_a_file_counts_the_same_however_it_is_cut(
    folder: Path, job: Job, content: bytes, data: st.DataObject
) -> None:
    path = folder / job.name
    path.write_bytes(content)
    size = len(content)
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=5)))
    splits = [
        FileSplit((Range(str(path), start, end),))
        for start, end in pairwise([0, *cuts, size])
    ]
    assert run(job, splits) == counted(content)
    together = [FileSplit(tuple(p for s in splits for p in s.ranges))]
    assert run(job, together) == counted(content)


@both
@pytest.mark.parametrize(
    "content",
    [
        "ΟΔΟΣ οδος ΟΔΟΣ. ΣΑΣ Σ σ",  # the final sigma differs
        "İstanbul i̇stanbul ISTANBUL",  # one capital, two small letters
        "Straße STRASSE \u212a k",  # the Kelvin sign is a k
        "one\u00a0two\u0085three\u2028four\u3000five",
        "one\x1ctwo\x1dthree\x1efour\x1ffive \x1c",
        "e\u0301 \u00e9 \u00c9",  # not normalised: these are two words
        "\u200bzero\u200bwidth\ufeff is no space",
    ],
)
def test_words_beyond_ascii(folder: Path, job: Job, content: str) -> None:
    path = folder / f"beyond-{job.name}"
    path.write_text(content)
    splits = split_files([str(path)], 3)
    assert run(job, list(splits)) == Counter(content.lower().split())


def test_the_final_sigma_is_another_letter() -> None:
    assert run(COMBINED, ["ΟΔΟΣ οδοσ"]) == {"οδος": 1, "οδοσ": 1}


@both
def test_bytes_that_are_no_text_count_and_the_file_is_named(
    folder: Path, job: Job
) -> None:
    good, bad = folder / f"good-{job.name}", folder / f"bad-{job.name}"
    good.write_bytes(b"one two")
    bad.write_bytes(b"caf\xe9 CAF\xe9 one\xe2\x82")
    counters: Counter[str] = Counter()
    token = task_counters.set(counters)
    counts = run(job, list(split_files([str(good), str(bad)], 1)))
    task_counters.reset(token)
    assert counts == {"one": 1, "two": 1, "caf\ufffd": 2, "one\ufffd": 1}
    assert counters == {NOT_UTF8 + str(bad): 1}


@both
def test_nothing_counts_as_nothing(folder: Path, job: Job) -> None:
    path = folder / "empty"
    path.write_bytes(b"")
    for split in (
        "",
        [],
        ["", " "],
        FileSplit(()),
        split_files([str(path)], 1)[0],
    ):
        assert run(job, [split]) == {}


def peak_of_counting(path: Path, lines: int) -> int:
    path.write_bytes(b"the quick brown fox jumps over the lazy dog\n" * lines)
    (split,) = split_files([str(path)], 1)
    tracemalloc.start()
    try:
        assert COMBINED.map_function(split)["the"] == 2 * lines
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_counting_takes_memory_for_words_not_for_the_file(
    folder: Path,
) -> None:
    small = peak_of_counting(folder / "small", 20_000)
    large = peak_of_counting(folder / "large", 100_000)
    assert large < small * 1.2


@both
@pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"no books in {CORPUS} ($MINIMR_CORPUS)"
)
@pytest.mark.parametrize("number", [1, 7])
def test_real_books_count_as_they_should(job: Job, number: int) -> None:
    books = [CORPUS / "gutenberg98" / name for name in BOOKS]
    wanted: Counter[str] = Counter()
    for book in books:
        wanted.update(counted(book.read_bytes()))
    splits = split_files([str(book) for book in books], number)
    assert run(job, list(splits)) == wanted


# ---- counts as files


@pytest.mark.parametrize("words", [["a", "b"], ["\ufeffa"], ["\ufeff", "😀"]])
def test_counts_are_read_as_they_were_written(
    tmp_path: Path, words: list[str]
) -> None:
    counts = dict.fromkeys(words, 2)
    write_counts(str(tmp_path / "counts"), counts)
    assert read_counts(str(tmp_path / "counts")) == counts


def test_a_byte_order_mark_is_none_of_the_first_word(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    path.write_text("a\t1\r\nb\t2\r\n", encoding="utf-8-sig", newline="")
    assert read_counts(str(path)) == {"a": 1, "b": 2}


def test_a_word_that_is_expected_no_time_may_be_missing() -> None:
    assert differences({"a": 1, "b": 0}, {"a": 1}) == []
    assert differences({"a": 0}, {"a": 1}) == ["'a': expected 0, counted 1"]
