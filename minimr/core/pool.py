"""The worker processes of a node: forked, watched, and asked how they died.

    node ── fork ──> worker ── Hello ──> node
      ▲ pidfd: it has ended         │
      └ two pipes: what it prints ──┘

Rules:

1. A worker is forked from the node, which has one thread and has imported
   no user code: milliseconds instead of a start of Python.
2. A worker ends with its node (`PR_SET_PDEATHSIG`), whatever ends the node.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import re
import signal
import struct
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from minimr.core.messages import Death, Job
from minimr.net.channel import Address
from minimr.net.hub import Hub
from minimr.net.peer import Peer

LAST_LINES = 20
# Shared with the worker: its lease, the tasks that it has begun in that
# lease, and the name of the last one.
PROGRESS = struct.Struct("QQ64s")
PR_SET_PDEATHSIG = 1
HINTS = {
    signal.SIGKILL: "killed by hand, or by the system that ran out of memory "
    "(see `dmesg`)",
    signal.SIGSEGV: "a crash in native code (segmentation fault)",
    signal.SIGABRT: "native code gave up (abort)",
}

_inherited: list[Any] = []  # a child keeps, and never closes, what it was born


class Worker:
    """A worker process as its node knows it."""

    def __init__(self, pid: int, env: tuple[tuple[str, str], ...]) -> None:
        self.pid = pid
        self.env = env
        self.job: Job | None = None  # of the first lease
        self.peer: Peer | None = None  # when it has said hello
        self.address: Address | None = None
        self.lease: Any = None
        self.actor: bytes | None = None
        self.why = ""  # the node ended it for this reason
        self.progress = mmap.mmap(-1, PROGRESS.size)
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self.idle_since = 0.0

    def running(self) -> str:
        """Name what it runs now, or has run last."""
        name: bytes = PROGRESS.unpack_from(self.progress)[2]
        return name.rstrip(b"\0").decode(errors="replace")

    def death(self, status: int) -> Death:
        """Say how it ended."""
        lease, begun, _ = PROGRESS.unpack_from(self.progress)
        killed = os.WIFSIGNALED(status)
        if killed:
            number = signal.Signals(os.WTERMSIG(status))
            how = f"killed by {number.name}"
            hint = HINTS.get(number, "")
        else:
            how = f"exited with code {os.WEXITSTATUS(status)}"
            hint = "it called sys.exit() or os._exit()"
        if self.why:
            hint = self.why
        why = f"worker {self.pid} {how}"
        why += f" ({hint})" if hint else ""
        if self.last:
            why += "; its last output:\n  " + "\n  ".join(self.last)
        return Death(why, lease, begun)


class WorkerPool:
    """Forks workers and tells when they print and when they end.

    Args:
        main: runs in the child, with (environment, progress).
        printed: called with (worker, lines, is it standard error).
        ended: called with (worker, its death).
    """

    def __init__(
        self,
        hub: Hub,
        main: Callable[[Any, mmap.mmap], None],
        printed: Callable[[Worker, list[str], bool], None],
        ended: Callable[[Worker, Death], None],
    ) -> None:
        self.hub = hub
        self.workers: dict[int, Worker] = {}
        self._main = main
        self._printed = printed
        self._ended = ended
        gc.freeze()  # a child never touches what was made before it

    def fork(self, env: tuple[tuple[str, str], ...]) -> Worker:
        """Start a worker."""
        pipes = [os.pipe(), os.pipe()]
        worker = Worker(0, env)
        parent = os.getpid()
        worker.pid = os.fork()
        if worker.pid == 0:
            self._child(worker, [write for _, write in pipes], parent)
        for (read, write), error in zip(pipes, (False, True), strict=True):
            os.close(write)
            os.set_blocking(read, False)
            self._watch_output(worker, read, error)
        pidfd = os.pidfd_open(worker.pid)
        readers = [read for read, _ in pipes]
        self.hub.watch_file(pidfd, lambda: self._reap(worker, pidfd, readers))
        self.workers[worker.pid] = worker
        return worker

    def kill(self, worker: Worker, why: str) -> None:
        """End a worker at once."""
        if worker.pid in self.workers:
            worker.why = worker.why or why
            os.kill(worker.pid, signal.SIGKILL)

    def _child(self, worker: Worker, outputs: list[int], parent: int) -> None:
        try:
            libc = ctypes.CDLL(None)
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            _inherited.append(self)
            os.dup2(outputs[0], 1)
            os.dup2(outputs[1], 2)
            for name in os.listdir("/proc/self/fd"):
                if int(name) > 2:
                    try_close(int(name))
            sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
            sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
            self._main(worker.env, worker.progress)
        except BaseException:  # noqa: BLE001  # the end of a process
            import traceback

            traceback.print_exc()
        finally:
            os._exit(1)

    def _watch_output(self, worker: Worker, read: int, error: bool) -> None:
        rest = ""

        def readable() -> None:
            nonlocal rest
            try:
                data = os.read(read, 65536)
            except BlockingIOError:
                return
            if not data:
                self.hub.unwatch_file(read)
                os.close(read)
                return
            *lines, rest = (rest + data.decode(errors="replace")).split("\n")
            if lines:
                worker.last.extend(lines)
                self._printed(worker, lines, error)

        self.hub.watch_file(read, readable)

    def _reap(self, worker: Worker, pidfd: int, readers: list[int]) -> None:
        _, status = os.waitpid(worker.pid, 0)
        self.hub.unwatch_file(pidfd)
        os.close(pidfd)
        for read in readers:  # its last words
            self.hub.call_file(read)
        del self.workers[worker.pid]
        self._ended(worker, worker.death(status))


def try_close(descriptor: int) -> None:
    """Close a descriptor that may be closed already."""
    try:
        os.close(descriptor)
    except OSError:
        return


def detect_gpus() -> int:
    """Count the GPUs of this machine."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([part for part in visible.split(",") if part.strip()])
    try:
        names = os.listdir("/dev")
    except OSError:
        return 0
    return sum(bool(re.fullmatch(r"nvidia\d+", name)) for name in names)
