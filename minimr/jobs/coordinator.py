"""The driver's side of rung 1: hands out tasks, and notices who is gone.

    driver                               │  workers
    submit(job, splits) ─> Run (tracker) │
    drive(run, until):                   │
      assign to whoever is idle ─────────┼─> RunMap, RunReduce
      hub.poll: what happened      <─────┼── Done, TaskFailed, a death
      what has taken too long?           │   Fetch and Block go from worker
                                         │   to worker, never through here

Rules:

1. No payload passes through here: blocks go between workers, and outputs
   come only when somebody asks.
2. One thread. It reads when the driver waits for a job; between jobs
   nobody reads, and what workers send waits in their sockets.
3. A worker is dead when its connection ends, when nothing was heard of it
   for `silence_timeout_s`, or when its task has run for too long. A local
   one is killed and replaced. Every death costs at most that time, and the
   work that has to be done again.
"""

from __future__ import annotations

import logging
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cloudpickle

from minimr.interface import Job, JobError, Progress
from minimr.jobs import messages as m
from minimr.jobs.processes import Ended, Processes
from minimr.jobs.tracker import Policy, Task, Tracker
from minimr.net.channel import Address
from minimr.net.hub import Hub, Left, Peer, Posted, Received

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """How long to wait for workers, in seconds."""

    heartbeat_interval_s: float = 0.5
    silence_timeout_s: float = 10.0
    fetch_timeout_s: float = 30.0  # of one block; deaths are noticed sooner
    start_timeout_s: float = 30.0  # for the first worker of an engine


@dataclass
class Member:
    """A worker that has registered."""

    id: int
    peer: Peer
    pid: int
    data_address: Address
    local: bool  # a process of ours: killed and replaced when it is lost
    last_heard: float
    task: tuple[int, m.TaskId] | None = None  # None: it is idle
    cancelled_at: float | None = None  # when its task was cancelled
    jobs: set[int] = field(default_factory=set)  # that it was told of

    def __str__(self) -> str:
        return f"worker {self.id} (pid {self.pid} at {self.peer.host})"


@dataclass
class Run:
    """One job, from `submit` to `forget`."""

    id: int
    job: bytes
    splits: Sequence[Any]
    tracker: Tracker
    progress: Progress
    error: JobError | None = None
    answers: dict[int, Any] = field(default_factory=dict)  # {partition: ...}
    asked: dict[int, int] = field(default_factory=dict)  # {partition: worker}


