"""All jobs against `Counter(text.lower().split())`."""

from __future__ import annotations

import os
import sys
import tracemalloc
from collections import Counter
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimr.cli.count_files import differences, read_counts, write_counts
from minimr.interface.mapreduce import Job, task_counters
from minimr.shared.mapreduce import columns, wordcount
from minimr.shared.mapreduce.columns import Columns
from minimr.shared.mapreduce.corpus import (
    BLOCK_BYTES,
    NOT_UTF8,
    FileSplit,
    Range,
    Split,
    split_files,
)
from minimr.shared.mapreduce.shuffle import group, partition
from minimr.shared.mapreduce.sources import MissingPackageError
from minimr.shared.mapreduce.wordcount import (
    ARROW,
    COMBINED,
    JOBS,
    TEXTBOOK,
    arrow_map,
    combined_map,
    job_named,
)
from tests.unit.texts import CONTENT, counted

CORPUS = Path(
    os.environ.get("MINIMR_CORPUS")
    or Path(__file__).parents[2] / "../shared/corpus"
)
# German; French; a byte-order mark and no-break spaces; some Greek.
BOOKS = ["pg22367.txt", "pg4650.txt", "pg30601.txt", "pg2701.txt"]

needs_arrow = pytest.mark.skipif(
    find_spec("pyarrow") is None, reason="pyarrow is not installed"
)
every_job = pytest.mark.parametrize(
    "job",
    [TEXTBOOK, COMBINED, pytest.param(ARROW, marks=needs_arrow)],
    ids=lambda job: job.name,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("words")


def run(job: Job, splits: list[Split]) -> dict[str, int]:
    """Run a job with one reduce task and nothing around it."""
    to_blocks = job.partition or partition
    blocks = [to_blocks(job.map_function(split), 1)[0] for split in splits]
    counts = {
        word: job.reduce_function(word, values)
        for word, values in group(blocks).items()
    }
    if job.reduce_blocks is not None:  # a shorter way to the same
        assert job.reduce_blocks(blocks) == counts
    return counts


def test_the_jobs_go_by_their_names() -> None:
    assert list(JOBS) == ["textbook", "combined", "arrow"]
    assert JOBS["textbook"] is TEXTBOOK is job_named("textbook")


def test_the_textbook_job_gives_a_one_for_every_word() -> None:
    pairs = list(TEXTBOOK.map_function("To be or not to be"))
    words = ["to", "be", "or", "not", "to", "be"]
    assert pairs == [(word, 1) for word in words]


def test_the_combined_job_gives_each_word_once() -> None:
    pairs = COMBINED.map_function(["To be or", "not to be"])
    assert pairs == {"to": 2, "be": 2, "or": 1, "not": 1}


@every_job
@given(st.lists(st.text() | CONTENT.map(lambda c: c.decode("latin-1"))))
def test_texts_count_as_they_should(job: Job, texts: list[str]) -> None:
    wanted: Counter[str] = Counter()
    for text in texts:
        wanted.update(text.lower().split())
    assert run(job, [texts]) == wanted
    assert run(job, list(texts)) == wanted


@every_job
def test_half_a_character_counts_too(job: Job) -> None:
    assert run(job, [["one \ud800 two"], ["two"]]) == {
        "one": 1,
        "\ud800": 1,
        "two": 2,
    }


@every_job
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


@every_job
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


@every_job
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


@every_job
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


@needs_arrow
@given(content=CONTENT, group_bytes=st.integers(1, 40))
def test_arrow_counts_the_same_however_often_it_merges(
    folder: Path, content: bytes, group_bytes: int
) -> None:
    path = folder / "groups"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wordcount, "GROUP_BYTES", group_bytes)
        patch.setattr(Range.blocks, "__defaults__", (1,))
        assert run(ARROW, list(split_files([str(path)], 1))) == counted(
            content
        )


@needs_arrow
@given(content=CONTENT, text=st.text(), num_partitions=st.integers(1, 5))
def test_blocks_of_columns_and_of_pairs_can_be_mixed(
    folder: Path, content: bytes, text: str, num_partitions: int
) -> None:
    path = folder / "mixed"
    path.write_bytes(content)
    (split,) = split_files([str(path)], 1)
    words = text.lower().split()
    outputs = [columns.partition(arrow_map(split), num_partitions),
               columns.partition(arrow_map([text]), num_partitions),
               partition(combined_map(split), num_partitions)]  # fmt: skip
    found: Counter[str] = Counter()
    for blocks in zip(*outputs, strict=True):
        part = columns.add_up(blocks)
        assert not found.keys() & part.keys()  # a word has one partition
        found.update(part)
    once = Counter(counted(content))
    assert found == once + once + Counter(words)


@needs_arrow
@given(content=CONTENT)
def test_columns_are_a_dict_to_whoever_looks(
    folder: Path, content: bytes
) -> None:
    path = folder / "looked at"
    path.write_bytes(content)
    counts = arrow_map(*split_files([str(path)], 1))
    assert dict(counts) == counted(content)


@needs_arrow
def test_arrow_needs_memory_for_a_group_not_for_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow

    path = folder / "many groups"
    path.write_bytes(b"the quick brown fox jumps over the lazy dog\n" * 50_000)
    monkeypatch.setattr(wordcount, "GROUP_BYTES", BLOCK_BYTES)
    held: list[int] = []
    counts = columns.count

    def watched(blocks: list[bytes]) -> Columns:
        held.append(pyarrow.total_allocated_bytes())
        assert sum(map(len, blocks)) <= 2 * BLOCK_BYTES
        return counts(blocks)

    monkeypatch.setattr(columns, "count", watched)
    assert run(ARROW, list(split_files([str(path)], 1)))["the"] == 100_000
    assert len(held) > 20
    assert max(held) - held[0] < BLOCK_BYTES


@every_job
def test_a_word_longer_than_any_block_is_one_word(
    folder: Path, job: Job
) -> None:
    path = folder / f"long-{job.name}"
    path.write_bytes(b"x" * (3 * BLOCK_BYTES) + b" y X")
    splits = split_files([str(path)], 4)
    assert run(job, list(splits)) == {"x" * 3 * BLOCK_BYTES: 1, "x": 1, "y": 1}


def test_without_pyarrow_the_job_arrow_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = folder / "none"
    path.write_bytes(b"one two")
    (split,) = split_files([str(path)], 1)
    for ask in (lambda: job_named("arrow"), lambda: run(ARROW, [split])):
        with pytest.raises(MissingPackageError, match=r"minimr\[arrow\]"):
            ask()


@every_job
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
