"""Who has died while objects were on their way holds nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.node.object_store import Store
from minimr.core.node.object_transfer import ROOM_WAIT_S, Transfers

HERE, THERE, OWNER = ("here", 1), ("there", 2), ("owner", 3)
SIZE = 2**20


class Endpoint:
    """Keeps questions and timers, until the test answers them."""

    address = HERE

    def __init__(self) -> None:
        self.asked: list[Callable[[Any], None]] = []

    def link(self, address: Any) -> Any:
        return SimpleNamespace(post=lambda message: None)

    def ask(self, peer: Any, answered: Any, question: Any) -> None:
        assert type(question) is m.Pull
        self.asked.append(answered)

    def later(self, seconds: float, function: Any) -> None:
        assert 0 < seconds <= ROOM_WAIT_S


class Reader:
    """A process that asks, and how it was answered."""

    def __init__(self, transfers: Transfers) -> None:
        self.data = SimpleNamespace(address=("reader", 4))
        self.closed = False
        self.answers: list[Any] = []
        self._transfers = transfers

    def fetch(self) -> None:
        peer: Any = self
        question = m.Fetch(b"id", SIZE, [THERE], OWNER)
        self._transfers._on_fetch(peer, question, self.answers.append)

    def create(self, id: bytes) -> None:
        peer: Any = self
        question = m.Create(id, SIZE, OWNER)
        self._transfers._on_create(peer, question, self.answers.append)

    def die(self) -> None:
        self.closed = True
        peer: Any = self
        self._transfers.process_left(peer, self.data.address)


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def transfers(endpoint: Endpoint) -> Iterator[Transfers]:
    fake: Any = endpoint
    store = Store(SIZE)
    yield Transfers(fake, store)
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
    assert reader.answers == [(THERE, "that node has it no more")]
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
