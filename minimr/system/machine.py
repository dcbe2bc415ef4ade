"""All that a process asks of its machine.

    net, sockets, core, shared ── machine.monotonic(), machine.fork(...) ──┐
                                                                           ▼
        the operating system: this file ─── or what `install` was given ───┘

Rules:

1. `net`, `sockets`, `core` and `shared` get the time, random bytes,
   processes, shared memory, sockets, signals and threads from here only. So
   a simulation is one more implementation of this module, without patches.
2. Everything here is called through the module, `machine.time()`: a name
   that was imported from it would stay the operating system's.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import gc
import io
import mmap
import os
import queue as _queue
import resource
import select as _select
import signal
import socket as _socket
import struct
import subprocess
import sys
import termios
import threading
import time as _time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NamedTuple

from minimr.system import limits
from minimr.system.spin import SpinningSelector

ROOT = str(Path(__file__).parents[2])
BOOT = Path("/proc/sys/kernel/random/boot_id")
NETWORK = "/proc/thread-self/ns/net"
TICKS, PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)

# The clock, in seconds. `monotonic` never goes back, `time` is wall-clock.
monotonic = _time.monotonic
time = _time.time
sleep = _time.sleep

# Randomness: this many random bytes.
random_bytes = os.urandom

# This process: its id, its parent's, and `os._exit`.
pid = os.getpid
parent = os.getppid
leave = os._exit

# What is called when an interpreter ends.
at_exit = atexit.register
not_at_exit = atexit.unregister

# What this machine lets us use.
cpus = limits.cpus
memory_bytes = limits.memory_bytes

# Files that the event loop waits for. `close` is of a descriptor.
selector = SpinningSelector
select = _select.select
socket = _socket.socket
socketpair = _socket.socketpair
connect = _socket.create_connection
listen = _socket.create_server
close = os.close

# Threads, and what they synchronise with.
thread = threading.Thread
this_thread = threading.get_ident
lock = threading.Lock
recursive_lock = threading.RLock
condition = threading.Condition
event = threading.Event
queue = _queue.SimpleQueue
local = threading.local

# Signals: in the main thread. `alarm(seconds)` sends SIGALRM.
on_signal = signal.signal
kill = os.kill


def pool(number: int, name: str) -> Any:
    """Return a `ThreadPoolExecutor` of so many threads of that name."""
    from concurrent.futures import ThreadPoolExecutor  # few need one

    return ThreadPoolExecutor(number, name)


def future() -> Any:
    """Return a `concurrent.futures.Future`."""
    from concurrent.futures import Future  # as above

    return Future()


def name() -> str:
    """Return a name of this kernel and network that no other has.

    Empty where the system does not say: an empty name equals no other.
    """
    try:
        return f"{BOOT.read_text().strip()} {os.stat(NETWORK).st_ino}"
    except OSError:
        return ""


def knock(signum: int) -> None:
    """Send a signal to the main thread of this process."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signum)


def in_main_thread() -> bool:
    """Return whether this is the thread that gets signals."""
    return threading.current_thread() is threading.main_thread()


