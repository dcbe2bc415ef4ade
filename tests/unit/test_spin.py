"""When a selector spins, and when it sleeps at once."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from minimr.system import spin
from minimr.system.spin import SpinningSelector


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give a clock: [now, what passes with each look at it]."""
    clock = [0.0, 0.25]

    def monotonic() -> float:
        clock[0] += clock[1]
        return clock[0]

    fake = SimpleNamespace(monotonic=monotonic)
    monkeypatch.setattr(spin, "time", fake)
    return clock


@pytest.fixture
def selector(clock: list[float]) -> Iterator[SpinningSelector]:
    selector = SpinningSelector()
    look, selector.waits = selector._look, []

    def note(timeout: float | None = None) -> list:
        selector.waits.append(timeout)
        if timeout:
            clock[0] += selector.sleeps_s
        return look(0)

    selector.sleeps_s = 7.0

    selector._look = note
    yield selector
    selector.close()


def test_without_a_time_to_spin_it_sleeps_at_once(
    selector: SpinningSelector,
) -> None:
    selector.select(7)
    assert selector.waits == [7]


def test_it_looks_around_before_it_sleeps(selector: SpinningSelector) -> None:
    selector.spin_s = 1.0
    selector.select(7)
    assert selector.waits == [0, 0, 0, 0, 7]


def test_what_is_ready_needs_no_sleep(selector: SpinningSelector) -> None:
    selector.spin_s = 1.0
    ours, theirs = socket.socketpair()
    with ours, theirs:
        selector.register(ours, selectors.EVENT_READ)
        theirs.send(b"x")
        (ready,) = selector.select(7)
    assert ready[0].fileobj is ours
    assert selector.waits == [0]


def spun(selector: SpinningSelector) -> bool:
    del selector.waits[:]
    selector.select(7)
    return len(selector.waits) > 1


def test_after_a_spin_in_vain_it_sleeps_at_once_each_time_for_longer(
    selector: SpinningSelector,
) -> None:
    selector.spin_s = 1.0
    spins = [number for number in range(200) if spun(selector)]
    assert spins[:6] == [0, 2, 6, 14, 22, 30]


def test_a_spin_that_is_followed_by_a_short_sleep_was_not_in_vain(
    selector: SpinningSelector,
) -> None:
    selector.spin_s, selector.sleeps_s = 1.0, 0.5
    assert spun(selector)
    assert spun(selector)


def test_a_spin_that_was_worth_it_makes_it_spin_again(
    selector: SpinningSelector,
) -> None:
    selector.spin_s = 1.0
    for _ in range(14):  # in vain; the next wait spins
        selector.select(7)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        selector.register(ours, selectors.EVENT_READ)
        theirs.send(b"x")
        selector.select(7)
        selector.unregister(ours)
    assert spun(selector)
    assert not spun(selector)
    assert spun(selector)
