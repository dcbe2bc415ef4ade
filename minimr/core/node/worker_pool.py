"""The worker processes of a node: forked, watched, and asked how they died.

    node ── fork ──> worker ── hello ──> node
      ▲ pidfd: it has ended         │
      └ two pipes: what it prints ──┘      (`print_forwarding.py`)

    STARTING ── hello ──> IDLE <── lease ──> LEASED
        └──────────────────┴── ENDING ─────────┘     and then it is gone

Rules:

1. A worker is forked from the node, which has one thread and has imported
   no user code: milliseconds instead of a start of Python.
2. A worker ends with its node, whatever ends the node (`machine.fork`).
3. What a worker has started ends with it: it adopts its orphans, so that
   they are its node's when it is gone, and no other worker's.
4. A worker that is asked to end is killed if it takes too long.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from functools import partial

from minimr.core.messages import ENDING_S, LOST, PROGRESS, Environment, Stop
from minimr.core.prints import Stream
from minimr.net.channel import Address
from minimr.net.endpoint import Later
from minimr.net.peer import Peer
from minimr.system import machine
from minimr.system.keeper import end_children

LAST_LINES = 20
SPARE_S = 2.0  # workers beyond the CPUs may idle so long
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


class WorkerState(Enum):
    """What a worker does, as its node sees it."""

    STARTING = auto()  # it has not said hello
    IDLE = auto()
    LEASED = auto()
    ENDING = auto()  # it was asked to, or was killed


MOVES = {
    WorkerState.STARTING: (WorkerState.IDLE, WorkerState.ENDING),
    WorkerState.IDLE: (WorkerState.LEASED, WorkerState.ENDING),
    WorkerState.LEASED: (WorkerState.IDLE, WorkerState.ENDING),
    WorkerState.ENDING: (),
}


class Worker:
    """A worker process as its node knows it."""

    def __init__(self, env: Environment) -> None:
        self.state = WorkerState.STARTING
        self.pid = 0
        # What it says hello with: of two machines, two may have one pid.
        self.process = machine.random_bytes(8)
        self.env = env
        self.job = ""  # of the first lease, and from then on
        self.driver: Address | None = None  # of the job: shows the prints
        self.gpus: tuple[int, ...] | None = None  # as well
        self.peer: Peer | None = None  # when it has said hello
        self.address: Address | None = None
        self.why = ""  # the node ended it for this reason
        self.progress = machine.map_memory(-1, PROGRESS.size)
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self.idle_since = 0.0

    def move(self, state: WorkerState) -> None:
        """Change the state, as the table allows."""
        assert state in MOVES[self.state], f"{self.state.name} -> {state.name}"
        self.state = state

    def running(self) -> str:
        """Return the name of what it runs now, or has run last."""
        name: bytes = PROGRESS.unpack_from(self.progress)[2]
        return name.rstrip(b"\0").decode(errors="replace")

    def begun(self, lease: int) -> int:
        """Return how many tasks of a lease it has begun."""
        number, begun, _ = PROGRESS.unpack_from(self.progress)
        return begun if number == lease else 0  # it never heard of the lease

    def how(self, code: int) -> str:
        """Return a sentence on how it ended, by its exit code."""
        asked = self.why not in ("", LOST)
        if code < 0:
            number = signal.Signals(-code)
            how, hint = f"killed by {number.name}", HINTS.get(number, "")
            if number == signal.SIGKILL and asked:
                hint = self.why
        else:
            how = f"exited with code {code}"
            left = "it called sys.exit() or os._exit()"
            hint = self.why if asked else left
        why = f"worker {self.pid} {how}" + (f" ({hint})" if hint else "")
        if self.last:
            why += "; its last output:\n  " + "\n  ".join(self.last)
        return why


class WorkerPool:
    """Forks workers, ends them and tells when they have ended.

    Args:
        main: runs in the child, and is told what it was born as.
        watch: calls a function when a descriptor can be read.
        unwatch: does so no longer.
        later: calls a function after that many seconds.
        read_prints: is given (worker, pipe, whether it is of stderr).
        last_words: reads what a worker has printed that has ended.
        ended: called with (worker, how).
    """

    def __init__(
        self,
        main: Callable[[Worker], None],
        *,
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], None],
        later: Later,
        read_prints: Callable[[Worker, int, bool], None],
        last_words: Callable[[Worker], None],
        ended: Callable[[Worker, str], None],
    ) -> None:
        self.workers: dict[int, Worker] = {}  # {process id}
        self.closed = False  # no worker starts any more
        self.others: set[int] = set()  # children of the node, no workers
        self._main = main
        self._watch, self._unwatch = watch, unwatch
        self._later = later
        self._read_prints, self._last_words = read_prints, last_words
        self._ended = ended
        self._short = False  # the last fork has failed
        machine.freeze()  # a child never touches what was made before it

    def fork(self, env: Environment) -> None:
        """Start a worker.

        A system without room for it (descriptors, processes, memory) is no
        reason to end: the node asks again every second.
        """
        if self.closed:
            return
        worker = Worker(env)
        try:
            born = machine.fork(partial(self._child, worker))
        except OSError as error:
            if not self._short:
                log.warning(NO_ROOM, error.strerror)
            self._short = True
            return
        self._short = False
        worker.pid = born.pid
        for number, file in enumerate(born.prints):
            self._read_prints(worker, file, number == 1)
        self._watch(born.ended, partial(self._reap, worker, born.ended))
        self.workers[worker.pid] = worker

    def hello(self, peer: Peer) -> bool:
        """Note that a worker has said hello; return whether it was one."""
        for worker in self.workers.values():
            if worker.process == peer.data.process:
                worker.peer, worker.address = peer, peer.data.address
                if worker.state is WorkerState.STARTING:
                    self.rests(worker)
                return True
        return False

    def rests(self, worker: Worker) -> None:
        """Note that a worker has nothing to do."""
        worker.move(WorkerState.IDLE)
        worker.idle_since = machine.monotonic()

    def those(self, state: WorkerState) -> list[Worker]:
        """Return the workers in one state, the oldest first."""
        return [w for w in self.workers.values() if w.state is state]

    def trim(self, most: int) -> None:
        """End workers that are more than so many and idle for long."""
        idle = self.those(WorkerState.IDLE)
        for worker in idle[: max(0, len(idle) - most)]:
            if worker.idle_since < machine.monotonic() - SPARE_S:
                self.end(worker, "it was idle")

    def kill(self, worker: Worker, why: str) -> None:
        """End a worker at once."""
        if self.workers.get(worker.pid) is worker:
            self._is_ending(worker, why)
            machine.kill(worker.pid, signal.SIGKILL)

    def end(self, worker: Worker, why: str) -> None:
        """Ask a worker to end, and kill it if it does not."""
        self._is_ending(worker, why)
        if worker.peer is None or not worker.job:  # it has no user's code
            self.kill(worker, why)
        else:
            worker.peer.post(Stop(why))
        self._later(ENDING_S, partial(self.kill, worker, why))

    def _is_ending(self, worker: Worker, why: str) -> None:
        worker.why = worker.why or why
        if worker.state is not WorkerState.ENDING:
            worker.move(WorkerState.ENDING)

    def end_orphans(self) -> None:
        """Kill what workers have left; those on their way out are reaped."""
        for pid in end_children({*self.workers, *self.others}):
            machine.reap(pid)

    def _child(self, worker: Worker) -> None:
        sys.stdout, sys.stderr = Stream(1), Stream(2)
        self._main(worker)

    def _reap(self, worker: Worker, ended: int) -> None:
        code = machine.exit_code(worker.pid)
        self._unwatch(ended)
        machine.close(ended)
        self._last_words(worker)
        del self.workers[worker.pid]
        self.end_orphans()
        self._ended(worker, worker.how(code))
