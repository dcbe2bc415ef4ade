"""The driver's side of rung 1: sends orders, and takes in what happens.

    driver                               │  workers
    submit(job, splits) ─> Run (tracker) │
    drive(run, until):                   │
      assign to idle workers ────────────┼─> RunMap, RunReduce
      members.poll: what happened  <─────┼── Done, TaskFailed, a death
      what has taken too long?           │   Fetch and Block go from worker
                                         │   to worker, never through here

Rules:

1. No payload passes through here: blocks go between workers, and outputs
   come only when somebody asks.
2. One thread. It reads while the driver waits for a job; between jobs
   nothing is read, and messages of workers wait in the sockets.
3. What a death costs is bounded: the time to notice it, at most
   `silence_timeout_s` (or `task_timeout_s` for a task that hangs with no
   idle worker to back it up), and the work to do again.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from minimr.interface.mapreduce import Job, JobError, Progress, no_progress
from minimr.net.channel import Address
from minimr.shared.mapreduce.tasks import TaskReport
from minimr.sockets.cluster import messages as m
from minimr.sockets.cluster.errors import job_error
from minimr.sockets.cluster.history import History
from minimr.sockets.cluster.membership import (
    Event,
    Lost,
    Member,
    Members,
    Timing,
)
from minimr.sockets.cluster.tracker import Policy, Tracker
from minimr.system import machine, pickling

log = logging.getLogger(__name__)


@dataclass
class Question:
    """What was asked about the outputs of a run, and what has come back.

    Each partition is unasked, asked (a worker owes the answer) or answered.
    """

    number: int
    function: bytes  # pickled
    asked: dict[int, int] = field(default_factory=dict)  # {partition: worker}
    answers: dict[int, Any] = field(default_factory=dict)  # {partition: ...}


@dataclass
class Run:
    """One job, from `submit` to `forget`."""

    id: int
    job: bytes  # pickled
    splits: Sequence[Any]
    tracker: Tracker
    progress: Progress
    history: History = field(default_factory=History)
    error: JobError | None = None
    question: Question = field(default_factory=lambda: Question(0, b""))


# (run, id of an idle worker, now) -> what it does next; None: it waits
NextTask = Callable[[Run, int, float], m.Order | None]


class Coordinator:
    """Owns the workers of one engine. Runs in: one thread of the driver.

    Args:
        next_task: chooses what an idle worker does.
        token: of the user.
        num_workers: processes to start on this machine.
        address: where workers dial in.
        policy: when to try again, and when to give up.
        timing: how long to wait for workers.
        restart_workers: replace a local worker that dies.
    """

    def __init__(
        self,
        next_task: NextTask,
        token: bytes,
        num_workers: int,
        address: Address | None = None,
        policy: Policy | None = None,
        timing: Timing | None = None,
        restart_workers: bool = True,
    ) -> None:
        self._next_task = next_task
        self._policy = policy or Policy()
        self._runs: dict[int, Run] = {}  # {job_id: ...}
        self._ids = count(1)
        self._members = Members(
            token,
            num_workers,
            address or ("127.0.0.1", 0),
            timing or Timing(),
            restart_workers,
        )
        self.address = self._members.address

    def start(self, num_workers: int) -> None:
        """Wait until the first workers have registered.

        Raises:
            JobError: they do not come; the others are ended.
        """
        try:
            self._members.start(num_workers)
        except BaseException:
            self.close()
            raise

    def data_address(self, worker: int) -> Address:
        """Return where other workers fetch the blocks of this one."""
        return self._members[worker].data_address

    def submit(
        self,
        job: Job,
        splits: Sequence[Any],
        num_reduce_tasks: int,
        progress: Progress | None,
    ) -> Run:
        """Register a job. Nothing runs before `drive`."""
        run = Run(
            next(self._ids),
            pickling.dumps(job, "the job"),
            splits,
            Tracker(len(splits), num_reduce_tasks, self._policy),
            progress or no_progress,
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
            self._step(run)

    def ask(self, run: Run, function: Callable[[Any], Any]) -> list[Any]:
        """Call a function on every output, on the worker that holds it.

        Blocks: until all have answered; a lost output is made again.
        """
        if run.id not in self._runs:
            raise ValueError("the result is closed")
        pickled = pickling.dumps(function, "the function")
        run.question = Question(run.question.number + 1, pickled)
        answers = run.question.answers
        self._handle(self._members.wake())
        while len(answers) < len(run.tracker.reduces):
            self._ask_holders(run, run.question)
            self._step(run)
        return [answers[index] for index in range(len(answers))]

    def forget(self, run: Run) -> None:
        """Free all that workers have of a job, and stop its tasks."""
        if self._runs.pop(run.id, None) is None:
            return
        for member in self._members:
            if member.attempt is not None and member.attempt.job_id == run.id:
                self._cancel(member)
            if run.id in member.jobs:
                member.peer.send(m.Forget(run.id))

    def close(self) -> None:
        """End every worker."""
        self._members.close()

    # ---- what to do next

    def _step(self, run: Run) -> None:
        """Assign tasks to idle workers, then wait for news and handle it."""
        self._assign(run)
        self._give_up(run)
        wait = min(
            self._members.patience_s(),
            run.tracker.next_change(machine.monotonic()),
        )
        self._handle(self._members.poll(wait))
        if run.error is not None:
            error, run.error = run.error, None
            try:
                raise error
            finally:
                del error  # it has this frame, and those of who called

    def _assign(self, run: Run) -> None:
        for member in self._members:
            if member.attempt is not None:
                continue
            order = self._next_task(run, member.id, machine.monotonic())
            if order is None:
                continue
            if run.id not in member.jobs:
                reduces = len(run.tracker.reduces)
                member.peer.send(m.NewJob(run.id, run.job, reduces))
                member.jobs.add(run.id)
            run.history.sent(member, order)  # first: a worker may be quick
            member.peer.send(order)
            member.attempt = order.attempt
            log.debug("%s gets %s", member, order.attempt.task)

    def _ask_holders(self, run: Run, question: Question) -> None:
        """Ask for each output that has a holder and was not asked for."""
        for task in run.tracker.reduces:
            index, holder = task.id.number, task.holder
            known = index in question.asked or index in question.answers
            if holder is None or known:
                continue
            question.asked[index] = holder
            self._members[holder].peer.send(
                m.Ask(run.id, question.number, index, question.function)
            )

    def _give_up(self, run: Run) -> None:
        """Lose the workers that are stuck in a task."""
        now = machine.monotonic()
        overdue = run.tracker.overdue(now)
        limit = now - self._members.timing.silence_timeout_s
        for member in self._members:
            if member.id in overdue:
                self._members.lose(member, "its task has taken too long")
            elif (member.cancelled_at or now) <= limit:
                self._members.lose(member, "its task cannot be cancelled")

    def _cancel(self, member: Member) -> None:
        assert member.attempt is not None
        member.cancelled_at = machine.monotonic()
        member.peer.send(m.Cancel(member.attempt))

    # ---- what has happened

    def _handle(self, events: list[Event]) -> None:
        while events:
            for event in events:
                if isinstance(event, Lost):
                    self._on_lost(event.member)
                elif isinstance(event.message, m.Answer):
                    self._on_answer(event.message)
                elif not isinstance(event.message, m.Heartbeat):
                    self._on_end(event.member, event.message)
            events = self._members.news()  # somebody may have been refused

    def _on_end(self, member: Member, end: m.End) -> None:
        """Handle the answer to an order: its worker is idle again."""
        if member.attempt != end.attempt:
            self._members.refuse(member, end)
            return
        member.attempt = member.cancelled_at = None
        job_id, task, _ = end.attempt
        run = self._runs.get(job_id)
        if run is None:  # it was forgotten
            return
        again: list[m.TaskId] = []
        if isinstance(end, m.FetchFailed):
            again = [task.id for task in run.tracker.held_by(end.source)]
        run.history.ended(member, end, again)
        if isinstance(end, m.Done):
            self._on_done(run, member, task, end.report)
        elif isinstance(end, m.TaskFailed):
            if run.tracker.fail(member.id, task):
                run.error = job_error(str(task), end.error)
        elif isinstance(end, m.FetchFailed):
            log.info("%s cannot fetch: %s", member, end.why)
            if run.tracker.fetch_failed(member.id, task, end.source):
                run.error = JobError(
                    f"{task} cannot fetch its blocks from worker "
                    f"{end.source}: {end.why}"
                )

    def _on_done(
        self, run: Run, member: Member, task: m.TaskId, report: TaskReport
    ) -> None:
        rivals = run.tracker.finish(member.id, task, report)
        for rival in self._members:  # one may be lost since
            if rival.id in rivals:
                self._cancel(rival)
        run.progress(task.kind, *run.tracker.progress(task.kind))

    def _on_answer(self, answer: m.Answer) -> None:
        run = self._runs.get(answer.job_id)
        if run is None or answer.question != run.question.number:
            return
        if run.question.asked.pop(answer.partition, None) is None:
            return
        if answer.error is not None:
            run.error = job_error("asking for the result", answer.error)
            return
        try:
            value = pickle.loads(answer.pickled)
        except Exception as error:  # noqa: BLE001  it may do anything
            run.error = JobError(f"an answer cannot be unpickled: {error!r}")
            run.error.__cause__ = error
        else:
            run.question.answers[answer.partition] = value

    def _on_lost(self, member: Member) -> None:
        for other in self._members:
            other.peer.send(m.SourceLost(member.id))
        for run in self._runs.values():
            asked = run.question.asked
            for partition, holder in list(asked.items()):
                if holder == member.id:
                    del asked[partition]
            again = run.tracker.of(member.id)
            run.history.lost(member, self._members.last_death, again)
            for task in run.tracker.lose(member.id):
                run.error = JobError(
                    f"{task.id} has taken {task.failures} workers down; "
                    f"the last one: {self._members.last_death}"
                )
