"""Text to splits and back: nothing lost, nothing cut, little memory."""

from __future__ import annotations

import gzip
import io
import os
import tracemalloc
from collections import Counter
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimr.interface.mapreduce import task_counters
from minimr.shared.mapreduce import corpus
from minimr.shared.mapreduce.corpus import (
    BLOCK_BYTES,
    NOT_UTF8,
    SPLIT_BYTES,
    SPLITS_PER_WORKER,
    FileSplit,
    InputError,
    Range,
    default_num_reduce_tasks,
    default_num_splits,
    find_files,
    split_files,
    split_texts,
    standard_library,
    tell_left_out,
    texts_of,
)
from tests.unit.texts import BOM, CONTENT, VALID, counted

ASCII_SPACE = b" \t\n\r\v\f"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture
def counters() -> Counter[str]:
    """Count as within a task."""
    counters: Counter[str] = Counter()
    token = task_counters.set(counters)
    yield counters
    task_counters.reset(token)


def written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def whole(path: str, size: int) -> FileSplit:
    return FileSplit((Range(path, 0, size),))


# ---- ranges


@given(content=CONTENT, data=st.data())
def test_any_cut_into_ranges_reads_every_byte_once(
    folder: Path, content: bytes, data: st.DataObject
) -> None:
    path = written(folder / "cut", content)
    size = len(content)
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=6)))
    block_bytes = data.draw(st.sampled_from([1, 2, 3, 7, 64, BLOCK_BYTES]))
    blocks = [
        block
        for start, end in pairwise([0, *cuts, size])
        for block in Range(path, start, end).blocks(block_bytes)
    ]
    assert b"".join(blocks) == content.removeprefix(BOM)


@given(content=CONTENT, data=st.data())
def test_any_cut_into_ranges_counts_the_same(
    folder: Path, content: bytes, data: st.DataObject
) -> None:
    path = written(folder / "count", content)
    size = len(content)
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=6)))
    counts: Counter[str] = Counter()
    for start, end in pairwise([0, *cuts, size]):
        for text in FileSplit((Range(path, start, end),)).texts():
            counts.update(text.lower().split())
    assert counts == counted(content)


@given(content=CONTENT, block_bytes=st.integers(1, 20))
def test_a_block_ends_behind_white_space_or_with_the_file(
    folder: Path, content: bytes, block_bytes: int
) -> None:
    path = written(folder / "blocks", content)
    blocks = list(Range(path, 0, len(content)).blocks(block_bytes))
    for block in blocks[:-1]:
        assert block[-1] in ASCII_SPACE


def test_a_word_belongs_to_the_range_that_it_begins_in(folder: Path) -> None:
    path = written(folder / "words", b"one two three")
    words = [
        b"".join(Range(path, start, end).blocks())
        for start, end in [(0, 1), (1, 4), (4, 5), (5, 8), (8, 13)]
    ]
    assert words == [b"one ", b"", b"two ", b"", b"three"]


@pytest.mark.parametrize("content", [b"", BOM])
def test_a_file_without_text_gives_nothing(
    folder: Path, content: bytes
) -> None:
    path = written(folder / "empty", content)
    assert list(whole(path, len(content)).texts()) == []


@pytest.mark.parametrize("end", [1, 2, 3, 4, 5, 6])
def test_a_byte_order_mark_is_dropped_however_it_is_cut(
    folder: Path, end: int
) -> None:
    content = BOM + b"one two"
    path = written(folder / "mark", content)
    read = [
        b"".join(Range(path, start, stop).blocks())
        for start, stop in [(0, end), (end, len(content))]
    ]
    assert read == [b"one ", b"two"]


def test_only_the_first_byte_order_mark_is_dropped(folder: Path) -> None:
    content = BOM + BOM + b"one " + BOM + b"two"
    path = written(folder / "marks", content)
    text = "".join(whole(path, len(content)).texts())
    assert text.split() == ["\ufeffone", "\ufefftwo"]


