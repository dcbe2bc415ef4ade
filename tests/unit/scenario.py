"""Scenarios as text: what happens, and which messages follow.

A file has an introduction and then scenarios, each with a title behind a `#`.
What happens is a line of its own; what follows of it stands below, behind
arrows. `replay` writes the same text with what really follows, so that a
test is `replay(scenario, world) == scenario`, and its failure is a diff.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from minimr.system import machine

FOLDER = Path(__file__).parent
ARROW = "    -> "


def scenarios(file: str) -> list[Any]:
    """Return the scenarios of a file as parameters, named by their titles."""
    text = (FOLDER / file).read_text("utf-8")
    _, *texts = re.split(r"^# ", text, flags=re.M)
    return [
        pytest.param(text.rstrip(), id=text.partition("\n")[0].strip())
        for text in texts
    ]


class World:
    """Parts that are tested, with fake links, workers and time.

    Attributes:
        now: seconds; they pass when a scenario says so.
        commands: {what happens, as a regular expression: the method}.
    """

    commands: dict[str, Callable[..., None]]

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(machine, "monotonic", lambda: self.now)
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._followed: list[str] = []
        self._peers: dict[str, Peer] = {}

    def peer(self, name: str) -> Any:
        """Return the link to a process."""
        return self._peers.setdefault(name, Peer(name, self))

    def follows(self, effect: str) -> None:
        """Note what a test has to see."""
        self._followed.append(effect)

    def say(self, message: Any) -> str:
        """Return a message as the scenarios write it."""
        raise NotImplementedError

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Set a timer."""
        timer = (self.now + seconds, len(self._timers), function)
        self._timers.append(timer)

    def pass_time(self, seconds: str) -> None:
        """Let time pass, and call what is due."""
        end = self.now + float(seconds)
        while due := [t for t in self._timers if t[0] <= end + 1e-9]:
            timer = min(due, key=lambda t: t[:2])
            self._timers.remove(timer)
            self.now = max(self.now, timer[0])
            timer[2]()
        self.now = end

    def happens(self, line: str) -> list[str]:
        """Make a line of a scenario happen; return what follows."""
        for pattern, command in self.commands.items():
            found = re.fullmatch(pattern, line)
            if found:
                command(self, *found.groups())
                effects, self._followed = self._followed, []
                return effects
        raise AssertionError(f"nobody knows how to do this: {line}")


class Peer:
    """The other end of a link."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.closed = False
        self.data: Any = None
        self._world = world

    def post(self, message: Any) -> None:
        """Say what is sent."""
        self._world.follows(f"{self.name}: {self._world.say(message)}")


class Happens(Protocol):
    """Makes a line of a scenario happen; returns what follows."""

    def happens(self, line: str, /) -> list[str]: ...


def replay(scenario: str, world: Happens) -> str:
    """Return a scenario with what really follows each of its lines."""
    title, *lines = scenario.split("\n")
    told = [title]
    for line in lines:
        if not line.startswith(ARROW):
            told.append(line)
            if line.strip():
                told += [ARROW + effect for effect in world.happens(line)]
    return "\n".join(told)
