"""The worker processes of a node: forked, watched, and asked how they died.

    node ── fork ──> worker ── Hello ──> node
      ▲ pidfd: it has ended         │
      └ two pipes: what it prints ──┘      (`prints.py`)

Rules:

1. A worker is forked from the node, which has one thread and has imported
   no user code: milliseconds instead of a start of Python.
2. A worker ends with its node, whatever ends the node (`machine.fork`).
3. What a worker has started ends with it: it adopts its orphans, so that
   they are its node's when it is gone, and no other worker's.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from minimr.core.messages import LOST, PROGRESS, Environment, Stop
from minimr.core.node.print_forwarding import Prints
from minimr.core.prints import Stream
from minimr.net.channel import Address
from minimr.net.hub import Hub
from minimr.net.peer import Peer
from minimr.system import machine
from minimr.system.keeper import end_children

LAST_LINES = 20
HINTS = {
    signal.SIGKILL: "killed by hand, or by the system that ran out of memory "
    "(see `dmesg`)",
    signal.SIGSEGV: "a crash in native code (segmentation fault)",
    signal.SIGABRT: "native code gave up (abort)",
    signal.SIGALRM: "it had called sys.exit() or exit_actor(), and then took "
    "too long to end: a thread or an atexit handler",
}

NO_ROOM = (
    "cannot start a worker: %s. It is tried again every second; `ulimit -a` "
    "shows limits, `minimr list workers` what there is"
)

log = logging.getLogger(__name__)

_inherited: list[Any] = []  # a child keeps, and never closes, what it was born


class Worker:
    """A worker process as its node knows it."""

    def __init__(self, env: Environment) -> None:
        self.pid = 0
        # What it says hello with: of two machines, two may have one pid.
        self.process = machine.random_bytes(8)
        self.env = env
        self.job = ""  # of the first lease, and from then on
        self.driver: Address | None = None  # of the job: shows the prints
        self.gpus: tuple[int, ...] | None = None  # as well
        self.peer: Peer | None = None  # when it has said hello
        self.address: Address | None = None
        self.lease: Any = None
        self.why = ""  # the node ended it for this reason
        self.progress = machine.map_memory(-1, PROGRESS.size)
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self.idle_since = 0.0

    def running(self) -> str:
        """Name what it runs now, or has run last."""
        name: bytes = PROGRESS.unpack_from(self.progress)[2]
        return name.rstrip(b"\0").decode(errors="replace")

    def how(self, code: int) -> str:
        """Say how it ended, by its exit code."""
        asked = self.why not in ("", LOST)
        if code < 0:
            number = signal.Signals(-code)
            how, hint = f"killed by {number.name}", HINTS.get(number, "")
            if number == signal.SIGKILL and asked:
                hint = self.why
        else:
            how = f"exited with code {code}"
            left = "it called sys.exit() or machine.leave()"
            hint = self.why if asked else left
        why = f"worker {self.pid} {how}" + (f" ({hint})" if hint else "")
        if self.last:
            why += "; its last output:\n  " + "\n  ".join(self.last)
        return why


class WorkerPool:
    """Forks workers and tells when they end.

    Args:
        main: runs in the child, and is told what it was born as.
        prints: reads what they print.
        ended: called with (worker, how).
    """

    def __init__(
        self,
        hub: Hub,
        main: Callable[[Worker], None],
        prints: Prints,
        ended: Callable[[Worker, str], None],
    ) -> None:
        self.hub = hub
        self.workers: dict[int, Worker] = {}  # {process id}
        self.closed = False  # no worker starts any more
        self._main = main
        self._prints = prints
        self._ended = ended
        self._short = False  # the last fork has failed
        gc.freeze()  # a child never touches what was made before it

    def fork(self, env: Environment) -> None:
        """Start a worker.

        A system without room for it (descriptors, processes, memory) is no
        reason to end: the node asks again every second.
        """
        if self.closed:
            return
        worker = Worker(env)
        try:
            born = machine.fork(lambda: self._child(worker))
        except OSError as error:
            if not self._short:
                log.warning(NO_ROOM, error.strerror)
            self._short = True
            return
        self._short = False
        worker.pid = born.pid
        for number, file in enumerate(born.prints):
            self._prints.watch(worker, file, number == 1)
        self.hub.watch_file(born.ended, lambda: self._reap(worker, born.ended))
        self.workers[worker.pid] = worker

    def find(self, process: bytes) -> Worker | None:
        """Give the worker that says hello with this, if it is ours."""
        ours = (w for w in self.workers.values() if w.process == process)
        return next(ours, None)

    def kill(self, worker: Worker, why: str) -> None:
        """End a worker at once."""
        if self.workers.get(worker.pid) is worker:
            worker.why = worker.why or why
            machine.kill(worker.pid, signal.SIGKILL)

    def stop(self, worker: Worker, why: str) -> None:
        """Ask a worker to end; who has asked sees that it does."""
        worker.why = worker.why or why
        if worker.peer is None or not worker.job:  # it has no user's code
            self.kill(worker, why)
        else:
            worker.peer.post(Stop(why))

    def end_orphans(self) -> None:
        """Kill what workers have left; those on their way out are reaped."""
        for pid in end_children(self.workers):
            machine.reap(pid)

    def _child(self, worker: Worker) -> None:
        _inherited.append(self)
        sys.stdout, sys.stderr = Stream(1), Stream(2)
        self._main(worker)

    def _reap(self, worker: Worker, ended: int) -> None:
        code = machine.exit_code(worker.pid)
        self.hub.unwatch_file(ended)
        os.close(ended)
        self._prints.last_words(worker)
        del self.workers[worker.pid]
        self.end_orphans()
        self._ended(worker, worker.how(code))
