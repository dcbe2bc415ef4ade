"""How many tasks may be under way to one worker.

    1 ── quick answer ──> 2 ──> 4 ──> ... 256
    ^                     │
    └──── slow answer ────┘

    OPEN ──> USED_UP  the next task had better go to another node
       └───> CLOSED   others wait for the worker, or it is gone

Rule: a worker that answers quickly gets more at once, so that it never
waits for the next; behind a task that takes long, nothing waits. Who gives
tasks back gets no more than it has kept.
"""

from __future__ import annotations

import sys
from enum import Enum, auto

MAX_WINDOW = 256
ALL = sys.maxsize
QUICK_S = 0.001  # answers closer than this double the window
SLOW_S = 0.005  # an answer later than this sets it to one


class State(Enum):
    """Whether a worker gets more tasks."""

    OPEN = auto()
    USED_UP = auto()
    CLOSED = auto()


class Window:
    """The window of one lease.

    Args:
        size: ALL for an actor, which takes what comes.

    Attributes:
        room: how many tasks may be under way at the moment.
        is_fixed: answers leave it as it is.
    """

    __slots__ = ("_size", "is_fixed", "room", "state")

    def __init__(self, size: int = 1) -> None:
        self.state = State.OPEN
        self.is_fixed = size == ALL
        self._size = self.room = size

    def answered(self, took_s: float) -> bool:
        """Adapt to an answer; return whether it was slow."""
        if took_s < QUICK_S:
            if self._size < MAX_WINDOW:
                self._resize(min(2 * self._size, MAX_WINDOW))
            return False
        slow = took_s > SLOW_S
        if slow:
            self.shrink()
        return slow

    def shrink(self, size: int = 1) -> None:
        """Have no more tasks under way than these, but one at least."""
        self._resize(max(1, min(size, self._size)))

    def widen(self, size: int) -> None:
        """Have as many under way as another worker has given back."""
        self._resize(min(max(size, self._size), MAX_WINDOW))

    def use_up(self) -> None:
        """Let nothing more in, for the moment."""
        self._become(State.USED_UP)

    def close(self) -> None:
        """Let nothing more in, ever."""
        self._become(State.CLOSED)

    def reopen(self) -> None:
        """Let one task in, if it was only used up."""
        if self.state is State.USED_UP:
            self._become(State.OPEN)
            self._resize(1)

    def _become(self, state: State) -> None:
        if self.state is not State.CLOSED:
            self.state = state
            self._resize(self._size)

    def _resize(self, size: int) -> None:
        self._size = size
        self.room = size if self.state is State.OPEN else 0
