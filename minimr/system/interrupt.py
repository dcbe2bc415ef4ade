"""Interrupts what the main thread runs, but never an import or a finaliser.

An import that is interrupted leaves half-loaded modules behind, and the next
task that needs them would fail. An exception in a finaliser is printed and
dropped, and so would the interrupt be.
"""

from __future__ import annotations

import _weakrefset
import weakref
from types import FrameType

from minimr.system import machine

AGAIN_S = 0.02
# Imports, and the callbacks of weak references.
CLOSED = ("<frozen importlib", weakref.__file__, _weakrefset.__file__)


def knock(signum: int) -> None:
    """Send a signal to the main thread. Runs in: any thread."""
    machine.knock(signum)


def in_main_thread() -> bool:
    """Return whether this is the thread that gets signals."""
    return machine.in_main_thread()


def may_interrupt(signum: int, frame: FrameType | None) -> bool:
    """Return whether to raise now; if not, the signal comes again later.

    Runs in: a signal handler, which passes its arguments on.
    """
    if not is_closed(frame):
        return True

    def again() -> None:
        machine.sleep(AGAIN_S)
        machine.knock(signum)

    machine.thread(target=again, daemon=True).start()
    return False


def is_closed(frame: FrameType | None) -> bool:
    """Return whether a frame runs for an import or a finaliser."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code.co_filename.startswith(CLOSED):
            return True
        frame = frame.f_back
    return False
