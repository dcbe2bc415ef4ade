"""What the processes of a run are made of, noticed as it is made.

    Coordinator(...) in a process ──> parts: {process: [coordinator, ...]}
    a step of the process ─┬─ its rules (`invariants.py`), if it is in the
                           │  middle of nothing
                           └─ what has changed in its tables (`tables.py`)

The parts do not know of it, and are not changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, NamedTuple

from minimr.simulation.core_invariants import (
    EVENTS,
    is_kept,
    leased_once,
    not_freed,
)
from minimr.simulation.core_invariants import RULES as CORE_RULES
from minimr.simulation.invariants import RULES, Memory
from minimr.simulation.machine import Machine
from minimr.simulation.tables import TABLES, Table
from minimr.simulation.world import Home

OF_CORE = 4  # steps of processes of rung 2 until the next one is looked at
ACROSS_ALL = 16  # until what several processes know is compared


class Part(NamedTuple):
    """What is looked at.

    Attributes:
        rules: that it has, if any.
        every: so many steps of processes that have parts.
        memory: what its rules like to remember.
        talks: it is an end of links: a node, or a driver or worker.
    """

    part: Any
    rules: Callable[[Any, Memory], Iterable[str]] | None
    every: int
    memory: Memory
    talks: bool


class Parts:
    """Looks into processes, after each of their steps.

    Args:
        tell: whether the trace says what has changed in their tables.
    """

    def __init__(self, simulated: Machine, tell: bool) -> None:
        self._machine, self._world = simulated, simulated.world
        self._tell = tell
        self._of: dict[int, list[Part]] = {}  # {process id: parts}
        self._run: Memory = {}  # of events
        self._steps = 0
        self._known: dict[tuple[int, str], Table] = {}  # as it was

    @contextlib.contextmanager
    def looked_at(self) -> Iterator[None]:
        """Notice all parts that are made, and look at them."""
        kinds = {*RULES, *TABLES} if self._tell else {*RULES}
        new = {(kind, "__init__"): self._noticed(kind) for kind in kinds}
        new |= {event: self._happens(*event) for event in EVENTS}
        real = {(kind, name): getattr(kind, name) for kind, name in new}
        for (kind, name), function in new.items():
            setattr(kind, name, function)
        self._world.after_step = self._look
        try:
            yield
        finally:
            self._world.after_step = None
            for (kind, name), function in real.items():
                setattr(kind, name, function)
            for parts in self._of.values():  # they refer to each other
                for each in parts:
                    vars(each.part).clear()  # less for the collector

    def _noticed(self, kind: type[Any]) -> Callable[..., None]:
        init: Callable[..., None] = kind.__init__

        @wraps(init)
        def make(part: Any, *arguments: Any, **options: Any) -> None:
            init(part, *arguments, **options)
            fiber = self._world.current
            if fiber is not None:
                every = OF_CORE if kind in CORE_RULES else 1
                noticed = Part(
                    part, RULES.get(kind), every, {}, hasattr(part, "hub")
                )
                fiber.process.parts.append(noticed)
                self._of[fiber.process.pid] = fiber.process.parts

        return make

    def _happens(self, kind: type[Any], name: str) -> Callable[..., Any]:
        method, rules = getattr(kind, name), EVENTS[kind, name]

        @wraps(method)
        def do(part: Any, *arguments: Any) -> Any:
            fiber = self._world.current
            if fiber is not None:
                home, memory = fiber.process, self._run
                broken = rules(memory, home.pid, part, *arguments)
                self._judge(home.name, broken)
            return method(part, *arguments)

        return do

    def _look(self, process: Home) -> None:
        if not process.parts:
            return
        self._steps += 1
        for part, rules, every, memory, _ in process.parts:
            is_due = self._steps % every == 0
            if is_due and rules is not None and _is_at_rest(process, part):
                self._judge(process.name, rules(part, memory))
            if self._tell and type(part) in TABLES:
                self._tell_changes(process, part)
        if self._steps % ACROSS_ALL == 0:
            self._look_across()

    def _look_across(self) -> None:
        running = self._machine.processes.running
        living = {
            part.address: part
            for pid, parts in self._of.items()
            if pid in running
            for part, _, _, _, talks in parts
            if talks and _is_at_rest(running[pid], part)
        }
        network, processes = self._machine.network, self._machine.processes
        rules = [leased_once(living)]
        if not network.broken:
            rules.append(not_freed(living))
        if not (network.broken or processes.died):
            rules.append(is_kept(living))
        for broken in rules:
            self._judge("somebody", broken)

    def _judge(self, who: str, broken: Iterable[str]) -> None:
        for rule in broken:
            text = f"{who} breaks a rule: {rule}"
            if text not in self._world.crashes:
                self._world.note("broken", process=who, rule=rule)
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


def _is_at_rest(process: Home, part: Any) -> bool:
    """Return whether a process is in the middle of nothing."""
    lock = getattr(part, "lock", None)
    if lock is not None:  # a driver, or a worker
        return not lock.locked()
    return process.main is not None and process.main.polls