def alarm(seconds: float) -> None:
    """Send SIGALRM to this process after this time."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


class Forked(NamedTuple):
    """A process that was forked from this one.

    Attributes:
        pid: its id.
        ended: a file that is readable once it has ended; the caller closes it.
        prints: two files with its standard output and standard error.
    """

    pid: int
    ended: int
    prints: tuple[int, int]


def fork(main: Callable[[], None]) -> Forked:
    """Start a copy of this process that runs `main` and ends with this one.

    In it only the standard files are open, and it adopts the orphans among
    its descendants. An exception that leaves `main` is printed there.

    Raises:
        OSError: no descriptors, processes or memory are left.
    """
    parent = os.getpid()
    files: list[int] = []
    try:
        for _ in range(2):
            files += os.pipe()
        files.append(os.open(os.devnull, os.O_RDONLY))
        child = os.fork()
    except OSError:
        for file in files:
            os.close(file)
        raise
    if child == 0:
        _be_forked(main, files, parent)
    os.close(files.pop())  # so that there is room for this one:
    ended = os.pidfd_open(child)
    out, out_write, error, error_write = files
    os.close(out_write)
    os.close(error_write)
    for file in (out, error):
        os.set_blocking(file, False)
    return Forked(child, ended, (out, error))


def _be_forked(
    main: Callable[[], None], files: list[int], parent: int
) -> None:
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        adopt_orphans()
        os.dup2(files[1], 1)
        os.dup2(files[3], 2)
        os.close(files[-1])  # the next line needs one
        os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
        main()
    except SystemExit as end:  # of a fork of the child
        os._exit(end.code if isinstance(end.code, int) else bool(end.code))
    except BaseException:  # noqa: BLE001  # the end of a process
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def start(
    program: Sequence[str],
    variables: dict[str, str] | None = None,
    output: int | IO[bytes] | None = None,
    errors: int | IO[bytes] | None = None,
    descriptors: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a module of this project as a process, in a session of its own.

    Args:
        program: the module and its arguments.
        variables: added to its environment.
        output: where its standard output goes; None: where ours does.
        errors: the same for its standard error.
        descriptors: files that it inherits.
    """
    known = os.environ.get("PYTHONPATH")
    path = f"{ROOT}{os.pathsep}{known}" if known else ROOT
    return _Child(
        [sys.executable, "-m", *program],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        env={**os.environ, **(variables or {}), "PYTHONPATH": path},
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl-C goes to our session alone
    )


class _Child(subprocess.Popen[bytes]):
    """A child whose end is waited for, and not looked for again and again."""

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Blocks: until it has ended, or time is up."""
        if timeout is None or self.poll() is not None:
            return super().wait()
        end = os.pidfd_open(self.pid)
        try:
            poll = _select.poll()
            poll.register(end, _select.POLLIN)
            poll.poll(timeout * 1000)
        finally:
            os.close(end)
        return super().wait(0)


def watch(process: int) -> int:
    """Return a file that is readable once a process has ended (a pidfd)."""
    return os.pidfd_open(process)


def exit_code(child: int) -> int:
    """Return the exit code of a child; -N: signal N has ended it.

    Blocks: until it has ended.
    """
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def reap(child: int) -> None:
    """Reap a child if it has ended. Blocks: no."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, os.WNOHANG)


def children(process: int) -> Iterator[int]:
    """Yield the children of a process, of all its threads."""
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # it has just ended
            yield from map(int, file.read_text().split())


def wind_up() -> None:
    """Do what an interpreter does when it ends: threads, exit handlers.

    Blocks: until the threads that are no daemons have ended.
    """
    shut: Any = threading._shutdown  # type: ignore[attr-defined]
    shut()  # as `multiprocessing` does in its forks
    atexit._run_exitfuncs()


def write_files() -> None:
    """Write what files have in their buffers, whoever may have them open."""
    gc.collect()
    files = [thing for thing in gc.get_objects() if type(thing) in _FILES]
    for file in [*files, sys.stdout, sys.stderr]:
        with contextlib.suppress(OSError, ValueError):  # full, closed, ...
            file.flush()


