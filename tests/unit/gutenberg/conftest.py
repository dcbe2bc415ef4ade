"""A book server for each test, and settings that take no real time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minimr.datasets import gutenberg
from minimr.datasets.gutenberg import Settings
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


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, server: BookServer) -> None:
    """Wait a short time for what the script has, and long for the rest.

    A request ends only when the server has taken its part of the script: a
    slow machine mixes nothing up.
    """
    fetch = gutenberg.fetch

    def fetch_impatiently(
        url: str, path: Path, timeout_s: float, on_bytes: Callable[..., Any]
    ) -> bool:
        if not server.script:
            return fetch(url, path, DEADLINE_S, on_bytes)
        try:
            return fetch(url, path, timeout_s, on_bytes)
        finally:
            assert server.taken.acquire(timeout=DEADLINE_S)

    monkeypatch.setattr(gutenberg, "fetch", fetch_impatiently)
