"""What goes wrong and nobody asks for: said once, on standard error.

    an object gets an error ──> held
    the object is freed ──────> let go ──┬─ somebody has looked: silence
                                         └─ the last one that had it: said

Rules:

1. One error is said once, however many objects have it: the results of a
   task, and of all tasks that were to use them.
2. Whoever gets an error from another process looks after it from then on.
3. An actor that is dead, and a call that was cancelled, are no news to who
   ended them; what a task or a constructor raised is.

Ray: the same, and after five seconds although somebody may still look.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from typing import Any

from minimr.core.messages import Failed
from minimr.exceptions import (
    ActorDiedError,
    ActorUnschedulableError,
    RayTaskError,
    TaskUnschedulableError,
    WorkerCrashedError,
)

CONSTRUCTOR = "the actor's constructor raised"
IGNORE = "RAY_IGNORE_UNHANDLED_ERRORS"  # Ray's name
MOST_AT_THE_END = 5
NEWS = (
    ActorUnschedulableError, RayTaskError, TaskUnschedulableError,
    WorkerCrashedError,
)  # fmt: skip


def look(value: Any) -> None:
    """Note that somebody gets a value, which may be an error."""
    if type(value) is Failed:
        value.seen = True


class Unhandled:
    """The errors of this process that nobody has looked at yet.

    Methods: with the process's lock held.

    Args:
        say: tells the user.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._held: dict[Failed, int] = {}  # {error: how many have it}

    def hold(self, failed: Failed) -> None:
        """One more has this error."""
        self._held[failed] = self._held.get(failed, 0) + 1

    def let_go(self, failed: Failed) -> None:
        """One of them is gone."""
        left = self._held.pop(failed, 0) - 1
        if left > 0:
            self._held[failed] = left
        elif left == 0:
            self.say(failed)

    def say(self, failed: Failed) -> None:
        """Say an error, if nobody has seen it."""
        if failed.seen or IGNORE in os.environ:
            return
        failed.seen = True
        text = _news(failed)
        if text:
            head = f"Unhandled error (suppress with '{IGNORE}=1')"
            self._say(f"{head}: {text}")

    def at_the_end(self) -> None:
        """Say what nobody has looked at, though they could have.

        Not after an error that has ended the program: it has a reason not
        to look, and that is shown.
        """
        if hasattr(sys, "last_value"):
            return
        left = [failed for failed in self._held if not failed.seen]
        for failed in left[:MOST_AT_THE_END]:
            self.say(failed)
        if len(left) > MOST_AT_THE_END and IGNORE not in os.environ:
            more = len(left) - MOST_AT_THE_END
            self._say(f"... and {more} more unhandled errors")


def _news(failed: Failed) -> str:
    try:
        error = pickle.loads(failed.error)
    except Exception as why:  # noqa: BLE001  # a user's class
        return f"it cannot be unpickled here: {why!r}"
    text = str(error)
    if isinstance(error, ActorDiedError):
        return text if text.startswith(CONSTRUCTOR) else ""
    return text if isinstance(error, NEWS) else ""
