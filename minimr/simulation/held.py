"""What the modules of one interpreter hold for a process.

    process A runs ── leave ──> what the modules hold, kept with A
    process B runs <── enter ── what was kept with B

All simulated processes share one interpreter. A few things in it belong to
the process that runs: its runtime, its standard streams, its environment.
Whoever lets another process run exchanges them.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from minimr.core import prints
from minimr.core.process import current


class Environment(dict[str, str]):
    """`os.environ` of a simulated process."""

    def copy(self) -> dict[str, str]:
        """Return a plain copy, as `os.environ` does."""
        return dict(self)


class Said(io.TextIOBase):
    """Standard output, or error, that nobody reads but the trace."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._begun = ""

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Take a text; complete lines are noted."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._note(line)
        return len(text)


class Held:
    """What they hold for one process."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    @classmethod
    def now(cls) -> Held:
        """Return what they hold at the moment."""
        held = cls([])
        held.leave()
        return held

    @classmethod
    def new(
        cls, output: Any, errors: Any, variables: Mapping[str, str]
    ) -> Held:
        """Return what a new process has, a child of the one that runs."""
        environment = Environment({**os.environ, **variables})
        path = list(sys.path)
        nobody: list[Any] = [None, prints.nobody, set()]
        return cls([*nobody, path, errors, environment, output])

    def set_output(self, output: Any) -> None:
        """Set standard output. The process does not run yet."""
        self._values[-1] = output

    def enter(self) -> None:
        """Let the modules hold this."""
        (
            current._runtime,
            prints.speaker,
            prints.unflushed,
            sys.path,
            sys.stderr,
            os.environ,
            sys.stdout,
        ) = self._values

    def leave(self) -> None:
        """Keep what they hold now."""
        self._values = [
            current._runtime,
            prints.speaker,
            prints.unflushed,
            sys.path,
            sys.stderr,
            os.environ,
            sys.stdout,
        ]
