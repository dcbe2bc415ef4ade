"""A book server for each test, and settings that take no real time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from minimr.gutenberg import Settings
from tests.unit.gutenberg.book_server import (
    BOOK,
    DEADLINE_S,
    BookServer,
    serving,
)


class FakeClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BookServer]:
    monkeypatch.setenv("no_proxy", "*")
    with serving() as server:
        server.books[11] = BOOK
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def settings(server: BookServer, clock: FakeClock) -> Settings:
    return Settings(
        mirror=server.url,
        interval_s=0,
        timeout_s=DEADLINE_S,
        clock=lambda: clock.now,
        sleep=clock.sleep,
        jitter=lambda: 1.0,
    )
