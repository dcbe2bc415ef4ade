"""Runs of one program: a seed each, a verdict each.

    play(program, seed, faults) ──> Outcome: exact, error or FINDING
    simulate(program, seeds, faults) ── each is judged by the undisturbed run
    shrink(...) ──> the fewest strikes that still make that finding

Rules:

1. A run is exact, or ends with an error that the program may have when
   something goes wrong. All else is a finding: another result, another
   error, a thread that raised, a hang, and whatever is left when the driver
   has ended.
2. A finding is its seed: the same seed is the same run.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from minimr.net.token import VARIABLE
from minimr.simulation.branch import Branch, BranchError, Turn
from minimr.simulation.faults import Faults, Strike
from minimr.simulation.held import Held
from minimr.simulation.loop import Policy
from minimr.simulation.machine import Machine
from minimr.simulation.parts import Parts
from minimr.simulation.program import DRIVER, Program
from minimr.simulation.story import Reader
from minimr.simulation.world import Hang, World
from minimr.system import logs, machine

LIMIT_S = 2000.0  # of virtual time; a task may take 600
LEAVE_S = 60.0  # for all others to end when the driver has

EXACT, ERROR, FINDING = "exact", "error", "finding"
QUIET = Faults()


@dataclass
class Outcome:
    """What has become of one run.

    Attributes:
        verdict: exact, error or finding.
        why: of an error or a finding.
        digest: of its trace.
        seconds: of virtual time.
        strikes: what has gone wrong on purpose.
    """

    seed: int
    verdict: str = EXACT
    why: str = ""
    result: Any = None
    digest: str = ""
    seconds: float = 0.0
    trace: list[dict[str, Any]] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)


@dataclass
class Summary:
    """What has become of many runs."""

    runs: int = 0
    exact: int = 0
    errors: int = 0
    strikes: int = 0
    virtual_s: float = 0.0
    wall_s: float = 0.0
    findings: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count a run."""
        self.runs += 1
        self.exact += outcome.verdict == EXACT
        self.errors += outcome.verdict == ERROR
        self.strikes += len(outcome.strikes)
        self.virtual_s += outcome.seconds
        if outcome.verdict == FINDING:
            self.findings.append(outcome)


def simulate(
    program: Program,
    seeds: Iterable[int],
    faults: Faults = QUIET,
    report: Callable[[Outcome], object] = lambda outcome: None,
) -> Summary:
    """Run a program once for each seed, and judge every run.

    Blocks: until all are done. `report` is told of each.
    """
    summary = Summary()
    begin = time.perf_counter()
    with prepared():
        expected = undisturbed(program)
        gc.collect()
        gc.freeze()  # what it has imported is not looked through again
        for seed in seeds:
            outcome = judged(play(program, seed, faults), expected)
            summary.add(outcome)
            report(outcome)
            gc.collect()
    summary.wall_s = time.perf_counter() - begin
    return summary


class Unfit(RuntimeError):  # noqa: N818  what it is more than an error
    """A program fails even where nothing goes wrong."""


def undisturbed(program: Program) -> Any:
    """Return the result of a run in which nothing goes wrong.

    Raises:
        Unfit: even that is a finding.
    """
    outcome = play(program, 0, QUIET)
    if outcome.verdict != EXACT:
        raise Unfit(
            f"{program.name} fails where nothing goes wrong: {outcome.why}"
        )
    return outcome.result


def judged(outcome: Outcome, expected: Any) -> Outcome:
    """Compare a run that has ended well with the undisturbed one."""
    if outcome.verdict == EXACT and outcome.result != expected:
        outcome.verdict = FINDING
        outcome.why = (
            f"a wrong result: {outcome.result!r:.300}, not {expected!r:.300}"
        )
    return outcome


def shrink(
    program: Program, finding: Outcome, faults: Faults, expected: Any
) -> Outcome:
    """Leave out strikes, one by one, as long as the seed is a finding."""
    left_out: set[int] = set()
    best, smaller = finding, True
    while smaller:
        smaller = False
        for strike in reversed(best.strikes):
            fewer = left_out | {strike.number}
            attempt = play(program, finding.seed, faults, fewer)
            if judged(attempt, expected).verdict == FINDING:
                left_out, best, smaller = fewer, attempt, True
    return best


def play(
    program: Program,
    seed: int,
    faults: Faults = QUIET,
    without: Iterable[int] = (),
    read: bool = False,
    branch: Branch | None = None,
) -> Outcome:
    """Run a program from a seed.

    Args:
        without: numbers of strikes that are left out.
        read: let the trace name the messages, not only count their bytes.
        branch: of the trace that is read: what is changed in it.

    Raises:
        BranchError: the branch cannot be.
    """
    world = World(seed, LIMIT_S)
    simulated = Machine(world)
    if read:
        simulated.network.tap = Reader()
    left_out = set(without)
    outcome = Outcome(seed)
    ends: list[Any] = []
    raised: list[Exception] = []

    def strike() -> None:
        since = world.now + program.ready_s
        for each in faults.strikes(seed, since):
            if each.number not in left_out:
                outcome.strikes.append(each)
                each.schedule(simulated, driver)

    def drive() -> None:
        try:
            if program.cluster is not None:
                program.cluster.start(simulated)
            strike()
            ends.append(program.main(simulated))
        except Exception as error:  # noqa: BLE001  it is judged
            raised.append(error.with_traceback(None))
        try:
            if program.cluster is not None:
                program.cluster.stop(simulated, bool(raised))
        except Exception as error:  # noqa: BLE001  as above
            raised.append(error)

    looked_at = Parts(simulated, read).looked_at()
    with looked_at, told(world, read), installed(simulated):
        driver = simulated.processes.make("driver", drive, DRIVER)
        turn = None if branch is None else Turn(branch, simulated, driver)

        def over() -> bool:
            if turn is not None:
                turn.look()
            return driver.ended or bool(world.crashes)

        try:
            world.run(over)
            world.limit_s = world.now + LEAVE_S
            running = simulated.processes.running
            world.run(lambda: not running or bool(world.crashes))
        except Hang as hang:
            outcome.verdict, outcome.why = FINDING, _hang(simulated, hang)
        finally:
            _unwind(simulated)
    if turn is not None and not turn.done:
        raise BranchError(turn.why())
    outcome.seconds, outcome.digest = world.now, world.digest
    outcome.trace = world.trace
    if world.crashes:
        outcome.verdict, outcome.why = FINDING, world.crashes[0]
    elif outcome.verdict == FINDING:
        return outcome
    elif raised:
        documented = all(_is_documented(program, each) for each in raised)
        disturbed = bool(outcome.strikes or turn) or program.disturbed
        fair = documented and disturbed
        outcome.verdict = ERROR if fair else FINDING
        error = raised[-1]
        outcome.why = f"{type(error).__name__}: {error}"
    else:
        outcome.result = ends[0]
    return outcome


