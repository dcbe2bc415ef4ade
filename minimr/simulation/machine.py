"""What `minimr.system.machine` asks for, on the simulated machine.

Every function here stands for the one of that name there, which says what
it does. What is not here stays the operating system's: files by their
names, and the memory of the process.
"""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from minimr.net.channel import Address
from minimr.simulation import threads
from minimr.simulation.network import Network, Pair
from minimr.simulation.processes import (
    FORK_S,
    START_S,
    Child,
    Ended,
    Process,
    Processes,
)
from minimr.simulation.sockets import Selector, Socket
from minimr.simulation.world import Killed, World
from minimr.system.machine import Forked

EPOCH_S = 1_700_000_000.0  # the time of the wall when a run begins
KEEPER = "minimr.system.keeper"
WITH_PARENT = "--with-parent"


class Machine:
    """The seam, for whichever simulated process runs at the moment."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.network = Network(world)
        self.processes = Processes(self.network)
        self.monotonic = world.look
        self.lock = partial(threads.Lock, world)
        self.recursive_lock = partial(threads.RecursiveLock, world)
        self.condition = partial(threads.Condition, world)
        self.event = partial(threads.Event, world)
        self.queue = partial(threads.Queue, world)
        self.local = partial(threads.Local, world)
        self.thread = partial(threads.Thread, world)

    # The clock and chance

    def time(self) -> float:
        """Return the time of the wall."""
        return EPOCH_S + self.world.look()

    def sleep(self, seconds: float) -> None:
        """Block for so long."""
        until = self.world.now + seconds
        while self.world.now < until:
            self.world.wait(until=until)

    def random_bytes(self, number: int) -> bytes:
        """Return bytes drawn from the seed."""
        if self._me().ended:
            raise Killed
        return self.world.random.randbytes(number)

    # This process

    def pid(self) -> int:
        """Return the number of this process."""
        fiber = self.world.current
        return 0 if fiber is None else fiber.process.pid

    def parent(self) -> int:
        """Return that of its parent."""
        parent = self._me().parent
        return 1 if parent is None else parent.pid

    def leave(self, code: int) -> None:
        """End this process."""
        self.processes.end(self._me(), code)
        raise Killed

    def name(self) -> str:
        """Return the name of this machine."""
        return f"the simulated machine {self._me().host}"

    def peak_rss_bytes(self) -> int:
        """Return nothing: memory is not simulated."""
        return 0

    def this_thread(self) -> int:
        """Return the number of this thread."""
        fiber = self.world.current
        return 0 if fiber is None else fiber.number

    def in_main_thread(self) -> bool:
        """Return whether this one gets signals."""
        return self.world.current is self._me().main

    def on_signal(self, signum: int, handler: Any) -> Any:
        """Set a handler; return the one before."""
        handlers = self._me().handlers
        before = handlers.pop(signum, signal.SIG_DFL)
        if callable(handler):
            handlers[signum] = handler
        elif handler is signal.SIG_IGN:
            handlers[signum] = lambda *_: None
        return before

    def knock(self, signum: int) -> None:
        """Send a signal to this process."""
        self._me().signal(signum)

    # Other processes

    def start(
        self,
        program: Sequence[str],
        variables: dict[str, str] | None = None,
        output: Any = None,
        errors: Any = None,
        descriptors: Sequence[int] = (),
    ) -> Child:
        """Run `main` of a module as a process."""
        me = self._me()
        program = list(program)
        kept = program[0] == KEEPER
        if kept:
            del program[0]
        with_parent = kept and program[0] == WITH_PARENT
        if with_parent:
            del program[0]
        module = importlib.import_module(program[0])
        name = program[0].rpartition(".")[2]
        main = partial(module.main, *program[1:])
        process = self.processes.make(name, main, me.host, me, START_S)
        process.kept, process.with_parent = kept, with_parent
        for number in descriptors:
            process.inherit(number, me.files[number])
        return Child(process)

    def fork(self, main: Callable[[], None]) -> Forked:
        """Run `main` as a process; it shares the memory, and must not."""
        me = self._me()
        name = f"fork of {me.name}"
        process = self.processes.make(name, main, me.host, me, FORK_S)
        process.with_parent = True
        ended, *prints = (me.open(Ended(process)) for _ in range(3))
        return Forked(process.pid, ended, (prints[0], prints[1]))

    def watch(self, process: int) -> int:
        """Open a file that tells its end."""
        return self._me().open(Ended(self._process(process)))

    def kill(self, process: int, signum: int) -> None:
        """Send a signal."""
        found = self._process(process)
        found.signal(signum)
        if self._me().ended:
            raise Killed

    def exit_code(self, child: int) -> int:
        """Return how a child has ended."""
        return Child(self._process(child)).wait()

    def reap(self, child: int) -> None:
        """Do nothing: there are no zombies."""

    def children(self, process: int) -> Iterator[int]:
        """List those that it has started."""
        for other in list(self.processes.running.values()):
            if other.parent is not None and other.parent.pid == process:
                yield other.pid

    def adopt_orphans(self) -> None:
        """Do nothing: orphans have no parent."""

    # Files that can be waited for

    def socket(
        self,
        family: int = -1,
        type: int = -1,
        proto: int = -1,
        fileno: int | None = None,
    ) -> Socket:
        """Make a socket."""
        me = self._me()
        if fileno is not None:
            return Socket(self.network, me, me.files[fileno], fileno)
        return Socket(self.network, me, kind=type)

    def socketpair(self) -> tuple[Socket, Socket]:
        """Make two that are connected."""
        one, other = Pair(self.world), Pair(self.world)
        one.twin, other.twin = other, one
        me = self._me()
        return Socket(self.network, me, one), Socket(self.network, me, other)

    def connect(
        self, address: Address, timeout: float | None = None
    ) -> Socket:
        """Dial."""
        sock = Socket(self.network, self._me())
        try:
            sock.settimeout(timeout)
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock

    def listen(self, address: Address, backlog: int = 0) -> Socket:
        """Listen."""
        me = self._me()
        return Socket(self.network, me, self.network.listen(me, address))

    def selector(self) -> Selector:
        """Make a selector."""
        return Selector(self.network, self._me())

    def _me(self) -> Process:
        fiber = self.world.current
        if fiber is None:
            raise Killed  # a finaliser of an earlier run
        return self.processes.known[fiber.process.pid]

    def _process(self, pid: int) -> Process:
        process = self.processes.known.get(pid)
        if process is None:
            raise ProcessLookupError(f"no simulated process {pid}")
        return process
