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
        self.begun: queue.Queue[str] = queue.Queue()  # who began a step
        self.pump = Pump(self.step, lambda: self.sent.put(""))

    def step(self, timeout_s: float | None) -> None:
        self.begun.put(threading.current_thread().name)
        word = self.sent.get(timeout=T if timeout_s is None else timeout_s)
        if word:
            self.here.append(word)
            self.readers.append(threading.current_thread().name)

    def send_when_it_reads(self, name: str, word: str) -> None:
        """Send a word once that thread, of all, is in `step`."""
        while self.begun.get(timeout=T) != name:
            pass
        self.sent.put(word)


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    wire.pump.start()
    yield wire
    wire.pump.close()


def test_who_waits_reads_itself(wire: Wire) -> None:
    me = threading.current_thread().name
    sender = threading.Thread(target=wire.send_when_it_reads, args=(me, "a"))
    sender.start()
    assert wire.pump.wait(lambda: "a" in wire.here, T)
    sender.join(T)
    assert wire.readers == [me]


def test_who_waits_takes_over_from_the_background(wire: Wire) -> None:
    me = threading.current_thread().name
    assert wire.begun.get(timeout=T) == "minimr-pump"
    sender = threading.Thread(target=wire.send_when_it_reads, args=(me, "a"))
    sender.start()
    assert wire.pump.wait(lambda: "a" in wire.here, T)
    sender.join(T)
    assert wire.readers == [me]


def test_what_comes_before_it_has_the_baton_ends_the_wait(
    wire: Wire,
) -> None:
    looks = iter([False])  # and then, in another thread, it comes
    assert wire.pump.wait(lambda: next(looks, True))
    assert wire.readers == []


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
    wire.send_when_it_reads("minimr-pump", "c")
    assert wire.begun.get(timeout=T) == "minimr-pump"  # the next step
    assert wire.readers == ["minimr-pump"]


def test_after_each_wait_the_background_reads_again(wire: Wire) -> None:
    for number in range(100):
        for word in (f"waited for {number}", f"not {number}"):
            wire.sent.put(word)
            if word.startswith("waited"):
                assert wire.pump.wait(lambda word=word: word in wire.here, T)
        while word not in wire.here:
            wire.begun.get(timeout=T)  # one follows each word
