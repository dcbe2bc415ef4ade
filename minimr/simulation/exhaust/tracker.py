"""The tracker of rung 1, among workers that die, fail and are slow.

    assign ──> a worker has a task ──┬─ done, fails, cannot_fetch
                                     └─ dies
    waits: a second passes, so that some task is late

Two map tasks and one reduce task. What is real is `Tracker`; the workers are
what the coordinator would tell it of.
"""

from __future__ import annotations

from collections.abc import Hashable

from minimr.shared.mapreduce.tasks import TaskReport
from minimr.simulation.exhaust.search import Model, Step, must
from minimr.sockets.cluster.messages import TaskId
from minimr.sockets.cluster.tracker import Policy, Task, Tracker

POLICY = Policy(
    max_attempts=2,
    backup_after_s=1.0,
    backup_factor=1.0,
    backup_blind_s=2.0,
    task_timeout_s=1e6,
)
ENOUGH = 60  # orders, for a job that goes well


class TrackerModel(Model):
    """A job and its workers.

    Attributes:
        busy: {worker: its task}; the others that live are idle.
        made: what workers have really made, while they live.
    """

    is_data = False

    def __init__(
        self,
        workers: int = 3,
        deaths: int = 2,
        errors: int = 2,
        waits: int = 3,
    ) -> None:
        self.tracker = Tracker(2, 1, POLICY)
        self.alive = list(range(workers))
        self.busy: dict[int, TaskId] = {}
        self.sources: dict[int, tuple[int, ...]] = {}  # of reduce tasks
        self.made: set[tuple[int, TaskId]] = set()
        self.deaths, self.errors, self.waiting = deaths, errors, waits
        self.now = 0.0
        self.over = False  # a task was tried for the last time

    def steps(self) -> list[Step]:
        """Return what workers may do, or time."""
        if self.over:
            return []
        steps: list[Step] = []
        for worker in self.alive:
            if worker not in self.busy:
                steps.append(("assign", worker))
                continue
            steps.append(("done", worker))
            if self.errors:
                steps.append(("fails", worker))
                steps += [
                    ("cannot_fetch", worker, source)
                    for source in self.sources.get(worker, ())
                ]
        if self.deaths:
            steps += [("dies", worker) for worker in self.alive]
        if self.waiting and self.busy:
            steps.append(("waits",))
        return steps

    def state(self) -> Hashable:
        """Return tasks, workers, and what may still go wrong."""
        return (
            *map(self._task_state, self._tasks()),
            tuple(self.alive),
            tuple(sorted(self.busy.items())),
            tuple(sorted(self.sources.items())),
            tuple(sorted(self.made)),
            (self.deaths, self.errors, self.waiting, self.over),
        )

    def assign(self, worker: int) -> None:
        """Let an idle worker ask for a task."""
        task = self.tracker.assign(worker, self.now)
        if task is None:
            return
        must(task.holder is None, "what is done is not done again")
        if task.id.kind == "reduce":
            made = {id_ for _, id_ in self.made}
            done = all(each.id in made for each in self.tracker.maps)
            must(done, "map tasks go first")
            self.sources[worker] = tuple(self.tracker.sources())
        self.busy[worker] = task.id

    def done(self, worker: int) -> None:
        """Let a worker end its task."""
        id_ = self._idle_again(worker)
        task = self.tracker.task(id_)
        before = task.holder
        counts = worker in task.attempts
        rivals = set(task.attempts) - {worker}
        report = TaskReport(
            worker, 0.0, self.now - task.attempts.get(worker, self.now)
        )
        cancelled = self.tracker.finish(worker, id_, report)
        if counts:
            self.made.add((worker, id_))
            must(cancelled == rivals, "the rivals of a task are cancelled")
            must(task.holder == worker, "the first to finish counts")
        else:
            must(task.holder == before, "what comes late is dropped")

    def fails(self, worker: int) -> None:
        """Let a task raise."""
        self.errors -= 1
        self.over = self.tracker.fail(worker, self._idle_again(worker))

    def cannot_fetch(self, worker: int, source: int) -> None:
        """Let a reduce task fail to get its blocks."""
        self.errors -= 1
        self._fetch_failed(worker, source)

    def dies(self, worker: int) -> None:
        """Let a worker die."""
        self.deaths -= 1
        self.alive.remove(worker)
        self.busy.pop(worker, None)
        self.sources.pop(worker, None)
        self.made = {each for each in self.made if each[0] != worker}
        exhausted = self.tracker.lose(worker)
        self.over = bool(exhausted)

    def waits(self) -> None:
        """Let a second pass."""
        self.waiting -= 1
        self.now += 1.0

    def check(self) -> None:
        """Check every task."""
        tasks = self._tasks()
        for task in tasks:
            must(len(task.attempts) <= 2, "a task has one backup")
            must(
                not (task.attempts and task.holder is not None),
                "a task that is done is not in progress",
            )
            must(
                task.holder is None or (task.holder, task.id) in self.made,
                "what a worker made dies with it",
            )
            tried = task.failures < POLICY.max_attempts
            must(tried or self.over, "a task may fail so many times")
            for worker in task.attempts:
                must(
                    self.busy.get(worker) == task.id,
                    "who runs a task is alive, and runs it",
                )

    def settle(self) -> None:
        """Let nobody die or fail any more: the job ends."""
        if self.over or not self.alive:
            return
        for _ in range(ENOUGH):
            if self.tracker.done:
                break
            for worker in list(self.busy):
                lost = set(self.sources.get(worker, ())) - set(self.alive)
                if lost:
                    self._fetch_failed(worker, min(lost))
                else:
                    self.done(worker)
            for worker in self.alive:
                self.assign(worker)
        must(self.tracker.done, "a job ends when nobody dies any more")
        self.check()

    def _tasks(self) -> list[Task]:
        return [*self.tracker.maps, *self.tracker.reduces]

    def _task_state(self, task: Task) -> Hashable:
        ages = [(w, self.now - since) for w, since in task.attempts.items()]
        seconds = None if task.report is None else task.report.seconds
        return tuple(sorted(ages)), task.holder, seconds, task.failures

    def _idle_again(self, worker: int) -> TaskId:
        self.sources.pop(worker, None)
        return self.busy.pop(worker)

    def _fetch_failed(self, worker: int, source: int) -> None:
        id_ = self._idle_again(worker)
        self.over = self.tracker.fetch_failed(worker, id_, source)
