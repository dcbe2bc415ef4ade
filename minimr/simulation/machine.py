"""What `minimr.system.machine` asks for, on the simulated machine.

Every function here stands for the one of that name there, which says what
it does. What is not here stays the operating system's: files by their
names, and the memory of the process.
"""

from __future__ import annotations

import errno
import importlib
import io
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from minimr.net.channel import Address
from minimr.simulation import threads
from minimr.simulation.files import Memory, Output, pipe
from minimr.simulation.held import Said
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
CPUS = 4
MEMORY_BYTES = 10**8
DISK_BYTES = 10**9  # of each machine, for what is spilled
REAL_PWRITE = os.pwrite


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
        self.pool = partial(threads.Pool, world)
        self.future = partial(threads.Future, world)
        self.number_of_cpus = CPUS
        self.on_disk: dict[str, int] = {}  # {host: bytes}
        self.full: set[str] = set()  # machines whose disk is

    # The clock and chance

    def time(self) -> float:
        """Return the time of the wall."""
        return EPOCH_S + self.world.look()

    def time_ns(self) -> int:
        """Return the time of the wall, in nanoseconds."""
        return int(self.time() * 1e9)

    def monotonic_ns(self) -> int:
        """Return the virtual time, in nanoseconds."""
        return int(self.world.look() * 1e9)

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

    def alarm(self, seconds: float) -> None:
        """Send SIGALRM to this process, after so long."""
        me = self._me()
        self.world.later(seconds, lambda: me.signal(signal.SIGALRM))

    def at_exit(self, call: Callable[[], Any]) -> Callable[[], Any]:
        """Have a function called when this process ends by itself."""
        self._me().exits.append(call)
        return call

    def not_at_exit(self, call: Callable[[], Any]) -> None:
        """Have it called no more."""
        exits = self._me().exits
        exits[:] = [other for other in exits if other != call]

    def wind_up(self) -> None:
        """Wait for threads, and call what is to be called at the end."""
        self._me().wind_up()

    def write_files(self) -> None:
        """Write what the standard streams have in their buffers."""
        sys.stdout.flush()
        sys.stderr.flush()

    def freeze(self) -> None:
        """Do nothing: there is no fork to share with."""

    def cpus(self) -> int:
        """Return how many there are."""
        return self.number_of_cpus

    def memory_bytes(self) -> int:
        """Return how much there is."""
        return MEMORY_BYTES

    def allow_files(self) -> None:
        """Do nothing: there is no limit."""

    def stat_of(self, process: int | str = "self") -> list[str]:
        """Return zeros: a command line that cannot be written to."""
        return ["0"] * 50

    def used_by(self, process: int) -> tuple[float, int]:
        """Fail: virtual time passes without any work."""
        raise OSError("the work of a simulated process is not measured")

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
        process = self.processes.make(
            name, main, me.host, me, START_S, variables or {}
        )
        process.kept, process.with_parent = kept, with_parent
        for number in descriptors:
            process.inherit(number, me.files[number])
        if output != subprocess.PIPE:
            return Child(process)
        read, write = pipe(self.world)
        process.inherit(1, write)
        process.held.set_output(self._text(write))
        return Child(process, read)

    def fork(self, main: Callable[[], None]) -> Forked:
        """Run `main` as a process; it shares the memory, and must not."""
        me = self._me()
        name = f"fork of {me.name}"
        process = self.processes.make(name, main, me.host, me, FORK_S)
        process.with_parent = True
        prints = []
        for number in (1, 2):
            read, write = pipe(self.world)
            process.inherit(number, write)
            prints.append(me.open(read))
        ended = me.open(Ended(process))
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

    # Pipes and memory

    def output(self, descriptor: int) -> io.BufferedWriter:
        """Return a file that writes to a pipe."""
        file = self._me().files[descriptor]
        assert isinstance(file, Pair)
        return io.BufferedWriter(Output(self.world, file))

    def end_output(self) -> None:
        """Close standard output."""
        me = self._me()
        sys.stdout = Said(me.said)
        me.close(1)

    def close(self, descriptor: int) -> None:
        """Close a descriptor."""
        self._me().close(descriptor)

    def read_pipe(self, descriptor: int, size: int) -> bytes:
        """Return what is there."""
        file = self._me().files[descriptor]
        assert isinstance(file, Pair)
        if not file.readable():
            raise BlockingIOError(errno.EAGAIN, "nothing new")
        return file.take(size)

    def in_pipe(self, descriptor: int) -> int:
        """Return how much is there."""
        file = self._me().files[descriptor]
        assert isinstance(file, Pair)
        return len(file.inbox)

    def memory_file(self, size: int, directory: str | None = None) -> int:
        """Make memory with a descriptor."""
        return self._me().open(Memory(self.world, size))

    def disk_file(self, size: int, directory: str | None = None) -> int:
        """Make a file on the disk of this machine, if it has room."""
        self._need_room(size)
        return self._me().open(Memory(self.world, size))

    def pwrite(self, descriptor: int, data: Any, offset: int) -> int:
        """Write into a real file, if this machine's disk has room."""
        if self.world.current is not None:
            self._need_room()
        return REAL_PWRITE(descriptor, data, offset)

    def fsync(self, descriptor: int) -> None:
        """Write to the disk what is in a real file: find out if it can be."""
        if self.world.current is not None:
            self._need_room()

    def _need_room(self, size: int = 0) -> None:
        host = self._me().host
        used = self.on_disk.get(host, 0) + size
        if host in self.full or used > DISK_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.on_disk[host] = used

    def read_at(self, descriptor: int, size: int, offset: int) -> bytes:
        """Return a part of a file."""
        return bytes(self._memory(descriptor).view[offset : offset + size])

    def write_at(self, descriptor: int, data: Any, offset: int) -> None:
        """Write a part of a file."""
        part = memoryview(data).cast("B")
        view = self._memory(descriptor).view
        view[offset : offset + len(part)] = part

    def read_into(self, descriptor: int, view: memoryview) -> None:
        """Fill memory from the beginning of a file."""
        view[:] = self._memory(descriptor).view[: len(view)]

    def map_memory(self, descriptor: int, size: int) -> mmap.mmap:
        """Map memory; -1: new."""
        if descriptor < 0:
            return mmap.mmap(-1, size)
        return self._memory(descriptor).data

    def map_memory_of(
        self, process: int, descriptor: int, size: int
    ) -> mmap.mmap:
        """Map memory of another process."""
        file = self._process(process).files.get(descriptor)
        if file is None:
            raise FileNotFoundError(errno.ENOENT, "the process has ended")
        assert isinstance(file, Memory)
        return file.data

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

    def _memory(self, descriptor: int) -> Memory:
        file = self._me().files[descriptor]
        assert isinstance(file, Memory)
        return file

    def _text(self, file: Pair) -> io.TextIOWrapper:
        writer = io.BufferedWriter(Output(self.world, file))
        return io.TextIOWrapper(writer, "utf-8", write_through=True)

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
