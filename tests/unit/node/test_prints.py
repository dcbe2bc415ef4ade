"""What is printed travels at the pace of the driver that shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minimr.core.node.print_forwarding import (
    DEAF_S,
    MAX_MESSAGE,
    MAX_WAITING,
    Outlet,
)
from minimr.core.prints import Printed
from minimr.net.messages import GONE


class Driver:
    """Keeps what it is to show, until the test says that it has."""

    def __init__(self) -> None:
        self.messages: list[list[Printed]] = []
        self.timers: list[Callable[[], None]] = []
        self.roomy = 0
        self.flushed: list[Any] = []
        self._shown: list[Callable[[Any], None]] = []
        self.outlet = Outlet(self._show, self._later, "node", self._is_roomy)

    def _show(self, parts: list[Printed], shown: Any) -> None:
        self.messages.append(parts)
        self._shown.append(shown)

    def _later(self, seconds: float, function: Callable[[], None]) -> None:
        assert seconds == DEAF_S
        self.timers.append(function)

    def _is_roomy(self) -> None:
        self.roomy += 1

    def shows(self, answer: Any = None) -> None:
        self._shown.pop(0)(answer)

    def prints(self, *lines: str) -> None:
        self.outlet.add(Printed("f", 1, "node", False, list(lines)))

    def flush(self) -> None:
        self.outlet.then(self.flushed.append)

    def lines(self) -> list[list[str]]:
        return [[s for p in parts for s in p.lines] for parts in self.messages]


def test_one_message_is_under_way_and_the_next_has_all_since() -> None:
    driver = Driver()
    for text in ("one", "two", "three"):
        driver.prints(text)
    assert driver.lines() == [["one"]]
    driver.shows()
    assert driver.lines() == [["one"], ["two", "three"]]
    driver.shows()
    driver.prints("four")
    assert driver.lines()[2:] == [["four"]]


def test_a_message_has_a_size() -> None:
    driver = Driver()
    driver.prints("first")
    for _ in range(3):
        driver.prints("x" * (MAX_MESSAGE - 1))
    driver.shows()
    assert [len(lines) for lines in driver.lines()] == [1, 1]


def test_a_flush_is_answered_when_all_before_it_is_shown() -> None:
    driver = Driver()
    driver.flush()
    assert driver.flushed == [None]  # there was nothing
    driver.prints("one")
    driver.prints("two")
    driver.flush()
    driver.prints("three")
    driver.shows()
    assert driver.lines() == [["one"], ["two"]]
    assert driver.flushed == [None]
    driver.shows()
    assert driver.flushed == [None, None]
    assert driver.lines()[2:] == [["three"]]


def full() -> Driver:
    driver = Driver()
    driver.prints("first")
    driver.prints("x" * MAX_WAITING)
    assert driver.outlet.full
    return driver


def test_a_driver_that_is_slow_holds_up_those_that_print() -> None:
    driver = full()
    driver.prints("last")
    driver.shows()
    assert driver.roomy == 1
    assert not driver.outlet.full
    driver.timers.pop()()  # it has answered since: it is only slow
    driver.prints("more")
    driver.shows()
    driver.shows()
    assert driver.lines()[-1] == ["last", "more"]


def test_a_driver_that_shows_a_little_is_not_deaf() -> None:
    driver = Driver()
    for _ in range(MAX_WAITING // MAX_MESSAGE + 2):
        driver.prints("x" * MAX_MESSAGE)
    assert driver.outlet.full
    driver.shows()
    driver.timers.pop()()
    assert (driver.outlet.full, driver.roomy) == (True, 0)
    driver.timers.pop()()  # and nothing was shown since
    assert (driver.outlet.full, driver.roomy) == (False, 1)


def test_a_driver_that_shows_nothing_is_deaf_and_what_is_lost_is_told() -> (
    None
):
    driver = full()
    driver.timers.pop()()
    assert driver.roomy == 1  # its tasks go on
    driver.prints("lost", "lost")
    driver.prints("lost")
    driver.shows()
    driver.shows()
    assert "3 lines that were printed here are lost" in driver.lines()[-1][0]
    driver.shows()
    driver.prints("heard")
    assert driver.lines()[-1] == ["heard"]


def test_a_driver_that_is_gone_is_shown_nothing_and_a_flush_is_answered() -> (
    None
):
    driver = Driver()
    driver.prints("one")
    driver.prints("two")
    driver.flush()
    driver.shows(GONE)
    driver.prints("three")
    driver.flush()
    assert driver.lines() == [["one"]]
    assert driver.flushed == [None, None]