class Coordinator:
    """Owns the workers of one engine. Runs in: one thread of the driver."""

    def __init__(
        self,
        token: bytes,
        num_workers: int,
        address: Address = ("127.0.0.1", 0),
        policy: Policy | None = None,
        timing: Timing | None = None,
        restart_workers: bool = True,
    ) -> None:
        self.policy = policy or Policy()
        self.timing = timing or Timing()
        self._restart = restart_workers
        self._hub = Hub(token, address)
        self.address = self._hub.address
        self._processes = Processes(self.address, self._hub.post)
        self._members: dict[int, Member] = {}  # {worker: ...}
        self._runs: dict[int, Run] = {}  # {job_id: ...}
        self._last_id = 0  # of workers and of jobs
        self._last_death = "none has ever registered"
        for _ in range(num_workers):
            self._processes.start()

    def start(self, num_workers: int) -> None:
        """Wait for the first workers. Blocks: until they have registered.

        Raises:
            JobError: they do not come.
        """
        until = time.monotonic() + self.timing.start_timeout_s
        while len(self._members) < num_workers:
            left = until - time.monotonic()
            if left <= 0 or not len(self._processes):
                raise JobError(
                    f"only {len(self._members)} of {num_workers} workers "
                    f"have started; the last one: {self._last_death}"
                )
            for event in self._hub.poll(left):
                self._handle(event)

    def submit(
        self,
        job: Job,
        splits: Sequence[Any],
        num_reduce_tasks: int,
        progress: Progress,
    ) -> Run:
        """Take a job. Nothing runs before `drive`."""
        self._last_id += 1
        run = Run(
            self._last_id,
            cloudpickle.dumps(job),
            splits,
            Tracker(len(splits), num_reduce_tasks, self.policy),
            progress,
        )
        self._runs[run.id] = run
        return run

    def drive(self, run: Run, until: Callable[[], bool]) -> None:
        """Work on a job. Blocks: until `until()` is true.

        Raises:
            JobError: a task failed for good, or no worker is left.
        """
        self._take_in()
        while not until():
            self._assign(run)
            for event in self._hub.poll(self._patience(run)):
                self._handle(event)
            self._expire(run)
            if run.error is not None:
                error, run.error = run.error, None
                raise error
            if not self._members and not len(self._processes):
                raise JobError(
                    f"no worker is left; the last one: {self._last_death}"
                )

    def ask(self, run: Run, function: Callable[[Any], Any]) -> list[Any]:
        """Apply a function to every output, where it lies.

        Blocks: until all have answered; a lost output is made again.
        """
        pickled = cloudpickle.dumps(function)
        run.answers, run.asked = {}, {}
        number = len(run.tracker.reduces)

        def answered() -> bool:
            for task in run.tracker.reduces:
                index, holder = task.id.number, task.holder
                if holder is None or index in {**run.asked, **run.answers}:
                    continue
                run.asked[index] = holder
                self._members[holder].peer.send(m.Ask(run.id, index, pickled))
            return len(run.answers) == number

        self.drive(run, answered)
        return [run.answers[index] for index in range(number)]

    def forget(self, run: Run) -> None:
        """Free all that workers have of a job, and stop its tasks."""
        if self._runs.pop(run.id, None) is None:
            return
        for member in self._members.values():
            if member.task is not None and member.task[0] == run.id:
                self._cancel(member)
            if run.id in member.jobs:
                member.peer.send(m.Forget(run.id))

    def close(self) -> None:
        """End every worker; remote ones see the connection close."""
        self._hub.close()
        self._processes.kill_all()
        self._members.clear()

    # ---- what to do next

    def _assign(self, run: Run) -> None:
        for member in self._members.values():
            if member.task is not None:
                continue
            task = run.tracker.assign(member.id, time.monotonic())
            if task is None:
                continue
            member.task = (run.id, task.id)
            if run.id not in member.jobs:
                member.jobs.add(run.id)
                reduces = len(run.tracker.reduces)
                member.peer.send(m.NewJob(run.id, run.job, reduces))
            member.peer.send(self._order(run, task))
            log.debug("%s gets %s", member, task.id)

    def _order(self, run: Run, task: Task) -> m.RunMap | m.RunReduce:
        attempt = task.started - 1
        if task.id.kind == "map":
            split = cloudpickle.dumps(run.splits[task.id.number])
            return m.RunMap(run.id, task.id, attempt, split)
        sources = [
            (worker, self._members[worker].data_address, map_tasks)
            for worker, map_tasks in run.tracker.sources().items()
        ]
        return m.RunReduce(run.id, task.id, attempt, sources)

    def _patience(self, run: Run) -> float:
        """How long nothing needs to be done if nothing happens."""
        now = time.monotonic()
        heard = [member.last_heard for member in self._members.values()]
        silence = min(heard, default=now) + self.timing.silence_timeout_s
        return min(silence - now, run.tracker.next_change(now))

    def _expire(self, run: Run) -> None:
        now = time.monotonic()
        overdue = run.tracker.overdue(now)
        limit = now - self.timing.silence_timeout_s
        for member in list(self._members.values()):
            if member.last_heard <= limit:
                self._lose(member, "it has gone silent")
            elif member.id in overdue:
                self._lose(member, f"it has not ended {member.task} in time")
            elif (member.cancelled_at or now) <= limit:
                self._lose(member, f"{member.task} cannot be cancelled")

    def _take_in(self) -> None:
        """Read what came while nobody waited, and start the clocks anew."""
        for event in self._hub.poll(0):
            self._handle(event)
        for member in self._members.values():
            member.last_heard = time.monotonic()

    # ---- what has happened

    def _handle(self, event: Any) -> None:
        if isinstance(event, Received):
            if isinstance(event.message, m.Register):
                self._register(event.peer, event.message)
            elif event.peer.data in self._members:
                member = self._members[event.peer.data]
                member.last_heard = time.monotonic()
                self._on_message(member, event.message)
        elif isinstance(event, Left) and event.peer.data in self._members:
            self._lose(self._members[event.peer.data], event.why)
        elif isinstance(event, Posted):
            self._on_ended(event.message)

    def _register(self, peer: Peer, message: m.Register) -> None:
        here = sys.version_info[:2]
        if message.python != here:
            peer.send(
                m.Refused(
                    "the driver runs Python {}.{}, this worker {}.{}: "
                    "functions cannot travel between them".format(
                        *here, *message.python
                    )
                )
            )
            return
        self._last_id += 1
        peer.data = self._last_id
        self._members[peer.data] = member = Member(
            id=peer.data,
            peer=peer,
            pid=message.pid,
            data_address=(peer.host, message.data_port),
            local=message.pid in self._processes,
            last_heard=time.monotonic(),
        )
        timing = self.timing
        peer.send(
            m.Welcome(
                member.id,
                timing.heartbeat_interval_s,
                timing.fetch_timeout_s,
                [path for path in sys.path if path],
            )
        )
        log.info("%s has joined", member)

    def _on_message(self, member: Member, message: Any) -> None:
        if isinstance(message, m.Heartbeat):
            return
        run = self._runs.get(message.job_id)
        if isinstance(message, m.Answer):
            if run is not None:
                self._on_answer(run, message)
            return
        member.task = member.cancelled_at = None
        if run is None:  # forgotten; the worker is idle all the same
            return
        if isinstance(message, m.Done):
            self._on_done(run, member, message)
        elif isinstance(message, m.TaskFailed):
            if run.tracker.fail(member.id, message.task):
                run.error = _job_error(str(message.task), message.error)
        elif isinstance(message, m.FetchFailed):
            log.info("%s cannot fetch: %s", member, message.why)
            if run.tracker.fetch_failed(
                member.id, message.task, message.source
            ):
                run.error = JobError(
                    f"{message.task} cannot fetch its blocks from worker "
                    f"{message.source}: {message.why}"
                )

    def _on_done(self, run: Run, member: Member, done: m.Done) -> None:
        tracker = run.tracker
        for rival in tracker.finish(member.id, done.task, done.report):
            self._cancel(self._members[rival])
        phase = tracker.maps if done.task.kind == "map" else tracker.reduces
        finished = sum(task.holder is not None for task in phase)
        run.progress(done.task.kind, finished, len(phase))

    def _on_answer(self, run: Run, answer: m.Answer) -> None:
        if run.asked.pop(answer.partition, None) is None:
            return
        if answer.error is not None:
            run.error = _job_error("asking for the result", answer.error)
        run.answers[answer.partition] = answer.value

    def _on_ended(self, ended: Ended) -> None:
        """A process of ours has ended; mostly we know it as `Left`."""
        if ended.pid in self._processes and not any(
            member.pid == ended.pid for member in self._members.values()
        ):
            self._processes.kill(ended.pid)  # it never registered
            self._last_death = f"at its start: {ended.how}"

    def _cancel(self, member: Member) -> None:
        assert member.task is not None
        member.cancelled_at = time.monotonic()
        member.peer.send(m.Cancel(*member.task))

    def _lose(self, member: Member, why: str) -> None:
        del self._members[member.id]
        self._hub.drop(member.peer)
        if member.local:
            why = f"{why}; {self._processes.kill(member.pid)}"
            if self._restart:
                self._processes.start()
        self._last_death = f"{member}: {why}"
        log.info("lost %s", self._last_death)
        for other in self._members.values():
            other.peer.send(m.SourceLost(member.id))
        for run in self._runs.values():
            for partition, holder in list(run.asked.items()):
                if holder == member.id:
                    del run.asked[partition]
            for task in run.tracker.lose(member.id):
                run.error = JobError(
                    f"{task.id} has taken {task.failures} workers down; "
                    f"the last one: {self._last_death}"
                )


def _job_error(what: str, error: m.RemoteError) -> JobError:
    """Make the driver's exception; its cause is what the task raised."""
    job_error = JobError(f"{what} failed:\n{error.traceback}")
    try:
        job_error.__cause__ = pickle.loads(error.pickled)
    except Exception as failure:  # noqa: BLE001  it may do anything
        job_error.__cause__ = RuntimeError(f"cannot be unpickled: {failure}")
    return job_error
