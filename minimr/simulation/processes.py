"""Simulated processes: their threads, files, signals and ends.

    start ── after a while ──> main, in a fiber ── returns ──> its end
                                 └─ kill, leave ─────────────────┘
    end: files are closed, threads unwound, children are orphans or end too,
         and whoever waits for it is told

Rules:

1. Processes share nothing but what is sent, though all are in one memory:
   what is kept in a module belongs to all, so nothing may be.
2. A process that has ended does nothing more: its code is unwound, and
   every call that would touch something fails.
3. A handler of a signal runs in the main thread, when that waits.
"""

from __future__ import annotations

import io
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from minimr.simulation.files import Input
from minimr.simulation.held import Held, Said
from minimr.simulation.network import File, Network, Pair
from minimr.simulation.world import Fiber, Gathering, Killed

START_S = (0.02, 0.3)  # from `start` to the first line of its module
FORK_S = (0.001, 0.02)
DEATH_S = (0.0, 0.002)  # until a parent's end has ended its children

Handler = Callable[[int, Any], Any]


class Process:
    """A process of a simulated machine.

    Attributes:
        host: the machine.
        parent: None: whoever started it has ended.
        with_parent: its keeper ends it when its parent ends.
        kept: it has a keeper, which says 128 + N of a signal N.
        ended: whether it has.
        code: its exit code, when it has ended; -N: by signal N.
        end: who waits for that.
        watched: files that tell it.
        files: {descriptor: what it stands for}.
        fibers: its threads.
        waits_for: threads that it does not end before.
        signals: that have come, and whose handlers are still to be called.
        paused: its threads that could run, while it is stopped.
        doomed: it will be killed when it wants to say something.
        spared: nothing goes wrong with it on purpose.
        exits: what is called when it ends by itself.
        held: what belongs to it of what modules hold.
        parts: of which it is made, as `parts.py` has noticed them.
    """

    held: Held

    def __init__(
        self,
        machine: Processes,
        name: str,
        host: str,
        parent: Process | None,
    ) -> None:
        self.world = machine.world
        self.machine = machine
        self.pid = next(machine.numbers)
        self.name, self.host, self.parent = name, host, parent
        self.with_parent = self.kept = self.doomed = self.spared = False
        self.ended = False
        self.code: int | None = None
        self.end = Gathering()
        self.watched: list[Ended] = []
        self.files: dict[int, File] = {}
        self.fibers: list[Fiber] = []
        self.waits_for: list[Fiber] = []
        self.paused: list[Fiber] | None = None
        self.main: Fiber | None = None
        self.handlers: dict[int, Handler] = {}
        self.exits: list[Callable[[], Any]] = []
        self.signals: list[int] = []
        self.parts: list[Any] = []

    def speak(self) -> None:
        """Come to where something is sent: the last chance to kill it."""
        if self.doomed and not self.ended:
            self.machine.end(self, -signal.SIGKILL)
            raise Killed

    def begin(self, name: str, run: Callable[[], Any]) -> Fiber:
        """Start a thread."""
        fiber = Fiber(self.world, self, name, run)
        self.fibers.append(fiber)
        self.world.start(fiber)
        return fiber

    def run(self, main: Callable[[], Any]) -> None:
        """Start its main thread, whose end is that of the process."""
        if self.ended:
            return
        self.world.note("start", process=self.name, pid=self.pid)
        self.main = self.begin("main", lambda: self._main(main))

    def _main(self, main: Callable[[], Any]) -> None:
        code = 0
        try:
            main()
            self.wind_up()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else bool(end.code)
        except Exception as error:  # noqa: BLE001  the end of a process
            assert self.world.current is not None
            self.world.crash(self.world.current, error)
            code = 1
        self.machine.end(self, code)

    def wind_up(self) -> None:
        """Do what an interpreter does when it ends.

        Blocks: until the threads that are no daemons have ended.
        """
        for fiber in self.waits_for:
            while not fiber.ended:
                self.world.wait(fiber.end)
        while self.exits:
            self.exits.pop()()

    def said(self, text: str, what: str = "print") -> None:
        """Note a line that it has printed."""
        at = round(self.world.now, 6)
        self.world.trace.append({"at": at, "what": what, self.name: text})

    def open(self, file: File) -> int:
        """Return a new descriptor of a file."""
        if self.ended:
            raise Killed
        return self.inherit(next(self.machine.numbers), file)

    def inherit(self, number: int, file: File) -> int:
        """Let a descriptor stand for a file."""
        self.files[number] = file
        file.users += 1
        return number

    def replace(self, number: int, file: File) -> File:
        """Let a descriptor stand for another file."""
        before = self.files[number]
        before.users -= 1
        file.watchers.update(before.watchers)
        self.inherit(number, file)
        return file

    def close(self, number: int) -> None:
        """Close a descriptor; with the last one, its file."""
        file = self.files.pop(number, None)
        if file is None:
            return
        file.users -= 1
        if file.users == 0:
            file.shut()
        file.news()

    def signal(self, signum: int) -> None:
        """Send it a signal."""
        if self.ended or signum == 0:
            return
        if signum in self.handlers and signum != signal.SIGKILL:
            self.signals.append(signum)
            if self.main is not None:
                self.world.rouse(self.main)
        else:
            self.machine.end(self, -signum)

    def handle_signals(self) -> None:
        """Call the handlers. Runs in: its main thread."""
        while self.signals:
            signum = self.signals.pop(0)
            self.handlers[signum](signum, None)

    def stop(self) -> None:
        """Let none of its threads run, until `go_on`."""
        if self.paused is None:
            self.paused = []

    def go_on(self) -> None:
        """Let its threads run again."""
        fibers, self.paused = self.paused or [], None
        for fiber in fibers:
            self.world.start(fiber)


