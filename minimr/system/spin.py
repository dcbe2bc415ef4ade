"""A selector that polls for a moment before it sleeps.

    select: poll, poll, poll ... (`spin_s`) ──> sleep until something is ready

Putting a process to sleep and waking it takes longer than most answers:
tens of microseconds, more on a virtual machine.

Rules:

1. It spins only if the last wait was short. So long waits cost nothing, but
   for `spin_s` once, in the first of them.
2. Off by default (`spin_s` = 0). Set it only if no other thread of this
   process needs the interpreter.

Ray sleeps at once. Locks do the same as this ("adaptive mutex").
"""

from __future__ import annotations

import selectors
import time

SHORT = 3  # a wait is short up to this many times `spin_s`

Ready = list[tuple[selectors.SelectorKey, int]]


class SpinningSelector(selectors.DefaultSelector):
    """Waits for files. Used by one thread at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.spin_s = 0.0
        self._was_short = True  # the last wait
        self._look = super().select

    def select(self, timeout: float | None = None) -> Ready:
        """Return what is ready. Blocks: until something is, or `timeout` s."""
        if not self.spin_s:
            return self._look(timeout)
        begin = time.monotonic()
        end = begin + (self.spin_s if self._was_short else 0.0)
        ready = self._look(0)
        while not ready and time.monotonic() < end:
            ready = self._look(0)
        if not ready:
            ready = self._look(timeout)
        self._was_short = time.monotonic() - begin < SHORT * self.spin_s
        return ready
