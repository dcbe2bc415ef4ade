"""The object store without processes: what goes when there is no room."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.messages import OnDisk
from minimr.core.node.object_store import Store, StoreFullError
from minimr.core.node.object_transfer import Transfers
from minimr.system import machine

MB = 2**20
OWNER = ("127.0.0.1", 1)
READER = "a process"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give a store with room for four objects of a megabyte."""
    with opened(str(tmp_path)) as store:
        yield store


def spilled_bytes(store: Store) -> int:
    return sum(s.size for s in store.objects.values() if not s.in_memory())


@contextmanager
def opened(folder: str) -> Iterator[Store]:
    store = Store(4 * MB, folder)
    yield store
    store.process_left(READER, OWNER)
    for id in list(store.objects):
        store.free(id)
    assert spilled_bytes(store) == 0
    store.memory.release()
    os.close(store.descriptor)


def fill(store: Store, *names: str, primary: bool = True) -> None:
    """Make an object of a megabyte for each name, full of its name."""
    for name in names:
        id = name.encode()
        assert isinstance(store.create(id, MB, OWNER, primary=primary), int)
        store.write(name.encode(), 0, name.encode() * MB)
        store.seal(name.encode())


def in_memory(store: Store) -> str:
    return "".join(
        sorted(i.decode() for i, s in store.objects.items() if s.in_memory())
    )


def test_copies_go_before_anything_is_written_to_disk(store: Store) -> None:
    fill(store, "a", "b")
    fill(store, "c", "d", primary=False)
    fill(store, "e", "f")
    assert in_memory(store) == "abef"
    assert spilled_bytes(store) == 0
    assert store.pin(b"c", READER) is None  # to be fetched again


def test_what_was_used_least_recently_is_written_to_disk(store: Store) -> None:
    fill(store, "a", "b", "c", "d")
    store.pin(b"a", READER)
    store.unpin(b"a", READER)
    fill(store, "e")
    assert in_memory(store) == "acde"
    assert spilled_bytes(store) == MB


def test_what_is_on_disk_comes_back_as_it_was(store: Store) -> None:
    fill(store, *"abcdefgh")
    for name in "abcdefgh":
        offset = store.pin(name.encode(), READER)
        assert isinstance(offset, int)
        assert store.memory[offset : offset + MB] == name.encode() * MB
        store.unpin(name.encode(), READER)


def test_a_part_is_read_from_disk_without_coming_back(store: Store) -> None:
    fill(store, *"abcde")
    assert "a" not in in_memory(store)
    assert store.part(b"a", 10, 13) == b"aaa"
    assert "a" not in in_memory(store)


def test_what_is_being_read_does_not_move(store: Store) -> None:
    fill(store, *"abcd")
    offsets = {name: store.pin(name.encode(), READER) for name in "abcd"}
    with pytest.raises(StoreFullError, match="no room"):
        store.create(b"e", MB, OWNER)
    assert offsets == {n: store.objects[n.encode()].place for n in "abcd"}


def test_what_the_memory_has_no_room_for_is_read_and_written_on_disk(
    store: Store,
) -> None:
    fill(store, *"abcde")  # a is on disk
    for name in "bcde":
        store.pin(name.encode(), READER)
    place = store.pin(b"a", READER)
    assert isinstance(place, OnDisk)
    assert os.pread(place.descriptor, 3, 0) == b"aaa"
    new = store.create(b"f", 5 * MB, OWNER, on_disk=True)
    assert isinstance(new, OnDisk)
    store.write(b"f", 5 * MB - 3, b"fff")
    store.seal(b"f")
    assert store.part(b"f", 5 * MB - 3, 5 * MB) == b"fff"
    store.unpin(b"b", READER)
    store.free(b"b")
    assert store.pin(b"a", READER) == place  # others look there
    store.process_left(READER, ("", 0))
    assert isinstance(store.pin(b"a", READER), int)


def test_what_was_freed_while_being_read_goes_with_the_reader(
    store: Store,
) -> None:
    fill(store, *"abcd")
    store.pin(b"a", READER)
    store.free(b"a")
    assert "a" in in_memory(store)
    assert store.pin(b"a", READER) is None
    store.process_left(READER, ("", 0))
    assert in_memory(store) == "bcd"


def test_what_is_not_sealed_is_read_by_nobody(store: Store) -> None:
    store.create(b"a", MB, OWNER)
    assert store.part(b"a", 0, 3) is None
    assert store.pin(b"a", READER) is None
    store.seal(b"a")
    assert store.part(b"a", 0, 3) == bytes(3)


def test_what_is_not_sealed_does_not_move(store: Store) -> None:
    store.create(b"a", MB, OWNER, primary=False)
    fill(store, *"bcde")
    assert in_memory(store) == "acde"


def test_an_object_that_is_made_again_is_read_in_both_its_lives(
    store: Store,
) -> None:
    fill(store, "a")
    old = store.pin(b"a", READER)
    new = store.create(b"a", MB, OWNER)
    store.seal(b"a")
    assert old != new
    assert store.pin(b"a", "another") == new
    assert store.arena.used == 2 * MB
    store.unpin(b"a", READER)
    assert store.arena.used == MB  # the first life ends with its reader
    store.unpin(b"a", "another")
    store.free(b"a")
    assert store.arena.used == 0


