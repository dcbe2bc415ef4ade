"""What the processes of a run are made of, noticed as it is made.

    Coordinator(...) in a process ──> parts: {process: [coordinator, ...]}
    a step of the process ─┬─ its rules (`invariants.py`), if its main thread
                           │  waits for news, and is in the middle of nothing
                           └─ what has changed in its tables (`tables.py`)

The parts do not know of it, and are not changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from minimr.simulation.invariants import RULES, Memory
from minimr.simulation.tables import TABLES, Table
from minimr.simulation.world import Home, World


class Parts:
    """Looks into processes, after each of their steps.

    Args:
        tell: whether the trace says what has changed in their tables.
    """

    def __init__(self, world: World, tell: bool) -> None:
        self._world = world
        self._tell = tell
        self._of: dict[int, list[Any]] = {}  # {process id: parts}
        self._memory: dict[int, Memory] = {}  # {number of a part: ...}
        self._known: dict[tuple[int, str], Table] = {}  # as it was

    @contextlib.contextmanager
    def looked_at(self) -> Iterator[None]:
        """Notice all parts that are made, and look at them."""
        kinds = {*RULES, *TABLES} if self._tell else {*RULES}
        real = {kind: kind.__init__ for kind in kinds}
        for kind, init in real.items():
            kind.__init__ = self._noticed(init)
        self._world.after_step = self._look
        try:
            yield
        finally:
            self._world.after_step = None
            for kind, init in real.items():
                kind.__init__ = init

    def _noticed(self, init: Callable[..., None]) -> Callable[..., None]:
        @wraps(init)
        def make(part: Any, *arguments: Any, **options: Any) -> None:
            init(part, *arguments, **options)
            fiber = self._world.current
            if fiber is not None:
                self._of.setdefault(fiber.process.pid, []).append(part)

        return make

    def _look(self, process: Home) -> None:
        at_rest = process.main is not None and process.main.polls
        for number, part in enumerate(self._of.get(process.pid, ())):
            if at_rest:
                self._check(process, number, part)
            if self._tell and type(part) in TABLES:
                self._tell_changes(process, part)

    def _check(self, process: Home, number: int, part: Any) -> None:
        rules = RULES.get(type(part))
        if rules is None:
            return
        memory = self._memory.setdefault(process.pid + number, Memory())
        for broken in rules(part, memory):
            text = f"{process.name} breaks a rule: {broken}"
            if text not in self._world.crashes:
                self._world.note("broken", process=process.name, rule=broken)
                self._world.crashes.append(text)

    def _tell_changes(self, process: Home, part: Any) -> None:
        for name, table in TABLES[type(part)](part).items():
            before = self._known.get((process.pid, name), {})
            now = {key: s for key, s in table.items() if before.get(key) != s}
            now |= {key: "" for key in before if key not in table}
            if now:
                self._known[process.pid, name] = table
                self._world.aside(
                    "knows", process=process.name, table=name, now=now
                )
