"""A process that joins a node which dies in that very moment."""

from __future__ import annotations

from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.process.runtime import Runtime
from minimr.exceptions import RaySystemError
from minimr.system import machine

HERE = "127.0.0.1"
NOBODY_HAS_IT = 2**22 + 1  # more than the system gives to a process
ARENA = NOBODY_HAS_IT, 0, 1


def attach(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(kind, bytes(32), HERE)
    welcome = m.Welcome("node", (HERE, 1), ARENA)
    monkeypatch.setattr(runtime, "call", lambda *_: welcome)
    try:
        runtime.attach((HERE, 1))
    finally:
        runtime.hub.close()


def test_a_driver_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RaySystemError, match="is gone"):
        attach("driver", monkeypatch)


def test_a_worker_just_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> Any:
        raise SystemExit(code)

    monkeypatch.setattr(machine, "leave", leave)
    with pytest.raises(SystemExit):
        attach("worker", monkeypatch)
