"""Interrupts what the main thread runs, but never an import or a finaliser.

An import that is interrupted leaves half-loaded modules behind, and the next
task that needs them would fail. An exception in a finaliser is printed and
dropped, and so would the interrupt be.
"""

from __future__ import annotations

import _weakrefset
import signal
import threading
import weakref
from types import FrameType

AGAIN_S = 0.02
# Imports, and the callbacks of weak references.
CLOSED = ("<frozen importlib", weakref.__file__, _weakrefset.__file__)


def knock(signum: int) -> None:
    """Send a signal to the main thread. Runs in: any thread."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signum)


def in_main_thread() -> bool:
    """Return whether this is the thread that gets signals."""
    return threading.current_thread() is threading.main_thread()


def may_interrupt(signum: int, frame: FrameType | None) -> bool:
    """Return whether to raise now; if not, the signal comes again later.

    Runs in: a signal handler, which passes its arguments on.
    """
    if not is_closed(frame):
        return True
    again = threading.Timer(AGAIN_S, knock, (signum,))
    again.daemon = True
    again.start()
    return False


def is_closed(frame: FrameType | None) -> bool:
    """Return whether a frame runs for an import or a finaliser."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code.co_filename.startswith(CLOSED):
            return True
        frame = frame.f_back
    return False
