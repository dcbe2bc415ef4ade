"""Decides which thread of a process reads the sockets: one at a time.

    get() in a user's thread ──┐
    another get() ─────────────┼──> whoever has the baton runs step()
    the background thread ─────┘

Rules:

1. The thread that waits is the thread that reads, so an answer that `get`
   waits for is not handed from one thread to another.
2. While no thread waits, the background thread takes the baton, after a
   moment of grace, so that it stays out of a loop of short waits.
3. After each step, and when the baton is free again, all waiting threads
   check whether they are ready.
"""

from __future__ import annotations

from collections.abc import Callable

from minimr.system import machine

GRACE_S = 0.002


class Pump:
    """Hands the baton from thread to thread.

    Args:
        step: waits for messages, at most this many seconds, and handles them.
        wake: makes a `step` in another thread return.

    Attributes:
        in_background: the background thread has the baton.
        taken_over: called in the background thread before each step; returns
            how long that step may wait.
    """

    def __init__(
        self, step: Callable[[float | None], None], wake: Callable[[], None]
    ) -> None:
        self.in_background = False
        self.taken_over: Callable[[], float | None] = lambda: None
        self._step = step
        self._wake = wake
        self._baton = machine.lock()
        self._changed = machine.condition()
        self._waiting: list[object] = []  # one per thread in wait()
        self._idle = machine.event()  # nobody waits
        self._closed = False
        self._stepping = 0  # the waiting thread that is in step()
        self._interrupted: type[BaseException] | None = None
        self._thread = machine.thread(
            target=self._background, name="minimr-pump", daemon=True
        )

    def start(self) -> None:
        """Start the background thread."""
        self._idle.set()
        self._thread.start()

    def wait(
        self, ready: Callable[[], object], timeout_s: float | None = None
    ) -> bool:
        """Read sockets until `ready()`. Returns: whether it is ready.

        Blocks: until then, or until the time is up.
        """
        until = None if timeout_s is None else machine.monotonic() + timeout_s
        rest = timeout_s
        self._waiting.append(ready)
        try:
            while not ready():
                if until is not None:
                    rest = until - machine.monotonic()
                    if rest <= 0:
                        return False
                if self._baton.acquire(blocking=False):
                    self._step_once(ready, rest)
                else:
                    self._sleep(ready, rest)
            return True
        finally:
            self._waiting.remove(ready)
            if self._waiting:
                self._tell()
            elif not self._idle.is_set():
                self._idle.set()

    def _step_once(
        self, ready: Callable[[], object], timeout_s: float | None
    ) -> None:
        try:
            self._stepping = machine.this_thread()
            if not ready():  # who had the baton may have read it meanwhile
                self._step(timeout_s)
        finally:
            self._stepping = 0
            self._baton.release()
            if len(self._waiting) > 1:
                self._tell()
        if self._interrupted is not None:
            what, self._interrupted = self._interrupted, None
            raise what

    def _sleep(
        self, ready: Callable[[], object], timeout_s: float | None
    ) -> None:
        if self.in_background:
            self._wake()  # rule 1: the waiting thread reads itself
        with self._changed:
            if self._baton.locked() and not ready():
                self._changed.wait(timeout_s)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def nudge(self) -> None:
        """Make the thread that reads return from its step, if it is another.

        Runs in: any thread, at any point: the garbage collector calls it.
        """
        mine = self._stepping in (0, machine.this_thread())
        if self.in_background or not mine:
            self._wake()

    def interrupt(self, what: type[BaseException] = KeyboardInterrupt) -> bool:
        """Make this thread's `wait` raise an exception, if it is in a step.

        Runs in: a signal handler, which must not raise inside of `step`.
        """
        if self._stepping != machine.this_thread():
            return False
        self._interrupted = what
        self._wake()
        return True

    def close(self) -> None:
        """End the background thread. Blocks: until it has ended."""
        self._closed = True
        self._idle.set()
        self._wake()
        if machine.this_thread() != self._thread.ident:
            self._thread.join()

    def _background(self) -> None:
        while not self._closed:
            self._idle.wait()
            self._idle.clear()
            machine.sleep(GRACE_S)
            if self._waiting or not self._baton.acquire(blocking=False):
                continue
            self.in_background = True
            try:
                while not self._waiting and not self._closed:
                    self._step(self.taken_over())
            finally:
                self.in_background = False
                self._baton.release()
                self._tell()
