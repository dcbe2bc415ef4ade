"""A worker: asks for tasks, runs them, and serves what it has made.

      coordinator            │ worker
                             │   I/O thread              main thread
      RunMap, RunReduce ─────┼─> hub.poll() ── queue ──> run a task
      Done, TaskFailed  <────┼── send <─ post ────────── its end
      Heartbeat         <────┼── every interval
                             │
      other workers          │
      Fetch ─────────────────┼─> Block <─ store <─────── blocks of a map
      Block <────────────────┼────────────────────────── fetch for a reduce

Rules:

1. Tasks run in the main thread, one at a time, so that a signal can
   interrupt one that nobody waits for any more.
2. The I/O thread never runs user code: it answers while a task computes.
3. When the coordinator is gone, so is the worker, at once: nothing
   outlives its driver.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from minimr.interface.mapreduce import Job
from minimr.net.channel import Address, connect, parse_address
from minimr.net.frames import MAX_FRAME_BYTES
from minimr.net.hub import Hub, Left, Posted, Received
from minimr.net.peer import Peer
from minimr.net.token import load_token
from minimr.shared.mapreduce.tasks import do_map_task, do_reduce_task
from minimr.sockets.cluster.block_store import Store
from minimr.sockets.cluster.errors import remote_error
from minimr.sockets.cluster.fetch import Fetcher, FetchError
from minimr.sockets.cluster.messages import (
    Answer,
    Ask,
    Block,
    Cancel,
    Cancelled,
    Done,
    Fetch,
    FetchFailed,
    Forget,
    Heartbeat,
    NewJob,
    Register,
    RunMap,
    RunReduce,
    SourceLost,
    TaskFailed,
    TaskId,
    Welcome,
)
from minimr.system.interrupt import knock, may_interrupt
from minimr.system.keeper import KEEPER, adopt_orphans, end_all_children
from minimr.system.logs import narrate

REGISTER_TIMEOUT_S = 10.0
MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - 2**16  # the rest of its message
# A computing task lets the I/O thread in after this, not Python's 5 ms.
SWITCH_INTERVAL_S = 0.0005

log = logging.getLogger(
    "minimr.sockets.cluster.worker"
)  # also when it is __main__


class _CancelledError(BaseException):
    """Raised in the main thread, in the middle of a cancelled task."""


@dataclass
class _JobState:
    """What this worker has of one job, from NewJob to Forget."""

    job: Job
    num_reduce_tasks: int
    blocks: Store = field(default_factory=Store)  # (map task, partition)
    outputs: dict[int, dict[Any, Any]] = field(default_factory=dict)


class Worker:
    """One worker process, from registration to the coordinator's end.

    Args:
        address: of the coordinator.
        token: of the user.
        name: what the driver that started this process calls it.

    Raises:
        ConnectionError: nobody answers, or refuses us.
    """

    def __init__(self, address: Address, token: bytes, name: str = "") -> None:
        channel = connect(address, token, ["run"])
        host = channel.sock.getsockname()[0]
        self._hub = Hub(token, "blocks", (host, 0))
        port = self._hub.address[1]
        channel.send(Register(name, os.getpid(), port))
        reply: Welcome = channel.receive(REGISTER_TIMEOUT_S)
        self.welcome = reply
        self._fetcher = Fetcher(token, reply.fetch_timeout_s)
        self._coordinator = self._hub.adopt(channel)
        self._unloaded: dict[int, NewJob] = {}  # {job_id: ...}
        self._jobs: dict[int, _JobState] = {}  # {job_id: ...}
        self._orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # The attempt that the main thread runs, and the last one cancelled:
        # a signal that comes late, in another attempt, does no harm.
        self._running: tuple[int, TaskId, int] | None = None
        self._cancelled: tuple[int, TaskId, int] | None = None
        sys.path += [p for p in reply.sys_path if p not in sys.path]

    def run(self, on_end: Callable[[str], None]) -> NoReturn:
        """Work until the coordinator is gone, then leave the process.

        Runs in: the main thread. `on_end` is told why, in the I/O thread.
        """
        signal.signal(signal.SIGUSR1, self._interrupt)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        if sys.platform == "linux":
            adopt_orphans()
        keeper = os.environ.pop(KEEPER, None)
        if keeper is not None:  # whoever ends it, ends us
            gone = os.pidfd_open(int(keeper))
            self._hub.watch_file(gone, lambda: _leave(1))
        threading.Thread(
            target=self._live, args=(on_end,), name="io", daemon=True
        ).start()
        try:
            while True:
                self._obey(self._orders.get())
        finally:  # Ctrl-C, of a worker that a user has started
            _end_children()

    # ---- main thread

    def _obey(self, order: Any) -> None:
        if isinstance(order, NewJob):
            self._unloaded[order.job_id] = order
        elif isinstance(order, Forget):
            self._unloaded.pop(order.job_id, None)
            self._jobs.pop(order.job_id, None)
        elif isinstance(order, Ask):
            self._hub.post(self._answer(order))
        else:
            self._hub.post(self._run_task(order))

    def _run_task(self, order: RunMap | RunReduce) -> Any:
        attempt = (order.job_id, order.task, order.attempt)
        log.debug("attempt %d of %s begins", order.attempt, order.task)
        try:  # around all that runs while the signal may come
            try:
                self._running = attempt
                if attempt == self._cancelled:  # while it was queued
                    raise _CancelledError
                return self._attempt(order)
            finally:
                self._running = None
        except _CancelledError:
            return Cancelled(order.job_id, order.task)

    def _attempt(self, order: RunMap | RunReduce) -> Any:
        job_id, task = order.job_id, order.task
        try:
            if isinstance(order, RunMap):
                return self._map(order)
            return self._reduce(order)
        except FetchError as error:
            return FetchFailed(job_id, task, error.source, str(error))
        except Exception as error:  # noqa: BLE001  user code raises anything
            return TaskFailed(job_id, task, remote_error(error))

    def _state(self, job_id: int) -> _JobState:
        """Load a job with its first task: an error is the task's error."""
        if job_id in self._unloaded:
            new = self._unloaded[job_id]
            job = pickle.loads(new.job)
            self._jobs[job_id] = _JobState(job, new.num_reduce_tasks)
            del self._unloaded[job_id]
        return self._jobs[job_id]

    def _map(self, order: RunMap) -> Done:
        state = self._state(order.job_id)
        blocks, report = do_map_task(
            state.job, pickle.loads(order.split), state.num_reduce_tasks
        )
        for partition, block in enumerate(blocks):
            place = (order.task.number, partition)
            state.blocks.put(place, _sendable(block, "a block"))
        return Done(order.job_id, order.task, report)

    def _reduce(self, order: RunReduce) -> Done:
        state = self._state(order.job_id)
        output, report = do_reduce_task(state.job, self._collect(state, order))
        state.outputs[order.task.number] = output
        return Done(order.job_id, order.task, report)

    def _collect(self, state: _JobState, order: RunReduce) -> Iterator[bytes]:
        """Give the blocks of a partition: our own, and everybody else's."""
        own = self.welcome.worker_id
        others = [source for source in order.sources if source[0] != own]
        partition = order.task.number
        self._fetcher.request(order.job_id, partition, others)
        for source, _, map_tasks in order.sources:
            if source == own:
                for map_task in map_tasks:
                    block = state.blocks.get((map_task, partition))
                    assert block is not None, "we said that we have it"
                    yield block
        yield from self._fetcher.receive(others)

    def _answer(self, ask: Ask) -> Answer:
        import cloudpickle  # only now: most workers never need it

        pickled, failure = None, None
        try:
            output = self._jobs[ask.job_id].outputs[ask.partition]
            value = pickle.loads(ask.function)(output)
            data = _sendable(cloudpickle.dumps(value), "an answer")
            pickled = pickle.PickleBuffer(data)  # travels uncopied
        except Exception as error:  # noqa: BLE001  user code raises anything
            failure = remote_error(error)
        return Answer(
            ask.job_id, ask.question, ask.partition, pickled, failure
        )

    def _interrupt(self, *event: Any) -> None:
        told = self._running is not None and self._running == self._cancelled
        if told and may_interrupt(*event):
            raise _CancelledError

    # ---- I/O thread

    def _live(self, on_end: Callable[[str], None]) -> NoReturn:
        try:
            on_end(self._serve())
            _leave(0)
        except BaseException:  # nobody would answer any more
            log.exception("the I/O thread of a worker has failed")
            _leave(1)

    def _serve(self) -> str:
        next_beat = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= next_beat:
                self._coordinator.send(Heartbeat())
                next_beat = now + self.welcome.heartbeat_interval_s
            for event in self._hub.poll(next_beat - now):
                if isinstance(event, Posted):
                    self._coordinator.send(event.message)
                elif isinstance(event, Received):
                    self._receive(event.peer, event.message)
                elif event.peer is self._coordinator:
                    assert isinstance(event, Left)
                    return event.why

    def _receive(self, peer: Peer, message: Any) -> None:
        if isinstance(message, Fetch):
            self._give(peer, message)
        elif peer is not self._coordinator:
            log.warning("%s sent %.80r: no order of ours", peer.name, message)
            self._hub.drop(peer)
        elif isinstance(message, SourceLost):
            self._fetcher.lose(message.worker_id)
        elif isinstance(message, Cancel):
            self._cancelled = (message.job_id, message.task, message.attempt)
            knock(signal.SIGUSR1)
        else:
            self._orders.put(message)

    def _give(self, peer: Peer, fetch: Fetch) -> None:
        state = self._jobs.get(fetch.job_id)
        for map_task in fetch.map_tasks:
            data: Any = None
            if state is not None:
                data = state.blocks.get((map_task, fetch.partition))
            if data is not None:
                data = pickle.PickleBuffer(data)  # travels uncopied
            peer.send(Block(map_task, data))


def _sendable(data: bytes, what: str) -> bytes:
    """Refuse what no frame can carry, where a task can be blamed for it."""
    if len(data) > MAX_PAYLOAD_BYTES:
        raise ValueError(
            f"{what} of {len(data):,} bytes cannot be sent (at most "
            f"{MAX_PAYLOAD_BYTES:,}): cut the work into more, smaller tasks"
        )
    return data


def _leave(code: int) -> NoReturn:
    _end_children()
    os._exit(code)


def _end_children() -> None:
    """End what tasks have started. A keeper, if there is one, does too."""
    if sys.platform == "linux":
        with contextlib.suppress(ChildProcessError):  # a task waits for it
            end_all_children()


def main(address: str, name: str = "") -> None:
    """Run a worker that a driver has started on its own machine."""
    narrate()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    worker = Worker(parse_address(address), load_token(), name)
    worker.run(lambda why: None)


if __name__ == "__main__":
    main(*sys.argv[1:])