def allow_files() -> None:
    """Let this process open as many files as the system lets it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def freeze() -> None:
    """Let forks share what there is: their collector never looks at it."""
    gc.freeze()


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def how_ended(code: int) -> str:
    """Describe how a process ended, by its exit code.

    A code above 128 is how a keeper or a shell reports a signal.
    """
    number = -code if code < 0 else code - 128
    if number not in set(signal.Signals):
        return f"exit code {code}"
    hint = " (out of memory?)" if number == signal.SIGKILL else ""
    return f"killed by {signal.Signals(number).name}{hint}"


BORN = 19  # which of these fields says when it began, in ticks since boot


def stat_of(process: int | str = "self") -> list[str]:
    """Return what the system tells of a process, from its state on.

    Raises:
        OSError: it is not there, or this system has no such file.
    """
    with open(f"/proc/{process}/stat") as file:
        return file.read().rpartition(")")[2].split()


def used_by(process: int) -> tuple[float, int]:
    """Return the seconds of CPU and the bytes of memory of a process.

    Of its memory, that which it shares with others is not counted.

    Raises:
        OSError: it is not there, or this system has no such files.
    """
    user, system = map(int, stat_of(process)[11:13])
    with open(f"/proc/{process}/statm") as file:
        resident, shared = map(int, file.read().split()[1:3])
    return (user + system) / TICKS, (resident - shared) * PAGE_BYTES


def peak_rss_bytes() -> int:
    """Return the most memory that this process has had resident."""
    # Not getrusage on Linux: it hands the parent's peak down to a child.
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def output(descriptor: int) -> io.BufferedWriter:
    """Return a file that writes to a descriptor, and never closes it."""
    return os.fdopen(descriptor, "wb", closefd=False)


def end_output() -> None:
    """Print nothing more: who reads our standard output is at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def read_pipe(descriptor: int, size: int) -> bytes:
    """Return what a fork has printed; b"": it has closed that. Blocks: no.

    Raises:
        BlockingIOError: nothing new.
    """
    return os.read(descriptor, size)


def in_pipe(descriptor: int) -> int:
    """Return how many bytes are there to be read."""
    size = fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4)
    return int(struct.unpack("i", size)[0])


def memory_file(size: int, directory: str | None = None) -> int:
    """Return memory that processes can share: a file without a name.

    Args:
        directory: where it lies, such as a mounted hugetlbfs, whose pages
            are huge. None: it is no file system's.

    Raises:
        OSError: there is no room for it.
    """
    if directory is None:
        descriptor = os.memfd_create("minimr-arena")
    else:
        import tempfile  # few need it

        descriptor, path = tempfile.mkstemp(dir=directory)
        os.unlink(path)
        page = os.fstatvfs(descriptor).f_bsize
        size = -(-size // page) * page  # whole pages
    os.ftruncate(descriptor, size)
    return descriptor


def disk_file(size: int, directory: str | None = None) -> int:
    """Return a file without a name, on disk, that has room for so much.

    Raises:
        OSError: the disk has not.
    """
    import tempfile  # few need it

    descriptor, path = tempfile.mkstemp(dir=directory)
    try:
        os.unlink(path)
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Return a part of a file on disk."""
    return os.pread(descriptor, size, offset)


def write_at(descriptor: int, data: Any, offset: int) -> None:
    """Write a part of a file on disk."""
    view = memoryview(data).cast("B")
    written = 0
    while written < len(view):
        written += os.pwrite(descriptor, view[written:], offset + written)


def read_into(descriptor: int, view: memoryview) -> None:
    """Fill memory from the beginning of a file on disk."""
    read = 0
    while read < len(view):
        read += os.preadv(descriptor, [view[read:]], read)


def map_memory(descriptor: int, size: int) -> mmap.mmap:
    """Map shared memory into this process. -1: new, shared with forks only."""
    return mmap.mmap(descriptor, size)


def map_memory_of(process: int, descriptor: int, size: int) -> mmap.mmap:
    """Map shared memory that another process of this machine has made."""
    path = f"/proc/{process}/fd/{descriptor}"
    with open(path, "r+b", buffering=0) as file:
        return mmap.mmap(file.fileno(), size)


_SEAM = frozenset(
    name
    for name, value in list(globals().items())
    if callable(value) and name[0] != "_" and name != "NamedTuple"
)


def install(implementation: Any) -> SimpleNamespace:
    """Replace the operating system by another implementation.

    Args:
        implementation: has attributes with the names above; a name that it
            lacks stays as it is.

    Returns: what was there, to be installed again.
    """
    before = {name: globals()[name] for name in _SEAM}
    for name in _SEAM:
        if hasattr(implementation, name):
            globals()[name] = getattr(implementation, name)
    return SimpleNamespace(**before)