@pytest.mark.parametrize("number", [1, 2, 7, 40])
def test_a_file_without_white_space_is_one_word(
    folder: Path, number: int
) -> None:
    content = b"x" * (3 * BLOCK_BYTES + 1)
    splits = split_files([written(folder / "word", content)], number)
    words = [text for split in splits for text in split.texts()]
    assert words == [content.decode()]


def test_a_character_across_the_edge_of_a_block_is_not_cut(
    folder: Path,
) -> None:
    content = b"a" * (BLOCK_BYTES - 1) + "é b".encode()
    path = written(folder / "edge", content)
    text = "".join(whole(path, len(content)).texts())
    assert text == content.decode()


# ---- what is not UTF-8


def test_bytes_that_are_no_text_are_replaced_and_the_file_is_named(
    folder: Path, counters: Counter[str]
) -> None:
    good = written(folder / "good", b"one two")
    bad = written(folder / "bad", b"one \xff two\xe2\x82 \xc3three")
    split = FileSplit((Range(good, 0, 7), Range(bad, 0, 17)))
    words = " ".join(split.texts()).split()
    assert words == ["one", "two", "one", "�", "two�", "�three"]
    assert counters == {NOT_UTF8 + bad: 1}


@given(content=VALID)
def test_text_that_is_utf8_names_no_file(folder: Path, content: bytes) -> None:
    path = written(folder / "valid", content)
    counters: Counter[str] = Counter()
    token = task_counters.set(counters)
    list(whole(path, len(content)).texts())
    task_counters.reset(token)
    assert counters == {}


# ---- files that are not what they were


@pytest.mark.parametrize(
    ("start", "end", "reads_to"),
    [(0, 20, 20), (0, 7, 7), (7, 20, 20), (19, 20, 20), (12, 20, 20)],
)
@pytest.mark.parametrize("left", [0, 1, 6, 7, 8, 10, 12, 18, 19, 20])
def test_a_file_that_has_shrunk_is_not_counted_short(
    folder: Path, start: int, end: int, reads_to: int, left: int
) -> None:
    path = written(folder / "shrunk", b"one two three four f")
    before = b"".join(Range(path, start, end).blocks()).split()
    os.truncate(path, left)
    if left >= reads_to:
        after = b"".join(Range(path, start, end).blocks()).split()
        assert after == before
    else:
        with pytest.raises(InputError, match=f"{path} has shrunk"):
            list(Range(path, start, end).blocks())


def test_a_file_that_shrinks_while_it_is_read_is_named(folder: Path) -> None:
    path = written(folder / "shrinks", b"word " * 1000)
    blocks = Range(path, 0, 5000).blocks(100)
    next(blocks)
    os.truncate(path, 1000)
    with pytest.raises(InputError, match=f"{path} has shrunk"):
        list(blocks)


def test_a_file_that_is_gone_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*gone: No such file"):
        list(Range(str(folder / "gone"), 0, 10).blocks())


# ---- splits


@given(
    st.lists(st.integers(0, 60), max_size=8).flatmap(
        lambda sizes: st.tuples(st.just(sizes), st.integers(1, 40))
    )
)
def test_files_are_cut_into_splits_that_lose_nothing(
    folder: Path, plan: tuple[list[int], int]
) -> None:
    sizes, number = plan
    paths = [
        written(folder / f"file{index}", b"x y" * size)
        for index, size in enumerate(sizes)
    ]
    splits = split_files(paths, number)
    assert len(splits) == number
    ranges = [part for split in splits for part in split.ranges]
    covered = [
        (part.path, place)
        for part in ranges
        for place in range(part.start, part.end)
    ]
    assert covered == [
        (path, place)
        for path, size in zip(paths, sizes, strict=True)
        for place in range(3 * size)
    ]
    weights = [
        sum(part.end - part.start for part in split.ranges) for split in splits
    ]
    assert max(weights) - min(weights) <= 1
    assert all(part.start < part.end for part in ranges)


def test_a_file_given_twice_is_counted_twice(folder: Path) -> None:
    path = written(folder / "twice", b"one two")
    splits = split_files([path, path], 3)
    words = [w for s in splits for text in s.texts() for w in text.split()]
    assert sorted(words) == ["one", "one", "two", "two"]


