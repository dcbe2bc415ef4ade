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
3. What a death costs is bounded: the time to notice it, at most
   `silence_timeout_s` (or `task_timeout_s` for a task that hangs with no
   idle worker to back it up), and the work to do again.
"""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from minimr.interface.mapreduce import Job, JobError, Progress
from minimr.net.channel import Address
from minimr.sockets.cluster import messages as m
from minimr.sockets.cluster.errors import job_error
from minimr.sockets.cluster.membership import Lost, Member, Members, Timing
from minimr.sockets.cluster.tracker import Policy, Task, Tracker
from minimr.system import pickling

log = logging.getLogger(__name__)


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
    question: int = 0  # the number of the last one


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
        self._policy = policy or Policy()
        self._members = Members(
            token, num_workers, address, timing or Timing(), restart_workers
        )
        self.address = self._members.address
        self._runs: dict[int, Run] = {}  # {job_id: ...}
        self._ids = count(1)

    def start(self, num_workers: int) -> None:
        """Wait until the first workers have registered."""
        self._members.start(num_workers)

    def submit(
        self,
        job: Job,
        splits: Sequence[Any],
        num_reduce_tasks: int,
        progress: Progress,
    ) -> Run:
        """Take a job. Nothing runs before `drive`."""
        run = Run(
            next(self._ids),
            pickling.dumps(job, "the job"),
            splits,
            Tracker(len(splits), num_reduce_tasks, self._policy),
            progress,
        )
        self._runs[run.id] = run
        return run

    def drive(self, run: Run, until: Callable[[], bool]) -> None:
        """Work on a job. Blocks: until `until()` is true.

        Raises:
            JobError: a task failed for good, or no worker is left.
        """
        self._handle(self._members.wake())
        while not until():
            self._assign(run)
            self._give_up(run)
            wait = min(
                self._members.patience_s(),
                run.tracker.next_change(time.monotonic()),
            )
            self._handle(self._members.poll(wait))
            if run.error is not None:
                error, run.error = run.error, None
                raise error

    def ask(self, run: Run, function: Callable[[Any], Any]) -> list[Any]:
        """Apply a function to every output, where it lies.

        Blocks: until all have answered; a lost output is made again.
        """
        if run.id not in self._runs:
            raise ValueError("the result is closed")
        pickled = pickling.dumps(function, "the function")
        run.answers, run.asked = {}, {}
        run.question += 1
        number = len(run.tracker.reduces)

        def answered() -> bool:
            for task in run.tracker.reduces:
                index, holder = task.id.number, task.holder
                if holder is None or index in {**run.asked, **run.answers}:
                    continue
                run.asked[index] = holder
                self._members[holder].peer.send(
                    m.Ask(run.id, run.question, index, pickled)
                )
            return len(run.answers) == number

        self.drive(run, answered)
        return [run.answers[index] for index in range(number)]

    def forget(self, run: Run) -> None:
        """Free all that workers have of a job, and stop its tasks."""
        if self._runs.pop(run.id, None) is None:
            return
        for member in self._members:
            if member.task is not None and member.task[0] == run.id:
                self._cancel(member)
            if run.id in member.jobs:
                member.peer.send(m.Forget(run.id))

    def close(self) -> None:
        """End every worker."""
        self._members.close()

    # ---- what to do next

    def _assign(self, run: Run) -> None:
        for member in self._members:
            if member.task is not None:
                continue
            task = run.tracker.assign(member.id, time.monotonic())
            if task is None:
                continue
            order = self._order(run, task)
            if run.id not in member.jobs:
                reduces = len(run.tracker.reduces)
                member.peer.send(m.NewJob(run.id, run.job, reduces))
                member.jobs.add(run.id)
            member.peer.send(order)
            member.task = (run.id, task.id, order.attempt)
            log.debug("%s gets %s", member, task.id)

    def _order(self, run: Run, task: Task) -> m.RunMap | m.RunReduce:
        attempt = task.started - 1
        if task.id.kind == "map":
            split = run.splits[task.id.number]
            split = pickling.dumps(split, f"split {task.id.number}")
            return m.RunMap(run.id, task.id, attempt, split)
        sources = [
            (worker, self._members[worker].data_address, map_tasks)
            for worker, map_tasks in run.tracker.sources().items()
        ]
        return m.RunReduce(run.id, task.id, attempt, sources)

    def _give_up(self, run: Run) -> None:
        """Lose the workers that are stuck in a task."""
        now = time.monotonic()
        overdue = run.tracker.overdue(now)
        limit = now - self._members.timing.silence_timeout_s
        for member in self._members:
            if member.id in overdue:
                self._members.lose(member, "its task has taken too long")
            elif (member.cancelled_at or now) <= limit:
                self._members.lose(member, "its task cannot be cancelled")

    def _cancel(self, member: Member) -> None:
        assert member.task is not None
        member.cancelled_at = time.monotonic()
        member.peer.send(m.Cancel(*member.task))

    # ---- what has happened

    def _handle(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, Lost):
                self._on_lost(event.member)
            else:
                self._on_message(*event)

    def _on_message(self, member: Member, message: Any) -> None:
        if isinstance(message, m.Heartbeat):
            return
        run = self._runs.get(message.job_id)
        if isinstance(message, m.Answer):
            if run is not None:
                self._on_answer(run, message)
            return
        if (member.task or ())[:2] != (message.job_id, message.task):
            self._members.refuse(member, message)
            return
        member.task = member.cancelled_at = None
        if run is None:  # forgotten; the worker is idle all the same
            return
        if isinstance(message, m.Done):
            self._on_done(run, member, message)
        elif isinstance(message, m.TaskFailed):
            if run.tracker.fail(member.id, message.task):
                run.error = job_error(str(message.task), message.error)
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
        rivals = tracker.finish(member.id, done.task, done.report)
        for rival in self._members:  # one may be lost since
            if rival.id in rivals:
                self._cancel(rival)
        phase = tracker.maps if done.task.kind == "map" else tracker.reduces
        finished = sum(task.holder is not None for task in phase)
        run.progress(done.task.kind, finished, len(phase))

    def _on_answer(self, run: Run, answer: m.Answer) -> None:
        if answer.question != run.question:
            return
        if run.asked.pop(answer.partition, None) is None:
            return
        if answer.error is not None:
            run.error = job_error("asking for the result", answer.error)
            return
        try:
            run.answers[answer.partition] = pickle.loads(answer.pickled)
        except Exception as error:  # noqa: BLE001  it may do anything
            run.error = JobError(f"an answer cannot be unpickled: {error!r}")
            run.error.__cause__ = error

    def _on_lost(self, member: Member) -> None:
        for other in self._members:
            other.peer.send(m.SourceLost(member.id))
        for run in self._runs.values():
            for partition, holder in list(run.asked.items()):
                if holder == member.id:
                    del run.asked[partition]
            for task in run.tracker.lose(member.id):
                run.error = JobError(
                    f"{task.id} has taken {task.failures} workers down; "
                    f"the last one: {self._members.last_death}"
                )
