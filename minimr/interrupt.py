"""Interrupts what the main thread runs, but never an import.

An import that is broken off leaves modules behind that are half there, and
the next task that needs them would fail.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

AGAIN_S = 0.02


def knock(signum: int) -> None:
    """Send a signal to the main thread. Runs in: any thread."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signum)


def in_main_thread() -> bool:
    """Tell whether this is the thread that gets signals."""
    return threading.current_thread() is threading.main_thread()


def may_interrupt(signum: int, frame: FrameType | None) -> bool:
    """Tell whether to raise now; if not, the signal comes again.

    Runs in: a signal handler, with what it is called with.
    """
    if not is_importing(frame):
        return True
    again = threading.Timer(AGAIN_S, knock, (signum,))
    again.daemon = True
    again.start()
    return False


def is_importing(frame: FrameType | None) -> bool:
    """Tell whether a frame runs on behalf of an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