@given(st.lists(st.text(max_size=3), max_size=30), st.integers(1, 40))
def test_texts_are_dealt_into_lists_that_lose_nothing(
    texts: list[str], number: int
) -> None:
    splits = split_texts(texts, number)
    assert len(splits) == number
    assert [text for split in splits for text in split] == texts
    sizes = [len(split) for split in splits]
    assert max(sizes) - min(sizes) <= 1


def test_a_split_is_a_text_or_texts_or_ranges_of_files(folder: Path) -> None:
    path = written(folder / "split", b"one two")
    assert list(texts_of("one two")) == ["one two"]
    assert list(texts_of(["one", "two"])) == ["one", "two"]
    assert "".join(texts_of(whole(path, 7))) == "one two"


def test_there_are_some_map_tasks_a_worker_and_none_is_huge() -> None:
    assert default_num_splits(0, 3) == 3 * SPLITS_PER_WORKER
    assert default_num_splits(SPLIT_BYTES, 3) == 3 * SPLITS_PER_WORKER
    assert default_num_splits(100 * SPLIT_BYTES, 3) == 100
    assert default_num_splits(100 * SPLIT_BYTES + 1, 3) == 101


def test_there_is_a_reduce_task_per_worker_and_none_is_huge() -> None:
    assert default_num_reduce_tasks(0, 3) == 3
    assert default_num_reduce_tasks(6 * SPLIT_BYTES, 3) == 3
    assert default_num_reduce_tasks(6 * SPLIT_BYTES + 1, 3) == 4
    assert default_num_reduce_tasks(200 * SPLIT_BYTES, 3) == 100


# ---- which files


def test_a_folder_gives_its_text_files_in_order(tmp_path: Path) -> None:
    wanted = ["a.txt", "b", "deep/er/c.txt", "deep/d.md", "empty"]
    left_out = [".hidden", ".git/config", "deep/.cache/x"]
    for name in [*wanted, *left_out, "binary"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one" if name != "empty" else "")
    (tmp_path / "binary").write_bytes(b"PNG\0\1\2")
    found = find_files([str(tmp_path)])
    assert sorted(found) == [str(tmp_path / name) for name in sorted(wanted)]
    assert found == find_files([str(tmp_path)])


def test_the_order_of_files_is_not_that_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a", "b", "c/1", "c/2", "d/3"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one")
    scandir = os.scandir
    for reverse in (False, True):

        def shuffled(path: str, reverse: bool = reverse) -> Any:
            with scandir(path) as entries:
                in_order = sorted(entries, key=lambda e: e.name)
            return nullcontext(in_order[:: -1 if reverse else 1])

        monkeypatch.setattr(os, "scandir", shuffled)
        found = find_files([str(tmp_path)])
        assert found == [str(tmp_path / name) for name in names]


def test_a_file_that_is_named_is_taken_as_it_is(tmp_path: Path) -> None:
    for name, content in [(".hidden", b"one"), ("binary", b"one\0two")]:
        path = written(tmp_path / name, content)
        assert find_files([path, path]) == [path, path]


def test_a_path_with_spaces_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"a name \xff.txt")
    path = written(tmp_path / name, b"one")
    assert find_files([str(tmp_path)]) == [path]
    assert list(split_files([path], 1)[0].texts()) == ["one"]


@pytest.mark.parametrize("files", [[], [".hidden"], ["binary"]])
def test_a_folder_without_text_is_named(
    tmp_path: Path, files: list[str]
) -> None:
    for file in files:
        (tmp_path / file).write_bytes(b"one\0two")
    with pytest.raises(
        InputError, match=f"no text file in the folder {tmp_path}"
    ):
        find_files([str(tmp_path)])


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere"
    with pytest.raises(InputError, match=f"no such file or folder: {path}"):
        find_files([str(path)])


def test_a_link_that_leads_nowhere_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no such file or folder"):
        find_files([str(tmp_path / "link")])
    with pytest.raises(InputError, match="no text file"):
        find_files([str(tmp_path)])


