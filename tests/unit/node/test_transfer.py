"""Who has died while objects were on their way holds nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.messages import OnDisk
from minimr.core.node import object_transfer
from minimr.core.node.object_store import Store
from minimr.core.node.object_transfer import ROOM_WAIT_S, Transfers
from minimr.net.messages import GONE
from minimr.system import machine

HERE, THERE, OWNER = ("here", 1), ("there", 2), ("owner", 3)
SIZE = 2**20


class Endpoint:
    """Keeps questions and timers, until the test answers them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked: list[Callable[[Any], None]] = []
        self.parts: list[tuple[int, int]] = []  # that were asked for
        self.posted: list[Any] = []
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def link(self, address: Any) -> Any:
        post = lambda message: self.posted.append((address, message))  # noqa: E731
        return SimpleNamespace(post=post)

    def ask(self, peer: Any, answered: Any, question: Any) -> None:
        assert type(question) is m.Pull
        self.parts.append((question.begin, question.end))
        self.asked.append(answered)

    def later(self, seconds: float, function: Any) -> None:
        assert 0 < seconds <= ROOM_WAIT_S
        self._timers.append((self.now + seconds, function))

    def passes(self, seconds: float) -> None:
        self.now += seconds
        due = [t for t in self._timers if t[0] <= self.now]
        for timer in due:
            self._timers.remove(timer)
            timer[1]()


class Reader:
    """A process that asks, and how it was answered."""

    def __init__(self, transfers: Transfers) -> None:
        self.data = SimpleNamespace(address=("reader", 4))
        self.closed = False
        self.answers: list[Any] = []
        self._transfers = transfers

    def fetch(self, *places: Any, size: int = SIZE) -> None:
        peer: Any = self
        question = m.Fetch(b"id", size, [*places] or [THERE], OWNER)
        self._transfers._on_fetch(peer, question, self.answers.append)

    def create(self, id: bytes, size: int = SIZE) -> None:
        peer: Any = self
        question = m.Create(id, size, OWNER)
        self._transfers._on_create(peer, question, self.answers.append)

    def die(self) -> None:
        self.closed = True
        peer: Any = self
        self._transfers.process_left(peer, self.data.address)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    endpoint = Endpoint()
    monkeypatch.setattr(machine, "monotonic", lambda: endpoint.now)
    return endpoint


@pytest.fixture
def transfers(endpoint: Endpoint) -> Iterator[Transfers]:
    store = Store(SIZE)
    yield Transfers(
        store,
        HERE,
        link=endpoint.link,
        ask=endpoint.ask,
        later=endpoint.later,
    )
    os.close(store.descriptor)
    mapping: Any = store.memory.obj
    store.memory.release()
    mapping.close()


def test_a_reader_gets_an_object_of_another_node_and_lets_go_of_it(
    endpoint: Endpoint, transfers: Transfers
) -> None:
    reader = Reader(transfers)
    reader.fetch()
    endpoint.asked.pop()(bytes(SIZE))
    assert reader.answers == [0]
    transfers.store.free(b"id")
    assert transfers.store.arena.used == SIZE  # it is being read
    reader.die()
    assert transfers.store.arena.used == 0


def test_a_reader_that_dies_before_its_object_comes_does_not_hold_it(
    endpoint: Endpoint, transfers: Transfers
) -> None:
    reader = Reader(transfers)
    reader.fetch()
    reader.die()
    endpoint.asked.pop()(bytes(SIZE))
    transfers.store.free(b"id")
    assert reader.answers == []
    assert transfers.store.arena.used == 0


def test_a_reader_that_dies_before_the_seal_does_not_hold_the_object(
    transfers: Transfers,
) -> None:
    writer, reader = Reader(transfers), Reader(transfers)
    writer.create(b"id")
    reader.fetch()
    reader.die()
    peer: Any = writer
    transfers._on_seal(peer, m.Seal(b"id"))
    transfers.store.free(b"id")
    assert transfers.store.arena.used == 0


