"""The decisions of a job, with no socket and no clock."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from minimr.shared.mapreduce.tasks import TaskReport
from minimr.sockets.cluster.messages import TaskId
from minimr.sockets.cluster.tracker import IDLE, Policy, Task, Tracker

POLICY = Policy(
    max_attempts=3,
    backup_after_s=1.0,
    backup_factor=2.0,
    backup_blind_s=10.0,
    task_timeout_s=60.0,
)
ANNA, BERT, CARL = 1, 2, 3  # workers


def report(seconds: float = 0.0) -> TaskReport:
    return TaskReport(pid=0, started_at=0.0, seconds=seconds)


def maps(*numbers: int) -> list[TaskId]:
    return [TaskId("map", number) for number in numbers]


def reduces(*numbers: int) -> list[TaskId]:
    return [TaskId("reduce", number) for number in numbers]


def assign(tracker: Tracker, worker: int, now: float = 0.0) -> TaskId | None:
    task = tracker.assign(worker, now)
    return None if task is None else task.id


def do(tracker: Tracker, worker: int, seconds: float = 0.0) -> TaskId:
    """Let a worker run the next task to its end."""
    id_ = assign(tracker, worker)
    assert id_ is not None
    tracker.finish(worker, id_, report(seconds))
    return id_


def tracker_in_reduce() -> Tracker:
    """Two map tasks are done, one by each of Anna and Bert."""
    tracker = Tracker(2, 2, POLICY)
    do(tracker, ANNA)
    do(tracker, BERT)
    return tracker


# ---- rule 1: map tasks go first


def test_tasks_go_out_in_order_maps_first() -> None:
    tracker = Tracker(2, 2)
    order = [do(tracker, ANNA) for _ in range(4)]
    assert order == maps(0, 1) + reduces(0, 1)
    assert tracker.done
    assert tracker.assign(ANNA, 0.0) is None


def test_no_reduce_task_begins_before_every_map_task_is_done() -> None:
    tracker = Tracker(2, 1, POLICY)
    assert assign(tracker, ANNA) == TaskId("map", 0)
    do(tracker, BERT)
    assert not tracker.maps_done
    assert assign(tracker, BERT) is None
    tracker.finish(ANNA, TaskId("map", 0), report())
    assert tracker.maps_done
    assert assign(tracker, BERT) == TaskId("reduce", 0)


def test_a_job_without_splits_goes_to_its_reduce_tasks() -> None:
    tracker = Tracker(0, 1)
    assert tracker.maps_done
    assert tracker.sources() == {}
    assert do(tracker, ANNA) == TaskId("reduce", 0)
    assert tracker.done


def test_a_reduce_task_learns_who_holds_its_blocks() -> None:
    tracker = Tracker(3, 1)
    for worker in (ANNA, BERT, ANNA):
        do(tracker, worker)
    assert tracker.sources() == {ANNA: [0, 2], BERT: [1]}


def test_reduce_tasks_wait_for_a_map_task_that_runs_again() -> None:
    tracker = tracker_in_reduce()
    tracker.lose(ANNA)
    assert not tracker.maps_done
    assert assign(tracker, BERT) == TaskId("map", 0)
    assert assign(tracker, CARL) is None
    tracker.finish(BERT, TaskId("map", 0), report())
    assert assign(tracker, CARL) == TaskId("reduce", 0)
    assert tracker.sources() == {BERT: [0, 1]}


# ---- rule 2: what a worker made dies with it


def test_a_running_task_goes_to_somebody_else_when_its_worker_dies() -> None:
    tracker = Tracker(1, 1, POLICY)
    assign(tracker, ANNA)
    assert assign(tracker, BERT) is None
    assert tracker.lose(ANNA) == []
    assert assign(tracker, BERT) == TaskId("map", 0)


def test_blocks_and_outputs_die_with_their_worker() -> None:
    tracker = tracker_in_reduce()
    do(tracker, ANNA)
    do(tracker, BERT)
    assert tracker.done
    tracker.lose(BERT)
    assert not tracker.done
    assert [do(tracker, ANNA) for _ in range(2)] == maps(1) + reduces(1)
    assert tracker.done
    assert tracker.reruns == 2


def test_the_report_that_counts_is_of_the_attempt_that_was_read() -> None:
    tracker = Tracker(1, 1, POLICY)
    do(tracker, ANNA, seconds=1.0)
    tracker.lose(ANNA)
    do(tracker, BERT, seconds=2.0)
    assert tracker.reports() == ([report(2.0)], [])


def test_maps_stay_lost_while_no_output_is_missing() -> None:
    tracker = tracker_in_reduce()
    do(tracker, ANNA)
    do(tracker, ANNA)
    tracker.lose(BERT)  # it held a map task that nobody needs any more
    assert tracker.done
    assert assign(tracker, ANNA) is None


def test_a_death_takes_nothing_from_the_others() -> None:
    tracker = tracker_in_reduce()
    assign(tracker, CARL)
    tracker.lose(CARL)
    assert tracker.sources() == {ANNA: [0], BERT: [1]}
    assert tracker.lose(CARL) == []


def test_somebody_who_was_never_there_may_be_lost() -> None:
    tracker = tracker_in_reduce()
    assert tracker.lose(99) == []
    assert tracker.maps_done


# ---- rule 3: backup tasks


def straggling(median: float) -> Tracker:
    """Anna has run the last of four map tasks since time 0."""
    tracker = Tracker(4, 1, POLICY)
    assign(tracker, ANNA)
    for _ in range(3):
        do(tracker, BERT, seconds=median)
    return tracker


@pytest.mark.parametrize(
    ("median", "age"),
    [(0.1, 1.0), (0.5, 1.0), (2.0, 4.0), (10.0, 20.0)],
)
def test_a_straggler_gets_a_backup_when_far_above_the_median(
    median: float, age: float
) -> None:
    tracker = straggling(median)
    assert assign(tracker, BERT, age - 0.001) is None
    assert assign(tracker, BERT, age) == TaskId("map", 0)


def test_one_slow_task_does_not_make_all_others_usual() -> None:
    tracker = Tracker(4, 1, POLICY)
    assign(tracker, ANNA)
    for seconds in (1.0, 2.0, 30.0):
        do(tracker, BERT, seconds)
    assert assign(tracker, BERT, 4.0) == TaskId("map", 0)


def test_without_a_median_a_backup_waits_longer() -> None:
    tracker = Tracker(1, 1, POLICY)
    tracker.assign(ANNA, 0.0)
    assert tracker.next_change(0.0) == 10.0
    assert assign(tracker, BERT, 9.9) is None
    assert assign(tracker, BERT, 10.0) == TaskId("map", 0)


def test_no_backup_while_a_task_is_idle() -> None:
    tracker = Tracker(3, 1, POLICY)
    assign(tracker, ANNA, 0.0)
    assert assign(tracker, BERT, 50.0) == TaskId("map", 1)
    assert assign(tracker, CARL, 50.0) == TaskId("map", 2)


def test_no_backup_on_the_worker_that_runs_the_task() -> None:
    tracker = straggling(0.1)
    assert assign(tracker, ANNA, 50.0) is None


def test_one_backup_is_enough() -> None:
    tracker = straggling(0.1)
    assert assign(tracker, BERT, 50.0) == TaskId("map", 0)
    assert assign(tracker, CARL, 50.0) is None


def test_the_one_that_has_run_longest_is_backed_up_first() -> None:
    tracker = Tracker(2, 1, POLICY)
    tracker.assign(ANNA, 5.0)
    tracker.assign(BERT, 3.0)
    assert assign(tracker, CARL, 20.0) == TaskId("map", 1)
    assert assign(tracker, 4, 20.0) == TaskId("map", 0)


def test_a_reduce_task_is_judged_by_reduce_tasks() -> None:
    tracker = Tracker(1, 2, POLICY)
    do(tracker, ANNA, seconds=30.0)
    assign(tracker, ANNA, 0.0)
    do(tracker, BERT, seconds=0.1)
    assert assign(tracker, BERT, 1.0) == TaskId("reduce", 0)


def test_the_first_to_finish_counts_and_its_rival_is_cancelled() -> None:
    tracker = straggling(0.1)
    assign(tracker, CARL, 50.0)
    task = TaskId("map", 0)
    assert tracker.finish(CARL, task, report(0.2)) == {ANNA}
    assert tracker.finish(ANNA, task, report(50.0)) == set()
    assert tracker.task(task).holder == CARL
    assert tracker.task(task).report == report(0.2)
    assert tracker.sources() == {CARL: [0], BERT: [1, 2, 3]}
    assert tracker.reruns == 1


def test_a_task_goes_on_when_only_its_backup_dies() -> None:
    tracker = straggling(0.1)
    assign(tracker, CARL, 50.0)
    tracker.lose(CARL)
    assert tracker.finish(ANNA, TaskId("map", 0), report()) == set()
    assert tracker.maps_done


# ---- late duplicates


def test_a_late_result_of_a_task_that_was_given_away_changes_nothing() -> None:
    tracker = Tracker(1, 1, POLICY)
    task = TaskId("map", 0)
    assign(tracker, ANNA)
    tracker.lose(ANNA)
    assign(tracker, BERT)
    assert tracker.finish(ANNA, task, report()) == set()
    assert tracker.task(task).holder is None
    tracker.finish(BERT, task, report())
    tracker.finish(BERT, task, report(9.0))
    assert tracker.task(task).holder == BERT
    assert tracker.task(task).report == report()


def test_a_late_failure_changes_nothing() -> None:
    tracker = straggling(0.1)
    assign(tracker, CARL, 50.0)
    task = TaskId("map", 0)
    tracker.finish(CARL, task, report())
    assert tracker.fail(ANNA, task) is False
    assert tracker.fetch_failed(ANNA, task, source=BERT) is False
    assert tracker.task(task).failures == 0
    assert tracker.maps_done


# ---- rule 4: bounded tries


def test_a_task_that_raises_gets_another_try_and_then_fails() -> None:
    tracker = Tracker(1, 1, POLICY)
    task = TaskId("map", 0)
    verdicts = []
    for worker in (ANNA, BERT, ANNA):
        assert assign(tracker, worker) == task
        verdicts.append(tracker.fail(worker, task))
    assert verdicts == [False, False, True]


def test_a_task_that_takes_its_workers_down_fails_in_the_end() -> None:
    tracker = Tracker(2, 1, POLICY)
    do(tracker, 99)
    exhausted: list[Task] = []
    for worker in (ANNA, BERT, CARL):
        assert exhausted == []
        assert assign(tracker, worker) == TaskId("map", 1)
        exhausted = tracker.lose(worker)
    assert [task.id for task in exhausted] == maps(1)


def test_errors_and_deaths_are_counted_together() -> None:
    tracker = Tracker(1, 1, POLICY)
    assign(tracker, ANNA)
    assert tracker.fail(ANNA, TaskId("map", 0)) is False
    assign(tracker, ANNA)
    assert tracker.lose(ANNA) == []
    assign(tracker, BERT)
    assert tracker.fail(BERT, TaskId("map", 0)) is True


def test_a_task_is_not_to_blame_for_the_death_of_its_holder() -> None:
    tracker = Tracker(1, 1, POLICY)
    for worker in range(10):
        assert do(tracker, worker) == TaskId("map", 0)
        assert tracker.lose(worker) == []
    assert tracker.task(TaskId("map", 0)).failures == 0


# ---- blocks that cannot be fetched


def test_blocks_that_cannot_be_fetched_are_made_again() -> None:
    tracker = tracker_in_reduce()
    task = reduces(0)[0]
    assert assign(tracker, BERT) == task
    assert tracker.fetch_failed(BERT, task, source=ANNA) is False
    assert assign(tracker, BERT) == TaskId("map", 0)
    assert assign(tracker, CARL) is None


def test_a_reduce_task_that_cannot_fetch_is_not_to_blame() -> None:
    tracker = tracker_in_reduce()
    task = reduces(0)[0]
    assign(tracker, BERT)
    tracker.fetch_failed(BERT, task, source=ANNA)
    assert tracker.task(task).failures == 0


def test_a_source_that_is_known_to_be_gone_is_not_blamed_twice() -> None:
    tracker = tracker_in_reduce()
    task = reduces(0)[0]
    assign(tracker, BERT)
    tracker.lose(ANNA)
    tracker.fetch_failed(BERT, task, source=ANNA)
    assert tracker.task(TaskId("map", 0)).failures == 0
    assert [do(tracker, BERT) for _ in range(2)] == [*maps(0), task]


def test_blocks_that_can_never_be_fetched_fail_the_job() -> None:
    tracker = Tracker(1, 1, POLICY)
    verdicts = []
    for _ in range(3):
        do(tracker, ANNA)
        task = assign(tracker, BERT)
        assert task == TaskId("reduce", 0)
        verdicts.append(tracker.fetch_failed(BERT, task, source=ANNA))
    assert verdicts == [False, False, True]


# ---- time


def test_a_task_that_runs_too_long_is_overdue() -> None:
    tracker = Tracker(2, 1, POLICY)
    tracker.assign(ANNA, 0.0)
    tracker.assign(BERT, 5.0)
    assert tracker.overdue(59.9) == []
    assert tracker.overdue(60.0) == [ANNA]
    assert tracker.overdue(65.0) == [ANNA, BERT]
    tracker.finish(ANNA, TaskId("map", 0), report())
    assert tracker.overdue(65.0) == [BERT]


def test_nothing_changes_by_time_alone_when_nothing_runs() -> None:
    assert Tracker(1, 1, POLICY).next_change(7.0) >= 3600.0


def test_the_next_change_is_the_moment_of_a_backup() -> None:
    tracker = straggling(median=2.0)
    assert tracker.next_change(0.0) == 4.0
    assert tracker.next_change(3.0) == 1.0
    assert assign(tracker, BERT, 3.9) is None
    assert assign(tracker, BERT, 4.0) == TaskId("map", 0)


def test_a_straggler_that_nobody_can_back_up_is_no_reason_to_hurry() -> None:
    tracker = straggling(median=0.1)
    assert tracker.next_change(50.0) == 10.0


def test_after_its_backup_the_next_change_is_when_a_task_is_overdue() -> None:
    tracker = straggling(median=0.1)
    assign(tracker, BERT, 10.0)
    assert tracker.next_change(10.0) == 50.0
    assert tracker.next_change(100.0) == 0.0


def test_while_a_task_is_idle_no_backup_is_near() -> None:
    tracker = Tracker(2, 1, POLICY)
    tracker.assign(ANNA, 0.0)
    assert tracker.next_change(0.0) == 60.0


# ---- any schedule


class Schedule(RuleBasedStateMachine):
    """Anything that workers may do, in any order.

    Failures stay below the limit: how a job fails is tested above.
    """

    workers = Bundle("workers")

    @initialize(num_maps=st.integers(0, 4), num_reduces=st.integers(1, 3))
    def begin(self, num_maps: int, num_reduces: int) -> None:
        self.tracker = Tracker(
            num_maps, num_reduces, Policy(10**6, 2.0, 2.0, 5.0, 60.0)
        )
        self.now = 0
        self.joined = 0
        self.alive: set[int] = set()
        self.runs: dict[int, TaskId] = {}  # {worker: what it was told}
        self.given = Counter[TaskId]()

    @rule(target=workers)
    def join(self) -> int:
        self.joined += 1
        self.alive.add(self.joined)
        return self.joined

    @rule(seconds=st.integers(1, 10))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(worker=workers)
    def ask(self, worker: int) -> None:
        if worker in self.runs:
            return
        before = self.tracker.maps_done
        task = self.tracker.assign(worker, self.now)
        if task is None:
            return
        assert task.holder is None
        assert len(task.attempts) <= 2
        assert before == (task.id.kind == "reduce")
        if task.id.kind == "reduce":
            held = self.tracker.sources()
            assert set(held) <= self.alive
            numbers = sorted(n for some in held.values() for n in some)
            assert numbers == list(range(len(self.tracker.maps)))
        self.runs[worker] = task.id
        self.given[task.id] += 1

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), late=st.booleans())
    def finish(self, data: st.DataObject, late: bool) -> None:
        worker = data.draw(st.sampled_from(sorted(self.runs)))
        id_ = self.runs.pop(worker)
        for rival in self.tracker.finish(worker, id_, report(self.now % 7)):
            assert self.runs[rival] == id_
            if not late:  # else it finishes as well, some time
                del self.runs[rival]

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.runs)))
        assert self.tracker.fail(worker, self.runs.pop(worker)) is False

    @precondition(lambda self: self.runs and self.alive)
    @rule(data=st.data())
    def fail_to_fetch(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.runs)))
        source = data.draw(st.sampled_from(sorted(self.alive)))
        if self.runs[worker].kind == "reduce" and source != worker:
            id_ = self.runs.pop(worker)
            assert not self.tracker.fetch_failed(worker, id_, source)

    @rule(worker=consumes(workers))
    def lose(self, worker: int) -> None:
        self.alive.discard(worker)
        self.runs.pop(worker, None)
        assert self.tracker.lose(worker) == []

    @invariant()
    def all_that_is_held_or_runs_is_with_the_living(self) -> None:
        for task in (*self.tracker.maps, *self.tracker.reduces):
            assert task.holder is None or task.holder in self.alive
            assert not (task.holder is not None and task.attempts)
            assert task.holder is None or task.report is not None
            assert set(task.attempts) <= set(self.runs)
            assert all(self.runs[w] == task.id for w in task.attempts)
            assert task.started == self.given[task.id]
        again = sum(n - 1 for n in self.given.values() if n)
        assert self.tracker.reruns == again

    @invariant()
    def the_next_change_is_neither_missed_nor_early(self) -> None:
        tracker, now = self.tracker, self.now
        phase = tracker.reduces if tracker.maps_done else tracker.maps
        if tracker.done or any(task.state is IDLE for task in phase):
            return
        change = now + tracker.next_change(now)
        if change > now and tracker.overdue(now) == []:
            early = self._has_straggler(now)
            assert self._has_straggler(change - 0.25) == early
            assert tracker.overdue(change - 0.25) == []
            if not early:
                assert self._has_straggler(change) or tracker.overdue(change)

    def _has_straggler(self, now: float) -> bool:
        """Tell whether a worker that is new would get a backup then."""
        task = self.tracker.assign(-1, now)
        if task is None:
            return False
        del task.attempts[-1]
        task.started -= 1
        return True

    def teardown(self) -> None:
        """Whatever came before: one good worker ends the job."""
        if not hasattr(self, "tracker"):
            return
        tracker, finisher = self.tracker, 10**9
        for worker in list(self.alive):
            tracker.lose(worker)
        done = []
        while task := tracker.assign(finisher, self.now):
            assert tracker.finish(finisher, task.id, report()) == set()
            done.append(task.id)
        assert tracker.done
        assert done == [task.id for task in (*tracker.maps, *tracker.reduces)]


Schedule.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
TestAnySchedule = Schedule.TestCase
