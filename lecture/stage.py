"""What a page shows, and what its buttons do.

    browser ── look ──> runs        ┐
            ── state ─> nodes, ...  ├ of a run that is over, a cluster, ...
            ── press ─> a line      ┘

Rule: only a button that is offered now can be pressed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from lecture.trace import Line, Run


class PressError(ValueError):
    """A button cannot be pressed (now); the text says why."""


class Button(NamedTuple):
    """What a person can do: "kill" "worker 4711".

    Attributes:
        about: what it is now, and what to expect.
    """

    verb: str
    target: str
    about: str = ""


class Stage:
    """Runs that are over: nothing to press.

    Attributes:
        live: the page asks again, once a second.
    """

    live = False

    def __init__(self, runs: Sequence[Run] = ()) -> None:
        self._runs = list(runs)
        self._pressing = threading.Lock()

    def look(self) -> Sequence[Run]:
        """Return the runs as they are now. May block."""
        return self._runs

    def state(self) -> dict[str, Any]:
        """Return what there is now: {table: its rows}. May block."""
        return {}

    def buttons(self) -> list[Button]:
        """Return what can be pressed now. May block."""
        return [button for button, _ in self._acts()]

    def press(self, verb: str, target: str) -> str:
        """Do what a button says; return what a person should hear.

        Blocks: until it is done.

        Raises:
            PressError: there is no such button (any more), or it failed.
        """
        with self._pressing:
            for button, act in self._acts():
                if (button.verb, button.target) == (verb, target):
                    return act()
        raise PressError(f"there is nothing to {verb} named {target!r} now")

    def _acts(self) -> Sequence[tuple[Button, Callable[[], str]]]:
        """Return each button with what it does."""
        return ()


def story(text: str, what: str = "button") -> Line:
    """Return the line of a trace that tells what was pressed, now."""
    return {"kind": "story", "at": time.time(), "what": what, "text": text}
