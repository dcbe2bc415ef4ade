"""A selector that polls for a moment before it sleeps.

    select: poll, poll, poll ... (`spin_s`) ──> sleep until something is ready

Putting a process to sleep and waking it takes longer than most answers:
tens of microseconds, more on a virtual machine.

Rules:

1. Spinning helps only where a core is free for the process that is to
   answer. Where none is, it keeps that process waiting. So after a wait that
   a spin did not make short, the next one sleeps at once; after another such
   wait the next three, then seven. A short one ends that.
2. Off by default (`spin_s` = 0). Set it only if no other thread of this
   process needs the interpreter.

Ray sleeps at once. Locks do the same as this ("adaptive mutex").
"""

from __future__ import annotations

import selectors
import time

SOON = 2  # an answer comes soon enough up to so many `spin_s` after a spin
MOST = 7  # waits that sleep at once, after many spins in vain

Ready = list[tuple[selectors.SelectorKey, int]]


class SpinningSelector(selectors.DefaultSelector):
    """Waits for files. Used by one thread at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.spin_s = 0.0
        self._rest = 0  # waits that are to sleep at once
        self._vain = 0  # how many those were at first
        self._look = super().select

    def select(self, timeout: float | None = None) -> Ready:
        """Return what is ready. Blocks: until something is, or `timeout` s."""
        if not self.spin_s:
            return self._look(timeout)
        if self._rest:
            self._rest -= 1
            return self._look(timeout)
        end = time.monotonic() + self.spin_s
        ready = self._look(0)
        while not ready and time.monotonic() < end:
            ready = self._look(0)
        if not ready:
            ready = self._look(timeout)
        if time.monotonic() < end + SOON * self.spin_s:
            self._vain = 0
        else:
            self._rest = self._vain = min(2 * self._vain + 1, MOST)
        return ready