def test_a_writer_that_dies_while_it_waits_for_room_gets_none(
    transfers: Transfers,
) -> None:
    writer, other = Reader(transfers), Reader(transfers)
    writer.create(b"id")
    other.create(b"other")
    other.die()
    writer.die()  # what it had begun makes room
    assert transfers.store.arena.used == 0


def test_an_owner_that_dies_meanwhile_ends_no_transfer(
    endpoint: Endpoint, transfers: Transfers
) -> None:
    reader = Reader(transfers)
    reader.fetch()
    owner: Any = SimpleNamespace(data=None)
    transfers.process_left(owner, OWNER)
    assert transfers.store.arena.used == SIZE  # a part is on its way
    endpoint.asked.pop()(bytes(SIZE))
    assert reader.answers == [m.Missing(HERE)]
    assert transfers.store.arena.used == 0


def test_a_copy_that_is_freed_on_its_way_is_missed_here_and_not_there(
    endpoint: Endpoint, transfers: Transfers
) -> None:
    """Its owner forgot the place that had it, where it was never freed."""
    reader = Reader(transfers)
    reader.fetch()
    peer: Any = reader
    transfers._on_free(peer, m.Free([b"id"]))  # meant for an earlier attempt
    endpoint.asked.pop()(bytes(SIZE))
    assert reader.answers == [m.Missing(HERE)]
    assert endpoint.posted == []
    assert transfers.store.arena.used == 0


def test_an_owner_that_dies_takes_no_memory_that_is_being_written(
    transfers: Transfers,
) -> None:
    writer = Reader(transfers)
    writer.create(b"id")
    owner: Any = SimpleNamespace(data=None)
    transfers.process_left(owner, OWNER)
    assert transfers.store.arena.used == SIZE
    peer: Any = writer
    transfers._on_seal(peer, m.Seal(b"id"))
    assert transfers.store.arena.used == 0


def test_an_object_comes_once_for_all_that_ask(
    endpoint: Endpoint, transfers: Transfers
) -> None:
    readers = [Reader(transfers) for _ in range(3)]
    for reader in readers:
        reader.fetch()
    (answered,) = endpoint.asked
    answered(bytes(SIZE))
    assert [reader.answers for reader in readers] == [[0]] * 3
    assert endpoint.posted == [(OWNER, m.Copied(b"id", HERE))]
    assert sum(transfers.store.objects[b"id"].pins.values()) == 3


def test_a_copy_goes_when_others_need_the_room(
    endpoint: Endpoint, transfers: Transfers
) -> None:
    reader, writer = Reader(transfers), Reader(transfers)
    reader.fetch()
    endpoint.asked.pop()(bytes(SIZE))
    peer: Any = reader
    transfers._on_unpin(peer, m.Unpin([b"id"]))
    writer.create(b"other")
    assert writer.answers == [0]
    assert [*transfers.store.objects] == [b"other"]  # it is on no disk


def test_an_object_that_is_here_is_not_fetched(
    endpoint: Endpoint, transfers: Transfers
) -> None:
    writer, reader = Reader(transfers), Reader(transfers)
    writer.create(b"id")
    peer: Any = writer
    transfers._on_seal(peer, m.Seal(b"id"))
    reader.fetch()
    assert (reader.answers, endpoint.asked) == ([0], [])


def test_an_object_that_should_be_here_and_is_not_is_missed(
    endpoint: Endpoint, transfers: Transfers
) -> None:
    reader = Reader(transfers)
    reader.fetch(HERE)
    assert reader.answers == [m.Missing(HERE)]
    assert endpoint.asked == []


