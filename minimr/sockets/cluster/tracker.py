"""Which task is where: every decision of a job, with no socket or clock.

    idle ──assign──> in progress ──done──> done
      ^                  │                   │
      └──── lost, failed ┴── holder is lost ─┘

Rules:

1. Map tasks go first. Reduce tasks start when every map task is done, and
   wait again when one of them has to run again.
2. What a worker made dies with it: its running attempts, its finished map
   tasks (nobody can fetch their blocks), its reduce outputs.
3. Near the end of a phase an idle worker gets a backup of the attempt that
   has run longest, when that is far above the median (section 3.6 of the
   paper). The first to finish counts; its rivals are cancelled, and what
   they still deliver is dropped.
4. A task may fail, or take its worker down, `max_attempts` times.

The coordinator passes in what has happened and when, and gets back what to
do: tests need no clock. Ray has this in its owner (retries, lineage) and its
raylet (scheduling); it has no backup tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from statistics import median

from minimr.shared.mapreduce.tasks import TaskReport
from minimr.sockets.cluster.messages import Kind, TaskId


@dataclass(frozen=True)
class Policy:
    """When to try again, and when to give up."""

    max_attempts: int = 4  # of one task, by errors and by deaths
    backup_after_s: float = 1.0  # no backup for an attempt younger than this
    backup_factor: float = 2.0  # ... or than this times the median
    backup_blind_s: float = 10.0  # ... or this, while no other has ended
    task_timeout_s: float = 600.0  # then its worker counts as hung


class State(Enum):
    """What has become of a task so far."""

    IDLE = "idle"
    IN_PROGRESS = "in progress"
    DONE = "done"


IDLE, IN_PROGRESS, DONE = State


@dataclass
class Task:
    """One task, and who runs it or holds what it made."""

    id: TaskId
    attempts: dict[int, float] = field(default_factory=dict)  # worker: since
    holder: int | None = None  # the worker that has what the task made
    report: TaskReport | None = None  # of the attempt that counted
    started: int = 0  # attempts so far
    failures: int = 0  # of them, ended by an error or a death

    @property
    def state(self) -> State:
        """Which one of the three it is in."""
        if self.holder is not None:
            return DONE
        return IN_PROGRESS if self.attempts else IDLE


class Tracker:
    """The state of one job.

    Workers are numbers here; `now` is seconds on any monotonic clock.
    """

    def __init__(
        self, num_maps: int, num_reduces: int, policy: Policy | None = None
    ) -> None:
        self.policy = policy or Policy()
        self.maps = [Task(TaskId("map", i)) for i in range(num_maps)]
        self.reduces = [Task(TaskId("reduce", i)) for i in range(num_reduces)]

    @property
    def maps_done(self) -> bool:
        """Every map task has a holder of its blocks."""
        return all(task.state is DONE for task in self.maps)

    @property
    def done(self) -> bool:
        """Every reduce task has a holder of its output."""
        return all(task.state is DONE for task in self.reduces)

    @property
    def reruns(self) -> int:
        """Attempts beyond the first of each task."""
        return sum(max(0, task.started - 1) for task in self._all())

    def reports(self) -> tuple[list[TaskReport], list[TaskReport]]:
        """Return what the attempts that counted cost: maps, reduces."""
        maps, reduces = (
            [task.report for task in phase if task.report]
            for phase in (self.maps, self.reduces)
        )
        return maps, reduces

    def progress(self, kind: Kind) -> tuple[int, int]:
        """Return how many tasks of a kind are done, and how many there are."""
        phase = self.maps if kind == "map" else self.reduces
        return sum(task.state is DONE for task in phase), len(phase)

    def assign(self, worker: int, now: float) -> Task | None:
        """Choose what an idle worker does next; None: it waits."""
        phase = self._phase()
        task = next((task for task in phase if task.state is IDLE), None)
        if task is None:
            task = self._straggler(phase, worker, now)
        if task is not None:
            task.attempts[worker] = now
            task.started += 1
        return task

    def sources(self) -> dict[int, list[int]]:
        """Return which worker holds the blocks of which map tasks."""
        sources: dict[int, list[int]] = {}
        for task in self.maps:
            assert task.holder is not None
            sources.setdefault(task.holder, []).append(task.id.number)
        return sources

    def finish(self, worker: int, id_: TaskId, report: TaskReport) -> set[int]:
        """Note that an attempt has finished; return the rivals to cancel.

        A late duplicate changes nothing.
        """
        task = self.task(id_)
        if task.attempts.pop(worker, None) is None or task.holder is not None:
            return set()
        task.holder, task.report = worker, report
        rivals = set(task.attempts)
        task.attempts.clear()
        return rivals

    def fail(self, worker: int, id_: TaskId) -> bool:
        """Note that an attempt has failed; return if it was the last one."""
        task = self.task(id_)
        if task.attempts.pop(worker, None) is None:
            return False
        task.failures += 1
        return task.failures >= self.policy.max_attempts

    def fetch_failed(self, worker: int, id_: TaskId, source: int) -> bool:
        """Take back the map tasks whose blocks `source` does not give.

        Returns: whether one of them was tried for the last allowed time.
        """
        task = self.task(id_)
        if task.attempts.pop(worker, None) is None:
            return False
        lost = self.held_by(source)
        for other in lost:
            other.holder = None
            other.failures += 1
        return any(
            other.failures >= self.policy.max_attempts for other in lost
        )

    def held_by(self, worker: int) -> list[Task]:
        """List the map tasks whose blocks a worker holds."""
        return [task for task in self.maps if task.holder == worker]

    def of(self, worker: int) -> list[TaskId]:
        """List the tasks that a worker runs, or whose output it holds."""
        return [
            task.id
            for task in self._all()
            if task.holder == worker or worker in task.attempts
        ]

    def lose(self, worker: int) -> list[Task]:
        """Take back all that a dead worker ran or held.

        Returns: the tasks that it was running for the last allowed time.
        """
        exhausted = []
        for task in self._all():
            if task.holder == worker:
                task.holder = None
            if task.attempts.pop(worker, None) is not None:
                task.failures += 1
                if task.failures >= self.policy.max_attempts:
                    exhausted.append(task)
        return exhausted

    def overdue(self, now: float) -> list[int]:
        """List the workers whose task runs longer than any task may."""
        limit = now - self.policy.task_timeout_s
        return [
            worker
            for task in self._all()
            for worker, since in task.attempts.items()
            if since <= limit
        ]

    def next_change(self, now: float) -> float:
        """Return in how many seconds time alone may change a decision."""
        since = [s for task in self._all() for s in task.attempts.values()]
        moments = [s + self.policy.task_timeout_s for s in since]
        phase = self._phase()
        if not any(task.state is IDLE for task in phase):
            age = self._straggler_age(phase)
            moments += [
                begin + age
                for task in phase
                if len(task.attempts) == 1
                for begin in task.attempts.values()
                if begin + age > now
            ]
        return max(0.0, min(moments, default=now + 3600.0) - now)

    def task(self, id_: TaskId) -> Task:
        """Return the task of that id."""
        return (self.maps if id_.kind == "map" else self.reduces)[id_.number]

    def _all(self) -> Iterator[Task]:
        yield from self.maps
        yield from self.reduces

    def _phase(self) -> list[Task]:
        if self.done:
            return []
        return self.reduces if self.maps_done else self.maps

    def _straggler(
        self, phase: Iterable[Task], worker: int, now: float
    ) -> Task | None:
        phase = list(phase)
        limit = now - self._straggler_age(phase)
        lonely = [
            (min(task.attempts.values()), task.id, task)
            for task in phase
            if len(task.attempts) == 1 and worker not in task.attempts
        ]
        since, _, task = min(lonely, default=(now, None, None))
        return task if task is not None and since <= limit else None

    def _straggler_age(self, phase: Iterable[Task]) -> float:
        seconds = [task.report.seconds for task in phase if task.report]
        if not seconds:
            return self.policy.backup_blind_s
        usual = self.policy.backup_factor * median(seconds)
        return max(self.policy.backup_after_s, usual)
