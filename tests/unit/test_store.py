"""What a worker keeps: read while written, and clear when there is no room."""

from __future__ import annotations

import errno
import os
import random
import resource
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimr.sockets.cluster.block_store import BlockStore, StoreError

ROOM = 2**16


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stores of a test keep their files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def full_disk(folder: Path) -> Iterator[Path]:
    """A disk that holds `ROOM` bytes; without root a limit does instead."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", folder]
    if _runs(mount):
        yield folder
        # Lazily: a test that has failed may still have a file open.
        subprocess.run(["umount", "-l", folder], check=True, timeout=10)
        return
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, limits[1]))
    yield folder
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def _runs(command: list[str | Path]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=10)
    except OSError:
        return False
    return done.returncode == 0


def test_what_is_put_can_be_got() -> None:
    store = BlockStore()
    blocks = {
        (task, partition): random.Random(task).randbytes(1000 * partition)
        for task in range(5)
        for partition in range(4)
    }
    for key, block in blocks.items():
        store.put(key, block)
    for key, block in reversed(blocks.items()):
        assert store.get(key) == block


def test_what_was_never_put_is_none() -> None:
    store = BlockStore()
    store.put("a", b"")
    assert store.get("a") == b""
    assert store.get("b") is None


def test_a_large_block_is_kept_whole() -> None:
    block = random.Random(1).randbytes(2**24 + 1)
    store = BlockStore()
    store.put("large", memoryview(block))
    store.put("small", b"small")
    assert store.get("large") == block


def test_a_task_that_runs_again_puts_the_same_again() -> None:
    store = BlockStore()
    for _ in range(2):
        store.put("a", b"block a")
        store.put("b", b"block b")
    assert store.get("a") == b"block a"
    assert store.get("b") == b"block b"


def test_a_thread_reads_while_another_writes() -> None:
    store, number, wrong = BlockStore(), 3000, []
    written = threading.Semaphore(0)

    def read() -> None:
        for key in range(number):
            assert written.acquire(timeout=10)
            wrong.extend(
                earlier
                for earlier in {key, key // 2, 0}
                if store.get(earlier) != b"%d" % earlier * 50
            )

    reader = threading.Thread(target=read)
    reader.start()
    for key in range(number):
        store.put(key, b"%d" % key * 50)
        written.release()
    reader.join(10)
    assert not reader.is_alive()
    assert wrong == []


def test_the_file_has_no_name(folder: Path) -> None:
    store = BlockStore()
    store.put("a", bytes(10_000))
    assert os.listdir(folder) == []
    assert store.get("a") == bytes(10_000)


def test_the_file_goes_with_the_last_reference_to_its_store() -> None:
    before = len(os.listdir("/proc/self/fd"))
    store = BlockStore()
    store.put("a", b"block")
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del store
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_full_disk_is_named_and_what_to_do(full_disk: Path) -> None:
    store = BlockStore()
    with pytest.raises(StoreError) as caught:
        store.put("a", bytes(2 * ROOM))
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert f"131,072 bytes in {full_disk}: " in str(caught.value)
    assert "set TMPDIR" in str(caught.value)


def test_a_full_disk_costs_nothing_that_was_put(full_disk: Path) -> None:
    store = BlockStore()
    store.put("a", b"block a" * 1000)
    with pytest.raises(StoreError):
        store.put("b", bytes(2 * ROOM))
    assert store.get("b") is None
    store.put("c", b"block c" * 1000)
    assert store.get("a") == b"block a" * 1000
    assert store.get("c") == b"block c" * 1000


def test_a_folder_that_is_gone_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "gone"))
    with pytest.raises(OSError, match=str(folder / "gone")):
        BlockStore()