def test_a_place_without_the_object_is_named_and_nothing_stays(
    endpoint: Endpoint, transfers: Transfers
) -> None:
    reader = Reader(transfers)
    reader.fetch()
    endpoint.asked.pop()(None)
    assert reader.answers == [m.Missing(THERE)]
    assert endpoint.posted == []
    assert transfers.store.arena.used == 0


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(object_transfer, "PART_BYTES", SIZE // 8)
    return SIZE // 8


def test_four_parts_are_under_way_and_the_last_is_what_is_left(
    endpoint: Endpoint, transfers: Transfers, small_parts: int
) -> None:
    reader = Reader(transfers)
    reader.fetch(size=SIZE - 10)
    assert endpoint.parts == [
        (i * small_parts, (i + 1) * small_parts) for i in range(4)
    ]
    while endpoint.asked:
        assert reader.answers == []
        begin, end = endpoint.parts[-len(endpoint.asked)]
        assert len(endpoint.asked) <= 4
        endpoint.asked.pop(0)(bytes([begin // small_parts]) * (end - begin))
    assert endpoint.parts[-1] == (7 * small_parts, SIZE - 10)
    assert reader.answers == [0]
    for i in range(8):
        begin = i * small_parts
        assert transfers.store.part(b"id", begin, begin + 1) == bytes([i])


def test_a_part_that_comes_after_another_has_failed_is_dropped(
    endpoint: Endpoint, transfers: Transfers, small_parts: int
) -> None:
    reader = Reader(transfers)
    reader.fetch()
    failed, *others = endpoint.asked
    failed(GONE)
    for answered in others:
        answered(bytes(small_parts))
    assert len(reader.answers) == 1
    assert transfers.store.arena.used == 0


def test_another_node_that_asks_before_the_seal_waits_for_it(
    transfers: Transfers,
) -> None:
    writer, parts = Reader(transfers), []
    peer: Any = writer
    writer.create(b"id")
    transfers._on_pull(peer, m.Pull(b"id", 0, 3), parts.append)
    assert parts == []
    transfers._on_seal(peer, m.Seal(b"id"))
    assert [bytes(part) for part in parts] == [bytes(3)]
    transfers._on_pull(peer, m.Pull(b"unknown", 0, 3), parts.append)
    assert parts[1] is None


def test_what_has_no_room_waits_until_there_is_some(
    transfers: Transfers,
) -> None:
    writer, other = Reader(transfers), Reader(transfers)
    writer.create(b"id")
    other.create(b"other")
    assert other.answers == []
    peer: Any = writer
    transfers._on_seal(peer, m.Seal(b"id"))
    transfers._on_free(peer, m.Free([b"id"]))
    assert other.answers == [0]


@pytest.mark.parametrize("asks", ["create", "fetch"])
def test_what_waits_for_room_in_vain_goes_to_disk(
    endpoint: Endpoint, transfers: Transfers, asks: str
) -> None:
    writer, other = Reader(transfers), Reader(transfers)
    writer.create(b"large")
    if asks == "create":
        other.create(b"id")
    else:
        other.fetch()
    endpoint.passes(ROOM_WAIT_S / 2)
    transfers.made_room()
    assert (other.answers, endpoint.asked) == ([], [])
    endpoint.passes(ROOM_WAIT_S / 2)
    for answered in endpoint.asked:
        answered(bytes(SIZE))
    (place,) = other.answers
    assert isinstance(place, OnDisk)
    other.die()
    transfers.store.free(b"id")
    transfers.process_left(other, OWNER)  # type: ignore[arg-type]


@pytest.mark.parametrize("asks", ["create", "fetch"])
def test_what_is_larger_than_the_memory_does_not_wait_for_room(
    transfers: Transfers, asks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_disk(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr("os.posix_fallocate", no_disk)
    reader = Reader(transfers)
    if asks == "create":
        reader.create(b"id", 2 * SIZE)
    else:
        reader.fetch(size=2 * SIZE)
    (answer,) = reader.answers
    assert isinstance(answer, m.StoreFull)
    assert "no room" in answer.why


def test_the_owner_of_an_object_is_linked_so_that_its_death_is_known(
    transfers: Transfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked: list[Any] = []
    monkeypatch.setattr(transfers, "_link", linked.append)
    Reader(transfers).create(b"id")
    assert linked == [OWNER]
