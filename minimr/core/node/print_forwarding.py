"""What workers print, from their pipes to the drivers that show it.

    worker ══ pipe ══> Reader ── lines ──> Outlet ─── Print ──> driver
                         ▲                   │  └─── shown ───────┘
                         └── full: read no ──┘

Rules:

1. One message is under way to a driver, and the next leaves when that is
   shown: a slow driver holds up the tasks that print, as a pipe would.
2. A driver that shows nothing for `DEAF_S` is stopped, or its terminal is.
   Its tasks go on: what they print then is dropped, and counted.
3. `FlushPrints` is answered when all that was printed before is shown.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any

from minimr.core.messages import FlushPrints
from minimr.core.node.worker_pool import Worker
from minimr.core.prints import Lines, Printed
from minimr.net.channel import Address
from minimr.net.endpoint import Later
from minimr.net.messages import GONE, Handler, Reply
from minimr.net.peer import Peer
from minimr.system import machine

PIPE_BYTES = 65536
MAX_MESSAGE = 1 << 18  # characters that travel at once
MAX_WAITING = 1 << 23  # characters that wait for a driver
DEAF_S = 5.0
PAUSE_S = 0.2  # a line that does not go on for so long is shown as it is
MAX_LAST = 1000  # characters of a line that is kept for a death message


class Outlet:
    """What one driver is going to show, in order.

    Args:
        show: asks the driver to show parts; it answers when it has.
        node: the id of this node.
        roomy: called when it is full no longer.
    """

    def __init__(
        self,
        show: Callable[[list[Printed], Reply[Any]], None],
        later: Later,
        node: str,
        roomy: Callable[[], None],
    ) -> None:
        self.full = False
        self._show = show
        self._later = later
        self._node = node
        self._roomy = roomy
        self._queue: deque[Printed | Reply[None]] = deque()
        self._size = 0  # characters in it
        self._under_way = 0  # messages: 0 or 1
        self._answers = 0
        self._deaf = False
        self._dropped = 0  # lines
        self._gone = False

    def add(self, printed: Printed) -> None:
        """Send lines as soon as those before them are shown."""
        if self._deaf:
            self._dropped += len(printed.lines)
        elif not self._gone:
            self._queue.append(printed)
            self._size += _size(printed)
            self._send()
            if self._size > MAX_WAITING and not self.full:
                self.full = True
                self._later(DEAF_S, partial(self._listens, self._answers))

    def then(self, reply: Reply[None]) -> None:
        """Answer when all is shown that was added before."""
        self._queue.append(reply)
        self._send()

    def _send(self) -> None:
        message: list[Printed] = []
        size = 0
        while self._queue and not self._under_way and size < MAX_MESSAGE:
            first = self._queue.popleft()
            if isinstance(first, Printed):
                message.append(first)
                size += _size(first)
            elif message:  # to be answered when that is shown
                self._queue.appendleft(first)
                break
            else:
                first(None)
        if not message:
            return
        self._size -= size
        self._under_way = 1
        self._show(message, self._shown)

    def _shown(self, answer: Any) -> None:
        self._under_way = 0
        self._answers += 1
        if answer == GONE:
            self._gone = True
            replies = [r for r in self._queue if not isinstance(r, Printed)]
            self._queue, self._size = deque(replies), 0
        self._deaf = False
        if self._dropped:
            what = f"{self._dropped:,} lines that were printed here are lost:"
            why = "this program did not show what came before them"
            about = ("minimr", machine.pid(), self._node, True)
            self._queue.append(Printed(*about, [f"{what} {why}"]))
            self._dropped = 0
        self._send()
        if self.full and self._size <= MAX_WAITING // 2:
            self.full = False
            self._roomy()

    def _listens(self, answers: int) -> None:
        """Find out whether it is only slow."""
        if self.full and self._answers == answers:
            self._deaf, self.full = True, False
            self._roomy()
        elif self.full:
            self._later(DEAF_S, partial(self._listens, self._answers))


class Reader:
    """The node's end of one pipe."""

    def __init__(self, worker: Worker, descriptor: int, error: bool) -> None:
        self.worker = worker
        self.descriptor = descriptor
        self.error = error
        self.lines = Lines()
        self.fresh = False  # something has come since it was looked at


