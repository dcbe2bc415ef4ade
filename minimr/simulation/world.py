"""One thread that is many: who runs, what time it is, and what happened.

    ready   [fiber, ...]    one, drawn from the seed ──> runs until it waits
    timers  [(when, call)]  nobody is ready ──> the clock is at the next one
    trace   [entry, ...]    and a hash of all of them

Rules:

1. A fiber runs alone until it waits: what it does between two calls of its
   machine takes no time.
2. All chance is `random`, and nothing depends on the order of a set or on
   an id: a seed is a run, in any interpreter.
3. Every wait may end for nothing. Who waits looks again.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import sys
import traceback
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Protocol

from greenlet import getcurrent, greenlet

from minimr.simulation.held import Held

# Of processes and descriptors: none that the system may have given out, so
# that one that gets there by mistake does no harm.
FIRST = 10**7
CALL = 0  # instead of a wait's number: these begin with 1
A_CALL_S = 1e-6  # what a look at the files costs that finds nothing
MAX_LOOKS = 100_000  # at the clock, by who never waits
MAX_STEPS = 50_000  # of a run; an ordinary one takes a few thousand


class Killed(BaseException):
    """Unwinds what a process was doing when it ended."""


class Hang(Exception):  # noqa: N818  a verdict more than an error
    """Nobody can go on, or time is up."""


class Gathering(list["Fiber"]):
    """The fibers that wait for one thing."""


class Home(Protocol):
    """A process, as far as its threads and connections know it."""

    pid: int
    name: str
    host: str
    waits_for: list[Fiber]
    fibers: list[Fiber]
    main: Fiber | None
    held: Held
    parts: list[Any]
    paused: list[Fiber] | None
    spared: bool
    ended: bool
    signals: list[int]

    def begin(self, name: str, run: Callable[[], Any]) -> Fiber:
        """Start a thread."""

    def handle_signals(self) -> None:
        """Call the handlers of the signals that have come."""


class Fiber:
    """A thread of a simulated process.

    Attributes:
        ended: its function has returned.
        end: who waits for that.
        polls: it waits for news: what it has begun is done.
        locals: what `machine.local()` objects hold for this thread.
        loop: of asyncio, if one runs in this thread, and its hooks.
        thread: what stands for it, where a program asks for it.
    """

    def __init__(
        self, world: World, process: Home, name: str, run: Callable[[], Any]
    ) -> None:
        self.process = process
        self.name = name
        self.number = next(world.numbers)
        self.ended = self.polls = False
        self.end = Gathering()
        self.locals: dict[Any, dict[str, Any]] = {}
        self.loop: tuple[Any, Any] | None = None
        self.thread: Any = None
        self.asleep = False
        self.waits = 0  # so far; a timer of an earlier one says nothing
        self.world = world
        self._run = run
        self.greenlet = greenlet(self._live, parent=world.scheduler)

    def _live(self) -> None:
        try:
            if not self.process.ended:
                self._run()
        except (Killed, SystemExit):
            pass
        except Exception as error:  # noqa: BLE001  the end of a thread
            self.world.crash(self, error)
        finally:
            self.ended = True
            self.locals.clear()
            self.process.fibers.remove(self)
            self.world.wake(self.end)


class World:
    """The clock, the chance and the scheduler of one run.

    Args:
        seed: of the run.
        limit_s: when a run that still goes on counts as one that hangs.

    Attributes:
        now: virtual seconds since the beginning.
        current: the fiber that runs; None: the scheduler.
        trace: what has happened, in order.
        crashes: what threads have raised and nobody caught, and rules that
            were broken. With the first one a run is over.
        after_step: is told of each process that has done something.
    """

    def __init__(self, seed: int, limit_s: float) -> None:
        self.now = 0.0
        self.limit_s = limit_s
        self.random = random.Random(seed)
        self.numbers = itertools.count(FIRST)
        self.scheduler = getcurrent()
        self.current: Fiber | None = None
        self.trace: list[dict[str, Any]] = []
        self.crashes: list[str] = []
        self.after_step: Callable[[Home], None] | None = None
        self._hashed: list[dict[str, Any]] = []  # entries of the trace
        self._ready: list[Fiber] = []
        # (when, number, what to call, or who waits and for the how manyth
        # time)
        self._timers: list[tuple[float, int, Any, int]] = []
        self._looks = 0
        self._inside: Home | None = None  # whose things the modules hold

    @property
    def digest(self) -> str:
        """Return the hash of the trace: of equal runs it is equal."""
        return hashlib.sha256(repr(self._hashed).encode()).hexdigest()

    def note(self, what: str, **facts: Any) -> dict[str, Any]:
        """Write what has happened into the trace; return the entry."""
        entry = {"at": round(self.now, 6), "what": what, **facts}
        self._hashed.append(entry)
        self.trace.append(entry)
        return entry

    def aside(self, what: str, **facts: Any) -> None:
        """Write into the trace what is no part of the run: not hashed."""
        self.trace.append({"at": round(self.now, 6), "what": what, **facts})

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Have a function called by the scheduler, at that time."""
        heappush(self._timers, (when, next(self.numbers), call, CALL))

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have a function called by the scheduler, after so long."""
        self.at(self.now + seconds, call)

    def start(self, fiber: Fiber) -> None:
        """Let a fiber run as one of those that are ready."""
        self._ready.append(fiber)

    def wait(self, *places: Gathering, until: float | None = None) -> None:
        """Let others run. Runs in: a fiber.

        Blocks: until one of the places is woken, that time is there, or a
        signal has come; who waits looks which.
        """
        fiber = self.current
        if fiber is None or fiber.process.ended:
            raise Killed
        self._looks = 0
        fiber.waits += 1
        fiber.asleep = True
        for place in places:
            place.append(fiber)
        if until is not None:
            number = next(self.numbers)
            heappush(self._timers, (until, number, fiber, fiber.waits))
        self.scheduler.switch()
        for place in places:
            place.remove(fiber)
        if fiber.process.ended:
            raise Killed
        if fiber.process.signals and fiber is fiber.process.main:
            fiber.process.handle_signals()

    def pause(self) -> None:
        """Let others run who are ready, if any, and perhaps some time pass."""
        self.wait(until=self.now + A_CALL_S)

    def look(self) -> float:
        """Return the time to a process.

        Raises:
            Hang: it looks again and again, and never waits.
        """
        fiber = self.current
        if fiber is not None and fiber.process.ended:
            raise Killed
        self._looks += 1
        if self._looks > MAX_LOOKS:
            self._looks = 0
            raise Hang("somebody looks at the clock and never waits")
        return self.now

    def wake(self, place: Gathering) -> None:
        """Let all go on that wait there."""
        for fiber in place:
            if fiber.asleep:
                fiber.asleep = False
                self._ready.append(fiber)

    def rouse(self, fiber: Fiber) -> None:
        """Let a fiber look again for what it waits for."""
        if fiber.asleep:
            fiber.asleep = False
            self._ready.append(fiber)

    def run(self, until: Callable[[], bool]) -> None:
        """Run all fibers, and the clock. Blocks: until `until()` is true.

        Raises:
            Hang: it never will be.
        """
        for _ in range(MAX_STEPS):
            if until():
                return
            if self._ready or self._somebody_is_due():
                self._step()
        raise Hang("somebody looks for news again and again")

    def finish(self) -> None:
        """Let those that are ready run, and nobody else. No time passes."""
        while self._ready:
            self._step()

    def crash(self, fiber: Fiber, error: Exception) -> None:
        """Note what a thread has raised, unless it should not have run.

        What has caught `Killed` goes on for a while in a process that ended.
        """
        if fiber.process.ended:
            return
        text = "".join(traceback.format_exception(error))
        where = f"{fiber.process.name}, {fiber.name}"
        self.note("crash", where=where, error=repr(error))
        self.crashes.append(f"{where}:\n{text}")

    def _somebody_is_due(self) -> bool:
        """Go to the next moment; return whether somebody goes on then.

        Or else a call is made that was due.
        """
        timers = self._timers
        while timers:
            when, _, what, wait = heappop(timers)
            if when > self.limit_s:
                raise Hang(f"it goes on after {self.limit_s:g} s")
            if when > self.now:
                self.now = when
            if wait == CALL:
                what()
                return False
            if what.waits == wait and what.asleep:  # else: another wait
                what.asleep = False
                self._ready.append(what)
                return True
        raise Hang("everybody waits, and nothing is under way")

    def _step(self) -> None:
        ready = self._ready
        fiber = ready.pop(int(self.random.random() * len(ready)))
        process = fiber.process
        if process.paused is not None and not process.ended:
            process.paused.append(fiber)
            return
        if process is not self._inside:
            if self._inside is not None:
                self._inside.held.leave()
            self._inside = process
            process.held.enter()
        self.current = fiber
        if fiber.loop is not None:
            _run_loop(*fiber.loop)
        try:
            fiber.greenlet.switch()
        finally:
            self.current = fiber.loop = None
            loop = asyncio._get_running_loop()
            if loop is not None:
                fiber.loop = (loop, sys.get_asyncgen_hooks())
                _run_loop(None, (None, None))
        if self.after_step is not None and not process.ended:
            self.after_step(process)


def _run_loop(loop: Any, hooks: Any) -> None:
    """Let a loop of asyncio be the one that runs in this thread."""
    asyncio._set_running_loop(loop)
    sys.set_asyncgen_hooks(*hooks)