class Ended(File):
    """A pidfd: it can be read when a process has ended."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.world)
        self.process = process
        process.watched.append(self)

    def readable(self) -> bool:
        """Return whether it has ended."""
        return self.process.ended


class Child:
    """A process as its parent has it: `subprocess.Popen`."""

    def __init__(self, process: Process, output: Pair | None = None) -> None:
        self._process = process
        self.pid = process.pid
        self.stdout: Any = None
        if output is not None:
            self.stdout = io.BufferedReader(Input(process.world, output))

    @property
    def returncode(self) -> int | None:
        """Return the exit code; None: it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """Return the exit code; None: it runs."""
        code = self._process.code
        if code is not None and code < 0 and self._process.kept:
            return 128 - code
        return code

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Blocks: until it has ended."""
        world = self._process.world
        begin = world.now
        until = None if timeout is None else begin + timeout
        while (code := self.poll()) is None:
            if until is not None and world.now >= until:
                raise subprocess.TimeoutExpired(
                    self._process.name, until - begin
                )
            world.wait(self._process.end, until=until)
        return code

    def terminate(self) -> None:
        """Send SIGTERM; a keeper makes it SIGKILL."""
        kept = self._process.kept
        self._process.signal(signal.SIGKILL if kept else signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.signal(signal.SIGKILL)


class Processes:
    """All processes of all machines.

    Attributes:
        running: {process id: one that has not ended}.
        known: {process id: one that has run}.
        died: whether one has ended otherwise than by itself.
    """

    def __init__(self, network: Network) -> None:
        self.world = network.world
        self.network = network
        self.numbers = self.world.numbers
        self.running: dict[int, Process] = {}
        self.known: dict[int, Process] = {}
        self.died = False
        self._names: dict[str, int] = {}  # how many had it

    def make(
        self,
        name: str,
        main: Callable[[], Any],
        host: str,
        parent: Process | None = None,
        after: Sequence[float] = (0.0, 0.0),
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> Process:
        """Start a process, which runs `main` after a while."""
        number = self._names[name] = self._names.get(name, 0) + 1
        process = Process(self, f"{name} {number}", host, parent)
        out = Said(process.said)
        errors = Said(partial(process.said, what="error print"))
        process.held = Held.new(out, errors, variables)
        self.running[process.pid] = self.known[process.pid] = process
        wait = self.world.random.uniform(*after)
        self.world.later(wait, lambda: process.run(main))
        return process

    def end(self, process: Process, code: int) -> None:
        """End a process, now."""
        if process.ended:
            return
        process.code, process.ended = code, True
        self.died = self.died or code != 0
        self.world.note("end", process=process.name, code=code)
        del self.running[process.pid]
        process.go_on()
        for number in list(process.files):
            process.close(number)
        for fiber in process.fibers:
            self.world.rouse(fiber)
        self.world.wake(process.end)
        for file in process.watched:
            file.news()
        for child in list(self.running.values()):
            if child.parent is process:
                self._orphan(child)

    def _orphan(self, child: Process) -> None:
        child.parent = None
        if child.with_parent:
            wait = self.world.random.uniform(*DEATH_S)
            self.world.later(wait, lambda: self.end(child, -signal.SIGKILL))