def test_an_object_may_have_three_lives_and_more(store: Store) -> None:
    for reader in ("first", "second", "third"):
        fill(store, "a")
        store.pin(b"a", reader)
    store.free(b"a")
    assert store.arena.used == 3 * MB
    for reader in ("second", "third", "first"):
        store.process_left(reader, ("", 0))
    assert store.arena.used == 0


def test_an_attempt_that_died_in_the_middle_makes_room_for_the_next(
    store: Store,
) -> None:
    store.create(b"a", MB, OWNER)
    store.create(b"a", MB, OWNER)
    assert store.arena.used == MB


def test_a_pin_is_given_back_as_often_as_it_was_taken(store: Store) -> None:
    fill(store, "a")
    for _ in range(2):
        store.pin(b"a", READER)
    store.free(b"a")
    store.unpin(b"a", READER)
    assert store.arena.used == MB
    store.unpin(b"a", "somebody else")
    assert store.arena.used == MB
    store.unpin(b"a", READER)
    assert store.arena.used == 0


def test_of_copies_the_one_that_was_not_used_for_longest_goes_first(
    store: Store,
) -> None:
    fill(store, *"abcd", primary=False)
    store.pin(b"a", READER)
    store.unpin(b"a", READER)
    fill(store, "e")
    assert in_memory(store) == "acde"


def test_what_took_a_while_is_noted(store: Store) -> None:
    fill(store, *"abcde")
    store.pin(b"a", READER)
    names = [*store.events][2 :: m.EVENT_FIELDS]
    assert names == ["spill 1.0 MB", "spill 1.0 MB", "restore 1.0 MB"]


def test_objects_of_an_owner_go_with_it(store: Store) -> None:
    fill(store, *"abcdef")
    store.process_left("", OWNER)
    assert store.objects == {}
    assert spilled_bytes(store) == 0


def no_space(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("disk", ["gone", "full"])
def test_without_a_disk_it_says_so_and_loses_nothing(
    tmp_path: Path, disk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tmp_path / "nowhere" if disk == "gone" else tmp_path)
    if disk == "full":
        monkeypatch.setattr(os, "posix_fallocate", no_space)
    with opened(folder) as store:
        fill(store, *"abcd")
        with pytest.raises(StoreFullError) as full:
            store.create(b"e", MB, OWNER, on_disk=True)
        told = str(full.value)
        assert f"no room for an object of {MB:,} bytes" in told
        assert "larger object_store_memory" in told
        assert in_memory(store) == "abcd"
        assert store.part(b"a", 0, 3) == b"aaa"


def test_what_can_never_fit_is_refused_and_nothing_is_spilled(
    store: Store,
) -> None:
    fill(store, "a")
    with pytest.raises(StoreFullError, match="no room"):
        store.create(b"b", 5 * MB, OWNER)
    assert in_memory(store) == "a"


def test_what_a_process_had_begun_goes_with_it(store: Store) -> None:
    for name, maker in (("a", "dies"), ("b", "lives")):
        store.create(name.encode(), MB, OWNER, maker=maker)
    store.create(b"c", MB, OWNER, maker="dies")
    store.seal(b"c")
    store.process_left("dies", ("127.0.0.1", 2))
    assert in_memory(store) == "bc"
    store.seal(b"b")
    assert store.arena.used == 2 * MB


def test_who_waits_for_what_a_dead_process_had_begun_is_told(
    store: Store,
) -> None:
    here, answers = ("127.0.0.1", 9), []
    nobody: Any = lambda *_: None  # noqa: E731
    maker: Any = SimpleNamespace(
        data=SimpleNamespace(address=here), closed=False
    )
    reader: Any = SimpleNamespace(closed=False)
    transfers = Transfers(store, here, link=nobody, ask=nobody, later=nobody)
    transfers._on_create(maker, m.Create(b"a", MB, OWNER), answers.append)
    assert answers.pop() == 0
    fetch = m.Fetch(b"a", MB, [here], OWNER)
    transfers._on_fetch(reader, fetch, answers.append)
    assert answers == []  # it is not complete
    transfers.process_left(maker, here)
    assert answers == [m.Missing(here)]


def test_the_arena_lies_in_the_directory_that_is_named(tmp_path: Path) -> None:
    """As it must for huge pages: their file system gives them out whole."""
    store = Store(5000, None, str(tmp_path))
    path = os.readlink(f"/proc/self/fd/{store.descriptor}")
    assert path.startswith(f"{tmp_path}/")
    assert path.endswith("(deleted)")
    page = os.statvfs(tmp_path).f_bsize
    assert os.fstat(store.descriptor).st_size % page == 0
    assert os.fstat(store.descriptor).st_size >= 5000
    assert len(store.memory) == 5000
    store.memory.release()
    os.close(store.descriptor)


def test_a_store_that_cannot_be_made_says_where_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = str(tmp_path / "nowhere")
    with pytest.raises(OSError, match=r"of 5,000 bytes in .*nowhere: No such"):
        Store(5000, None, nowhere)

    def full(size: int, directory: str) -> Any:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(machine, "memory_file", full)
    with pytest.raises(OSError, match="Are there huge pages"):
        Store(5000, None, str(tmp_path))