def test_what_is_left_out_of_a_folder_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / ".git").mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    written(folder / ".hidden", b"one")
    written(folder / "binary", b"one\0two")
    written(folder / "binary.gz", gzip.compress(b"one\0two"))
    written(folder / "text", b"one")
    written(folder / "text.gz", gzip.compress(b"one"))
    written(folder / "text.16", "one".encode("utf-16"))
    (folder / "away").symlink_to(tmp_path)
    (folder / "nowhere").symlink_to("nothing")
    left_out: dict[str, str] = {}
    found = find_files([str(folder)], left_out.__setitem__)
    assert found == [
        str(folder / name) for name in ("text", "text.16", "text.gz")
    ]
    assert left_out == {
        str(folder / name): why
        for name, why in {
            ".git": "hidden",
            ".hidden": "hidden",
            "away": "link to a folder",
            "binary": "not text",
            "binary.gz": "not text",
            "nowhere": "neither file nor folder",
            "pipe": "neither file nor folder",
        }.items()
    }
    told = tell_left_out(list(left_out.items()))
    assert f"2 hidden ({folder}/.git, ...)" in told
    assert f"1 link to a folder ({folder}/away)" in told


def test_folders_may_be_as_deep_as_the_system_lets_them(
    tmp_path: Path,
) -> None:
    depth = 1500
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=folder)
        deeper = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = deeper
    os.close(os.open("text", os.O_CREAT, dir_fd=folder))
    try:
        found = find_files([str(tmp_path)])
        assert found == [str(tmp_path) + "/d" * depth + "/text"]
    finally:  # not even shutil.rmtree can do it
        os.unlink("text", dir_fd=folder)
        for _ in range(depth):
            above = os.open("..", os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = above
            os.rmdir("d", dir_fd=folder)
        os.close(folder)


def test_a_long_word_is_read_a_fixed_number_of_times(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once for each map task: files of one line are common."""
    size = 2**20
    path = written(folder / "line", b"one " + b"x" * size + b" two")
    read: list[int] = []

    class Counting(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            read.append(len(data))
            return data

    def counting(path: str, mode: str, buffering: int) -> Any:
        return Counting(path, mode)

    monkeypatch.setattr(corpus, "open", counting, raising=False)
    splits = split_files([path], 100)
    words = [w for s in splits for t in s.texts() for w in t.split()]
    assert [len(word) for word in words] == [3, size, 3]
    assert sum(read) < 5 * size


@pytest.mark.skipif(
    not os.path.exists("/proc/self/mem"), reason="needs Linux's /proc"
)
def test_a_file_that_cannot_be_read_is_named() -> None:
    # Its first page cannot be read, not even by root.
    with pytest.raises(InputError, match="cannot read /proc/self/mem: Input"):
        find_files(["/proc/self/mem"])
    with pytest.raises(InputError, match="cannot read /proc/self/mem: Input"):
        list(Range("/proc/self/mem", 0, 1).blocks())


def test_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "text", b"one")
    closed = tmp_path / "closed"
    closed.mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:  # root may read any folder
        if path == str(closed):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(
        InputError, match=f"cannot read {closed}: Permission denied"
    ):
        find_files([str(tmp_path)])


def test_the_default_input_is_on_every_machine() -> None:
    files = standard_library()
    assert len(files) > 100
    names = {os.path.basename(file) for file in files}
    assert {"argparse.py", "socket.py"} <= names
    assert not [file for file in files if "site-packages" in file]


# ---- memory


def peak_of_reading(path: Path, size: int) -> int:
    line = b"the quick brown fox jumps over the lazy dog\n"
    path.write_bytes(line * (size // len(line)))
    tracemalloc.start()
    try:
        for text in whole(str(path), path.stat().st_size).texts():
            assert text
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reading_takes_memory_for_blocks_not_for_the_file(
    folder: Path,
) -> None:
    small = peak_of_reading(folder / "small", 2**21)
    large = peak_of_reading(folder / "large", 2**25)
    assert large < small * 1.2
    assert large < 6 * BLOCK_BYTES
