"""The journal of a lab: each thing is noted on disk before it is made.

    up:    note(thing) ─> make it ─> ... ─> done
    down:  remove each thing that was noted, the last one first

A `kill -9` leaves at most one thing that is noted and not made. Removing a
thing that is not there does nothing.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.lab.plan import LabError, Plan, from_json
from minimr.system.files import atomic_writer


class Journal:
    """The file of one lab. Every change is on disk when it returns."""

    def __init__(self, home: str) -> None:
        self.path = Path(home) / "journal.json"
        self.plan: Plan | None = None
        self.things: list[dict[str, Any]] = []  # in the order of making
        self.complete = False  # the last `up` has finished
        with suppress(FileNotFoundError):
            document = json.loads(self.path.read_text())
            self.plan = from_json(document["plan"])
            self.things = document["things"]
            self.complete = document["complete"]

    def begin(self, plan: Plan) -> None:
        """Note the plan of the lab."""
        self.plan, self.complete = plan, False
        self.write()

    def note(self, thing: dict[str, Any]) -> None:
        """Note a thing that is about to be made."""
        if thing not in self.things:
            self.things.append(thing)
            self.write()

    def finish(self) -> None:
        """Note that everything is made."""
        self.complete = True
        self.write()

    def write(self) -> None:
        """Write the whole file, or nothing."""
        assert self.plan is not None
        document = {
            "plan": asdict(self.plan),
            "complete": self.complete,
            "things": self.things,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic_writer(str(self.path)) as file:
            json.dump(document, file, indent=1)

    def remove(self) -> None:
        """Forget the lab."""
        self.path.unlink(missing_ok=True)
        self.plan, self.things, self.complete = None, [], False


@contextmanager
def alone(home: str) -> Iterator[None]:
    """Exclude other commands that change this lab.

    The lock is the system's: it ends with the process in any case.

    Raises:
        LabError: another one is running.
    """
    folder = Path(home)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LabError(
                f"another command is changing the lab in {home}: wait until "
                "it has ended"
            ) from None
        yield
