"""Who reads the sockets: of all threads of a process, one at a time.

    get() in a user's thread ──┐
    another get() ─────────────┼──> whoever has the baton runs step()
    the background thread ─────┘

Rules:

1. The thread that waits is the thread that reads: an answer that `get`
   waits for costs no hand-over between threads.
2. While no thread waits, the background thread takes the baton, after a
   moment of grace, so that a loop of short waits never meets it.
3. Who lays the baton down hands it to a thread that waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

GRACE_S = 0.002


class Waiter:
    """Something that a thread waits for: `count` notices of any object."""

    __slots__ = ("_lock", "left")

    def __init__(self, count: int = 1) -> None:
        self.left = count
        self._lock = threading.Lock()
        self._lock.acquire()

    def notify(self, _: object = None) -> None:
        """One thing less to wait for."""
        self.left -= 1
        if self.left <= 0:
            self.wake()

    def finish(self, _: object = None) -> None:
        """Nothing more to wait for."""
        if self.left:
            self.left = 0
            self.wake()

    def wake(self) -> None:
        """Let the thread look again. Runs in: any thread."""
        with suppress(RuntimeError):  # it was awake
            self._lock.release()

    def sleep(self, timeout_s: float | None) -> None:
        """Blocks: until `wake`."""
        self._lock.acquire(timeout=-1 if timeout_s is None else timeout_s)


class Pump:
    """Hands the baton from thread to thread.

    Args:
        step: waits for messages at most so long and handles them.
        wake: lets a `step` in another thread return.
        taken_over: called in the background thread before each step; says
            how long that may wait.
    """

    def __init__(
        self,
        step: Callable[[float | None], None],
        wake: Callable[[], None],
        taken_over: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._step = step
        self._wake = wake
        self._taken_over = taken_over
        self._baton = threading.Lock()
        self._waiters: list[Waiter] = []
        self._idle = threading.Event()
        self._in_background = False
        self._closed = False
        self._stepping = 0  # the waiting thread that is in step()
        self._interrupted = False
        self._thread = threading.Thread(
            target=self._background, name="minimr-pump", daemon=True
        )

    def start(self) -> None:
        """Start the background thread."""
        self._idle.set()
        self._thread.start()

    def wait(self, waiter: Waiter, timeout_s: float | None = None) -> bool:
        """Read sockets until the waiter has what it waits for.

        Blocks: until then, or until the time is up; tells which.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        rest = timeout_s
        self._waiters.append(waiter)
        try:
            while waiter.left > 0:
                if until is not None:
                    rest = until - time.monotonic()
                    if rest <= 0:
                        return False
                if self._baton.acquire(blocking=False):
                    try:
                        self._stepping = threading.get_ident()
                        self._step(rest)
                    finally:
                        self._stepping = 0
                        self._baton.release()
                    self._interrupt_now()
                else:
                    if self._in_background:
                        self._wake()
                    waiter.sleep(rest)
            return True
        finally:
            self._waiters.remove(waiter)
            self._hand_over()

    def in_background(self) -> bool:
        """Tell whether the background thread has the baton."""
        return self._in_background

    def nudge(self) -> None:
        """Let the thread that reads look around, if it is another one.

        Runs in: any thread, at any point: the garbage collector calls it.
        """
        if self._in_background or self._stepping not in (
            0,
            threading.get_ident(),
        ):
            self._wake()

    def interrupt(self) -> bool:
        """Let this thread's `wait` raise KeyboardInterrupt, if it waits.

        Runs in: a signal handler, which must not raise inside of `step`.
        """
        if self._stepping != threading.get_ident():
            return False
        self._interrupted = True
        self._wake()
        return True

    def _interrupt_now(self) -> None:
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    def close(self) -> None:
        """End the background thread. Blocks: until it has ended."""
        self._closed = True
        self._idle.set()
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _hand_over(self) -> None:
        if self._baton.locked():
            return  # who has it will hand it over
        for waiter in self._waiters[:1]:
            waiter.wake()
            return
        if not self._idle.is_set():
            self._idle.set()

    def _background(self) -> None:
        while not self._closed:
            self._idle.wait()
            self._idle.clear()
            time.sleep(GRACE_S)
            if self._waiters or not self._baton.acquire(blocking=False):
                continue
            self._in_background = True
            try:
                while not self._waiters and not self._closed:
                    self._step(self._taken_over())
            finally:
                self._in_background = False
                self._baton.release()
                self._hand_over()
