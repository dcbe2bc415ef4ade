"""A selector that looks around for a moment before it sleeps.

    select: look, look, look ... (`spin_s`) ──> sleep until there is something

To put a process to sleep and to wake it again takes longer than most
answers take to come: tens of microseconds, more on a virtual machine.

Rules:

1. It spins only after a wait that was short itself: who waits for long
   things pays nothing, who begins to pays `spin_s` once.
2. `spin_s` is 0, and it never spins, unless somebody sets it who knows that
   no other thread of this process wants to run.

Ray sleeps at once. Locks do the same as this ("adaptive mutex").
"""

from __future__ import annotations

import selectors
import time

SHORT = 3  # a wait is short up to so many times `spin_s`

Ready = list[tuple[selectors.SelectorKey, int]]


class SpinningSelector(selectors.DefaultSelector):
    """Waits for files; used by one thread at a time."""

    spin_s = 0.0
    _was_short = True  # the last wait

    def select(self, timeout: float | None = None) -> Ready:
        """Give what is ready. Blocks: until something is, or `timeout` s."""
        if not self.spin_s:
            return super().select(timeout)
        begin = time.monotonic()
        end = begin + (self.spin_s if self._was_short else 0.0)
        ready = super().select(0)
        while not ready and time.monotonic() < end:
            ready = super().select(0)
        if not ready:
            ready = super().select(timeout)
        self._was_short = time.monotonic() - begin < SHORT * self.spin_s
        return ready