def _is_documented(program: Program, error: Exception) -> bool:
    says = any(re.search(text, str(error)) for text in program.texts)
    return isinstance(error, program.errors) and says


def _hang(simulated: Machine, hang: Hang) -> str:
    left = sorted(p.name for p in simulated.processes.running.values())
    return f"{hang}; still there: {', '.join(left)}"


def _unwind(simulated: Machine) -> None:
    """End all that is left, so that its files are closed."""
    for process in list(simulated.processes.running.values()):
        simulated.processes.end(process, -9)
    simulated.world.finish()


@contextlib.contextmanager
def installed(simulated: Machine) -> Iterator[None]:
    """Let a simulated machine answer, also for `time` and full disks."""
    before, held = machine.install(simulated), Held.now()
    policy = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(Policy(simulated.world))
    places = [(time, *both) for both in CLOCKS.items()]
    places += [(os, name, name) for name in ("pwrite", "fsync")]
    real = [
        (module, name, getattr(module, name)) for module, name, _ in places
    ]
    sys.unraisablehook = partial(_unraisable, simulated.world)
    for module, name, ours in places:
        setattr(module, name, getattr(simulated, ours))
    try:
        yield
    finally:
        for module, name, function in real:
            setattr(module, name, function)
        machine.install(before)
        held.enter()
        sys.unraisablehook = _drop
        asyncio.set_event_loop_policy(policy)


class Log(logging.Handler):
    """Puts into the trace what processes log; an error is a crash.

    Runs in: whichever fiber logs. What a dead process logs is dropped.
    """

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        world, fiber = self._world, self._world.current
        if fiber is None or fiber.process.ended:
            return
        who, text = fiber.process.name, record.getMessage()
        if record.levelno < logging.WARNING:  # only where somebody reads
            world.aside("log", **{who: text})
            return
        world.note("log", process=who, text=text)
        if record.levelno >= logging.ERROR:
            world.crashes.append(f"{who}: {self.format(record)}")


@contextlib.contextmanager
def told(world: World, all_: bool) -> Iterator[None]:
    """Let a world hear what its processes log: all, or warnings."""
    log = logging.getLogger("minimr")
    log.handlers, log.propagate = [Log(world)], False
    log.setLevel(logging.DEBUG if all_ else logging.WARNING)
    before, logs.handler_of = logs.handler_of, partial(Log, world)
    named = os.environ.get(logs.VARIABLE)
    os.environ[logs.VARIABLE] = "debug" if all_ else "warning"
    try:
        yield
    finally:
        logs.handler_of = before
        del os.environ[logs.VARIABLE]
        if named is not None:
            os.environ[logs.VARIABLE] = named


# {what user code calls: what answers}
CLOCKS = {
    "time": "time",
    "sleep": "sleep",
    "monotonic": "monotonic",
    "perf_counter": "monotonic",
    "process_time": "monotonic",
    "time_ns": "time_ns",
    "monotonic_ns": "monotonic_ns",
    "perf_counter_ns": "monotonic_ns",
}


@contextlib.contextmanager
def prepared() -> Iterator[None]:
    """Keep this process as it is, whatever the simulated ones set in it.

    The token is one of our own: one that was drawn from a seed must not
    become the user's.
    """
    log = logging.getLogger("minimr")
    kept = log.level, log.handlers, log.propagate
    switch, threshold = sys.getswitchinterval(), gc.get_threshold()
    named = os.environ.get(VARIABLE)
    path = list(sys.path)
    hook, sys.unraisablehook = sys.unraisablehook, _drop
    gc.collect()
    gc.freeze()
    gc.disable()
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.touch(0o600)
        token.write_text("00" * 32)
        os.environ[VARIABLE] = str(token)
        try:
            yield
        finally:
            gc.collect()
            gc.enable()
            gc.unfreeze()
            gc.set_threshold(*threshold)
            sys.unraisablehook = hook
            sys.setswitchinterval(switch)
            sys.path[:] = path
            log.level, log.handlers, log.propagate = kept
            os.environ.pop(VARIABLE)
            if named is not None:
                os.environ[VARIABLE] = named


def _unraisable(world: World, raised: Any) -> None:
    """Take what a finaliser has raised: in a process that lives, a crash."""
    fiber, error = world.current, raised.exc_value
    if fiber is not None and isinstance(error, Exception):
        world.crash(fiber, error)


def _drop(raised: Any) -> None:
    """Take what the garbage of earlier runs has raised."""