class Prints:
    """The part of a node that reads what its workers print.

    Args:
        node: the id of this node.
        show: asks a driver to show parts of a job; it answers when it has.
        watch: calls a function when a descriptor can be read.
        unwatch: does so no longer.
        later: calls a function after that many seconds.
    """

    def __init__(
        self,
        node: str,
        *,
        show: Callable[[Address, str, list[Printed], Reply[Any]], None],
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], None],
        later: Later,
    ) -> None:
        self._node = node
        self._show = show
        self._watch, self._unwatch = watch, unwatch
        self._later = later
        self._readers: dict[int, Reader] = {}  # {descriptor}
        self._outlets: dict[str, Outlet] = {}  # {job}
        self._paused: set[int] = set()  # descriptors
        self._looking = False

    def read(self, worker: Worker, descriptor: int, error: bool) -> None:
        """Read from a pipe from now on, until all that write have closed."""
        reader = Reader(worker, descriptor, error)
        self._readers[descriptor] = reader
        self._listen(reader)

    def last_words(self, worker: Worker) -> None:
        """Read what a worker that has ended has printed.

        Its children may go on.
        """
        for reader in self._of(lambda other: other is worker):
            self._drain(reader)

    def handlers(self) -> list[Handler]:
        """Return what it is asked."""
        return [FlushPrints.to(self._on_flush_prints)]

    def _on_flush_prints(
        self, peer: Peer, flush: FlushPrints, reply: Reply[None]
    ) -> None:
        job = flush.job
        for reader in self._of(lambda worker: worker.job == job):
            self._drain(reader)
        if job in self._outlets:
            self._outlets[job].then(reply)
        else:
            reply(None)

    def _of(self, wanted: Callable[[Worker], bool]) -> list[Reader]:
        return [r for r in self._readers.values() if wanted(r.worker)]

    def _listen(self, reader: Reader) -> None:
        self._watch(reader.descriptor, partial(self._readable, reader))

    def _readable(self, reader: Reader) -> None:
        self._read(reader)
        if reader.lines.begun() and not self._looking:
            self._looking = True
            self._later(PAUSE_S, self._look)
        outlet = self._outlets.get(reader.worker.job)
        if outlet is not None and outlet.full:
            self._unwatch(reader.descriptor)
            self._paused.add(reader.descriptor)

    def _resume(self) -> None:
        paused, self._paused = self._paused, set()
        for descriptor in sorted(paused):
            if descriptor in self._readers:  # those of others pause again
                self._listen(self._readers[descriptor])

    def _read(self, reader: Reader, most: int = PIPE_BYTES) -> int:
        """Read what is there, at most so many bytes; return how many."""
        with contextlib.suppress(BlockingIOError):
            data = machine.read_pipe(reader.descriptor, most)
            if data:
                reader.fresh = True
                self._give(reader, reader.lines.feed(data))
                return len(data)
            self._close(reader)
        return 0

    def _close(self, reader: Reader) -> None:
        self._give(reader, reader.lines.rest(final=True))
        self._unwatch(reader.descriptor)
        del self._readers[reader.descriptor]
        self._paused.discard(reader.descriptor)
        machine.close(reader.descriptor)

    def _drain(self, reader: Reader) -> None:
        """Read what is in a pipe by now; it may never be empty."""
        left = machine.in_pipe(reader.descriptor)
        while left > 0 and (got := self._read(reader, left)):
            left -= got
        self._give(reader, reader.lines.rest())

    def _look(self) -> None:
        """Show lines that do not go on, and progress bars as they are."""
        self._looking = False
        for reader in self._of(lambda _: True):
            if reader.fresh and not reader.lines.redrawn:
                reader.fresh = False
                self._looking = self._looking or reader.lines.begun()
            else:
                self._give(reader, reader.lines.rest())
        if self._looking:
            self._later(PAUSE_S, self._look)

    def _give(self, reader: Reader, lines: list[tuple[str, str]]) -> None:
        worker = reader.worker
        worker.last.extend(text[:MAX_LAST] for _, text in lines)
        if worker.driver is None or not lines:
            return
        if worker.job not in self._outlets:
            self._outlets[worker.job] = Outlet(
                partial(self._show, worker.driver, worker.job),
                self._later,
                self._node,
                roomy=self._resume,
            )
        outlet = self._outlets[worker.job]
        for name, group in groupby(lines, lambda line: line[0]):
            speaker = name or worker.running()
            whose = (speaker, worker.pid, self._node, reader.error)
            outlet.add(Printed(*whose, [text for _, text in group]))


def _size(printed: Printed) -> int:
    return sum(len(line) + 1 for line in printed.lines)
