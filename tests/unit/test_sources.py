"""Text in other forms: encoded, compressed, from a pipe."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimr.interface.mapreduce import task_counters
from minimr.shared.mapreduce import sources
from minimr.shared.mapreduce.corpus import (
    FileSplit,
    InputError,
    find_files,
    split_files,
)
from minimr.shared.mapreduce.sources import (
    BLOCK_BYTES,
    HEAD_BYTES,
    NOT_UTF8,
    Whole,
    look,
    whole_words,
)

TEXT = "Der Fluß und das Ω, 😀\nund ein Ende\r\n"
WORDS = Counter(TEXT.lower().split())
DEADLINE_S = 10.0

ENCODINGS = {
    "UTF-16-LE": codecs.BOM_UTF16_LE,
    "UTF-16-BE": codecs.BOM_UTF16_BE,
    "UTF-32-LE": codecs.BOM_UTF32_LE,
    "UTF-32-BE": codecs.BOM_UTF32_BE,
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def words_of(splits: list[FileSplit]) -> Counter[str]:
    """Count all words, and those of each block: no block cuts a word."""
    counts: Counter[str] = Counter()
    for split in splits:
        for text in split.texts():
            counts.update(text.lower().split())
    return counts


@pytest.fixture
def counters() -> Counter[str]:
    """Count as within a task."""
    counters: Counter[str] = Counter()
    token = task_counters.set(counters)
    yield counters
    task_counters.reset(token)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("repeat", [1, 5000])
def test_a_byte_order_mark_tells_the_encoding(
    tmp_path: Path, encoding: str, repeat: int, counters: Counter[str]
) -> None:
    path = tmp_path / "text"
    text = (TEXT * repeat).encode(encoding)
    path.write_bytes(ENCODINGS[encoding] + text)
    assert look(str(path)).whole == encoding
    found = words_of(split_files([str(path)], 3))
    assert found == Counter({w: n * repeat for w, n in WORDS.items()})
    assert counters == {}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16-LE"])
@pytest.mark.parametrize("repeat", [0, 1, 5000])
def test_what_is_compressed_is_read_by_one_task(
    tmp_path: Path, packer: str, encoding: str, repeat: int
) -> None:
    path = tmp_path / "no suffix"
    mark = ENCODINGS.get(encoding, codecs.BOM_UTF8)
    path.write_bytes(PACKERS[packer](mark + (TEXT * repeat).encode(encoding)))
    assert look(str(path)).whole == packer
    splits = split_files([str(path)], 4)
    assert len([s for s in splits if s.ranges]) == 1
    found = words_of(splits)
    times = {word: number * repeat for word, number in WORDS.items()}
    assert found == (Counter(times) if repeat else {})


def test_two_that_are_compressed_one_behind_the_other_are_both_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(b"one ") + gzip.compress(b"two"))
    assert words_of(split_files([str(path)], 2)) == {"one": 1, "two": 1}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("damage", ["cut off", "changed"])
def test_what_is_damaged_is_named(
    tmp_path: Path, packer: str, damage: str
) -> None:
    path = tmp_path / "text"
    content = bytearray(PACKERS[packer](os.urandom(50_000)))
    if damage == "cut off":
        del content[-100:]
    else:
        content[len(content) // 2] ^= 255
        content[len(content) // 2 + 1] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"cannot read {path}: it is damaged"):
        words_of(split_files([str(path)], 1))


def test_zstd_is_read_by_a_package_that_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "text.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd\x04\x00A")
    (tmp_path / "other").write_text("one")

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(sources, "import_module", missing)
    with pytest.raises(InputError, match=r"pip install 'minimr\[zstd\]'"):
        words_of(split_files([str(path)], 1))
    left: list[tuple[str, str]] = []
    found = find_files([str(tmp_path)], lambda *what: left.append(what))
    assert found == [str(tmp_path / "other")]
    assert left[0][0] == str(path)
    assert "minimr[zstd]" in left[0][1]


def test_zstd_is_counted(tmp_path: Path) -> None:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            zstd = __import__(name, fromlist=["zstd"])
            break
        except ModuleNotFoundError:
            continue
    else:
        pytest.skip("needs backports.zstd, or Python 3.14")
    path = tmp_path / "text.zst"
    packed = zstd.compress(TEXT.encode())
    path.write_bytes(packed)
    assert words_of(split_files([str(path)], 2)) == WORDS
    path.write_bytes(packed[:-5])
    with pytest.raises(InputError, match="damaged"):
        words_of(split_files([str(path)], 2))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_no_text_in_its_encoding_is_replaced_and_named(
    tmp_path: Path, encoding: str, counters: Counter[str]
) -> None:
    path = tmp_path / "text"
    half = "\ud800".encode(encoding, "surrogatepass")
    content = "one ".encode(encoding) + half + " two".encode(encoding)
    path.write_bytes(ENCODINGS[encoding] + content + b"\0")
    found = words_of(split_files([str(path)], 1))
    assert found["one"] == 1
    assert sum(found.values()) == 3
    assert "\ufffd" in "".join(found)
    assert counters == {NOT_UTF8 + str(path): 1}


@given(
    st.lists(st.sampled_from(["a", "Ω", "😀", " ", "\n", "\r\n", "\u2028"])),
    st.sampled_from(list(ENCODINGS)),
    st.integers(1, 9),
)
def test_wherever_a_stream_is_cut_its_words_stay_whole(
    letters: list[str], encoding: str, block_bytes: int
) -> None:
    text = "".join(letters)
    content = ENCODINGS[encoding] + text.encode(encoding)
    blocks = list(Whole("a stream", content).blocks(block_bytes))
    assert b"".join(blocks).decode() == text


@given(st.lists(st.sampled_from([b"", b"a", b" ", b"b c", b"\nd"])))
def test_pieces_become_blocks_that_end_behind_white_space(
    pieces: list[bytes],
) -> None:
    blocks = list(whole_words(iter(pieces)))
    assert b"".join(blocks) == b"".join(pieces)
    for block in blocks[:-1]:
        assert block[-1:].isspace()


# ---- what can be read once


def test_a_pipe_is_read_once_and_travels_with_its_split(
    tmp_path: Path,
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = (TEXT * 10_000).encode()
    writer = threading.Thread(
        target=path.write_bytes, args=(content,), daemon=True
    )
    writer.start()
    splits = split_files(find_files([str(path)]), 3)
    writer.join(DEADLINE_S)
    path.unlink()
    for _ in range(2):  # a task may run again
        assert words_of(splits)["fluß"] == 10_000
    assert len([split for split in splits if split.ranges]) == 1


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_the_standard_input_is_read_once(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    os.write(write, gzip.compress(TEXT.encode()))
    os.close(write)
    before = os.dup(0)
    try:
        os.dup2(read, 0)
        source = look(find_files([name])[0])
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(read)
    assert source.whole == "read once gzip"
    assert words_of(split_files([source], 2)) == WORDS


def test_what_a_pipe_gives_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "PIPED_BYTES", 2 * HEAD_BYTES)
    with pytest.raises(InputError, match="/dev/zero has more than 16,384"):
        look("/dev/zero")


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_a_file_without_a_size_is_read_all_the_same() -> None:
    path = "/proc/self/status"
    assert os.path.getsize(path) == 0
    found = words_of(split_files(find_files([path]), 2))
    assert found["name:"] == 1


def test_a_file_that_is_empty_is_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    source = look(str(tmp_path / "empty"))
    assert (source.size, source.whole) == (0, "")


def test_a_stream_takes_memory_for_blocks_not_for_all_of_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "text.gz"
    line = b"the quick brown fox jumps over the lazy dog\n"
    path.write_bytes(gzip.compress(line * 100_000))
    sizes = [len(block) for block in Whole(str(path)).blocks()]
    assert sum(sizes) == len(line) * 100_000
    assert max(sizes) < 3 * BLOCK_BYTES
