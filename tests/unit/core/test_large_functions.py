"""A function that captures much is told of, as its every worker gets it."""

from __future__ import annotations

from typing import Any

import pytest

import minimr as ray
from minimr.core.api import calls, remote
from minimr.core.process.runtime import Duty, Runtime


def capturing(size: int) -> Any:
    data = b"x" * size
    return ray.remote(lambda: len(data))


@pytest.mark.parametrize(("size", "told"), [(1000, 0), (calls.LARGE_BYTES, 1)])
def test_a_large_function_is_warned_of_once(
    size: int,
    told: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime: Any = object.__new__(Runtime)
    runtime.duty = Duty()
    monkeypatch.setattr(remote, "session", lambda: runtime)
    monkeypatch.setattr(remote.RemoteFunction, "_submit", lambda *_: None)
    function = capturing(size)
    function._for = runtime
    for _ in range(2):
        function.remote()
    assert len(caplog.records) == told
    assert all("put()" in each.getMessage() for each in caplog.records)


def test_a_large_class_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    large = type("Large", (), {"data": b"x" * calls.LARGE_BYTES})
    calls.pickle_code(large, "Large")
    assert "Large() takes 10 MB" in caplog.text
