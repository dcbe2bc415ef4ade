"""Who reads the sockets: the one that waits, and nobody twice."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from minimr.net.pump import Pump

T = 10


class Wire:
    """In the place of sockets: `step` waits for something to be sent."""

    def __init__(self) -> None:
        self.sent: queue.Queue[str] = queue.Queue()
        self.here: list[str] = []
        self.readers: list[str] = []
        self.pump = Pump(self.step, lambda: self.sent.put(""))

    def step(self, timeout_s: float | None) -> None:
        word = self.sent.get(timeout=T if timeout_s is None else timeout_s)
        if word:
            self.here.append(word)
            self.readers.append(threading.current_thread().name)


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    wire.pump.start()
    yield wire
    wire.pump.close()


def test_who_waits_reads_itself(wire: Wire) -> None:
    wire.sent.put("a")
    assert wire.pump.wait(lambda: "a" in wire.here, T)
    assert wire.readers == [threading.current_thread().name]


def test_what_another_thread_waits_for_reaches_it(wire: Wire) -> None:
    got = []

    def other() -> None:
        got.append(wire.pump.wait(lambda: "b" in wire.here, T))

    thread = threading.Thread(target=other)
    thread.start()
    wire.sent.put("b")
    wire.sent.put("a")
    assert wire.pump.wait(lambda: "a" in wire.here, T)
    thread.join(T)
    assert got == [True]


def test_who_has_what_it_waits_for_lets_another_one_read(wire: Wire) -> None:
    begun, got = threading.Event(), []

    def other() -> None:
        begun.set()
        got.append(wire.pump.wait(lambda: "late" in wire.here, T))

    thread = threading.Thread(target=other)
    thread.start()
    begun.wait(T)
    wire.sent.put("first")
    assert wire.pump.wait(lambda: "first" in wire.here, T)
    wire.sent.put("late")
    thread.join(T)
    assert got == [True]


def test_while_nobody_waits_the_background_reads(wire: Wire) -> None:
    read = threading.Event()
    step = wire.step

    def noted(timeout_s: float | None) -> None:
        step(timeout_s)
        read.set()

    wire.pump._step = noted
    wire.sent.put("c")
    assert read.wait(T)
    assert wire.readers == ["minimr-pump"]
