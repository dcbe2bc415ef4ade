"""What the processes of a node use, measured once a second.

    /proc: the node and its workers ──> (CPUs, bytes) ── Report ──> the head

Ray: the reporter agent of each node.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from minimr.system import machine


class Usage:
    """Measures some processes together."""

    def __init__(self) -> None:
        self._spent: dict[int, float] = {}  # {process: seconds of CPU}
        self._at = 0.0  # when that was; 0: never

    def measure(self, processes: Iterable[int]) -> tuple[float, int] | None:
        """Return the CPUs in use since the last time, and the memory.

        None: it is the first time, or this system does not tell.
        """
        spent, memory = {}, 0
        for process in processes:
            with suppress(OSError):  # it has just ended
                spent[process], size = machine.used_by(process)
                memory += size
        now, before = machine.monotonic(), self._spent
        took, self._at = now - self._at, now
        first, self._spent = not before, spent
        if first or not spent:
            return None
        work = sum(
            seconds - before.get(process, 0.0)
            for process, seconds in spent.items()
        )
        return max(0.0, work) / max(took, 1e-6), memory
