"""What a node uses: CPUs since the last time, and memory."""

from __future__ import annotations

import pytest

from minimr.core.node.usage import Usage
from minimr.system import machine


def test_what_processes_use_is_measured_between_two_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used = {1: (10.0, 500), 2: (0.5, 100)}
    now = 100.0

    def used_by(process: int) -> tuple[float, int]:
        if process not in used:
            raise ProcessLookupError
        return used[process]

    monkeypatch.setattr(machine, "used_by", used_by)
    monkeypatch.setattr(machine, "monotonic", lambda: now)
    usage = Usage()
    assert usage.measure([1, 2, 3]) is None  # since when?
    now = 102.0
    used[1], used[3] = (11.0, 600), (0.5, 50)  # 3 has begun
    del used[2]
    assert usage.measure([1, 2, 3]) == (0.75, 650)
    used.clear()
    assert usage.measure([1, 2, 3]) is None


def test_this_process_uses_something() -> None:
    seconds, size = machine.used_by(machine.pid())
    assert seconds > 0
    assert size > 1_000_000
    with pytest.raises(OSError, match="No such"):
        machine.used_by(0)
