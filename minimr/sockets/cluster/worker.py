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
from collections.abc import Callable
from typing import Any, NoReturn

from minimr.net.channel import Address, connect, parse_address
from minimr.net.events import Left, Posted, Received
from minimr.net.hub import Hub
from minimr.net.peer import Peer
from minimr.net.token import load_token
from minimr.sockets.cluster.errors import remote_error
from minimr.sockets.cluster.fetch import Fetcher, FetchError
from minimr.sockets.cluster.messages import (
    Answer,
    Ask,
    Attempt,
    Block,
    Cancel,
    Cancelled,
    Done,
    End,
    Fetch,
    FetchFailed,
    Forget,
    Heartbeat,
    NewJob,
    Order,
    Register,
    SourceLost,
    TaskFailed,
    Welcome,
)
from minimr.sockets.cluster.worker_job import WorkerJob, sendable
from minimr.sockets.mapreduce import TASKS
from minimr.system import machine
from minimr.system.interrupt import may_interrupt
from minimr.system.keeper import KEEPER, end_all_children
from minimr.system.logs import narrate

REGISTER_TIMEOUT_S = 10.0
# A computing task lets the I/O thread in after this, not Python's 5 ms.
SWITCH_INTERVAL_S = 0.0005

log = logging.getLogger(
    "minimr.sockets.cluster.worker"
)  # also when it is __main__


class _CancelledError(BaseException):
    """Raised in the main thread, in the middle of a cancelled task."""


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
        try:
            channel.send(Register(name, machine.pid(), port))
            reply: Welcome = channel.receive(REGISTER_TIMEOUT_S)
        except OSError as error:
            channel.close()
            self._hub.close()
            where = "{}:{}".format(*address)
            raise ConnectionError(
                f"the run at {where} has not let us in: {error}"
            ) from error
        self.welcome = reply
        self._fetcher = Fetcher(token, reply.fetch_timeout_s)
        self._coordinator = self._hub.adopt(channel)
        self._unloaded: dict[int, NewJob] = {}  # {job_id: ...}
        self._jobs: dict[int, WorkerJob] = {}  # {job_id: ...}
        self._orders: queue.SimpleQueue[Any] = machine.queue()
        # The attempt that the main thread runs, and the last one cancelled:
        # a signal that comes late, in another attempt, does no harm.
        self._running: Attempt | None = None
        self._cancelled: Attempt | None = None
        sys.path += [p for p in reply.sys_path if p not in sys.path]

    def run(self, on_end: Callable[[str], None]) -> NoReturn:
        """Work until the coordinator is gone, then end the process.

        Runs in: the main thread. `on_end` is called with the reason, in the
        I/O thread.
        """
        machine.on_signal(signal.SIGUSR1, self._interrupt)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        if sys.platform == "linux":
            machine.adopt_orphans()
        keeper = os.environ.pop(KEEPER, None)
        if keeper is not None:  # if it is killed, we end too
            gone = machine.watch(int(keeper))
            self._hub.watch_file(gone, lambda: _leave(1))
        machine.thread(
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

    def _run_task(self, order: Order) -> End:
        log.debug("%s begins", order.attempt)
        try:  # around all that runs while the signal may come
            try:
                self._running = order.attempt
                if order.attempt == self._cancelled:  # while it was queued
                    raise _CancelledError
                return self._attempt(order)
            finally:
                self._running = None
        except _CancelledError:
            return Cancelled(order.attempt)

    def _attempt(self, order: Order) -> End:
        try:
            run = TASKS[type(order)]
            report = run(self._job(order.attempt.job_id), order)
            return Done(order.attempt, report)
        except FetchError as error:
            return FetchFailed(order.attempt, error.source, str(error))
        except Exception as error:  # noqa: BLE001  user code raises anything
            return TaskFailed(order.attempt, remote_error(error))

    def _job(self, job_id: int) -> WorkerJob:
        """Load a job with its first task: an error is the task's error."""
        if job_id in self._unloaded:
            new = self._unloaded[job_id]
            self._jobs[job_id] = WorkerJob(
                pickle.loads(new.job),
                new.num_reduce_tasks,
                self.welcome.worker_id,
                self._fetcher,
            )
            del self._unloaded[job_id]
        return self._jobs[job_id]

    def _answer(self, ask: Ask) -> Answer:
        import cloudpickle  # only now: most workers never need it

        pickled, failure = None, None
        try:
            output = self._jobs[ask.job_id].outputs[ask.partition]
            value = pickle.loads(ask.function)(output)
            data = sendable(cloudpickle.dumps(value), "an answer")
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
        next_beat = machine.monotonic()
        while True:
            now = machine.monotonic()
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
            self._cancelled = message.attempt
            machine.knock(signal.SIGUSR1)
        else:
            self._orders.put(message)

    def _give(self, peer: Peer, fetch: Fetch) -> None:
        job = self._jobs.get(fetch.job_id)
        for map_task in fetch.map_tasks:
            data: Any = None
            if job is not None:
                data = job.block(map_task, fetch.partition)
            if data is not None:
                data = pickle.PickleBuffer(data)  # travels uncopied
            peer.send(Block(map_task, data))


def _leave(code: int) -> NoReturn:
    _end_children()
    machine.leave(code)


def _end_children() -> None:
    """End the processes that tasks have started; a keeper does so too."""
    if sys.platform == "linux":
        with contextlib.suppress(ChildProcessError):  # a task waits for it
            end_all_children()


def main(address: str, name: str = "") -> None:
    """Run a worker that a driver has started on its own machine."""
    try:
        worker = Worker(parse_address(address), load_token(), name)
    except ConnectionError as error:  # the driver starts another
        raise SystemExit(f"minimr worker: {error}") from None
    worker.run(lambda why: None)


if __name__ == "__main__":
    narrate()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    main(*sys.argv[1:])
