"""An error of a task is an error of the job, and the engine lives on."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minimr.interface.mapreduce import Job, JobError, MapReduce
from minimr.shared.mapreduce.wordcount import COMBINED
from tests.contract.conftest import on_workers
from tests.contract.jobs import PickyError, StubbornError, Unloadable
from tests.stage import Knock, PlannedError, Stage
from tests.table import Table

MAX_TRIES = 4


def fails(engine: MapReduce, job: Job, splits: Any = range(3)) -> JobError:
    with pytest.raises(JobError) as caught:
        engine.run(job, splits, 2)
    assert engine.run(COMBINED, [["a"]] * 5, 2).merged() == {"a": 5}
    return caught.value


def told(error: JobError) -> str:
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("task", ["map 1", "reduce 1"])
def test_a_task_that_raises_fails_the_job_with_its_own_exception(
    engine: MapReduce, stage: Stage, task: str
) -> None:
    def raise_there(knock: Knock) -> str:
        return "raise" if knock.name == task else "go"

    stage.script = raise_there
    error = fails(engine, Table(stage.address, 3, 2).job())
    assert isinstance(error.__cause__, PlannedError)
    assert str(error.__cause__) == f"{task} was told to raise"
    # The traceback of the task: the user's function, down to the line.
    assert "in knock" in told(error)
    assert f"self.{task.split()[0]}" in told(error) or "table.py" in told(
        error
    )
    assert 1 <= stage.names().count(task) <= MAX_TRIES


@on_workers
def test_the_error_itself_has_the_remote_traceback(
    engine: MapReduce,
) -> None:
    def divide_by_nothing(split: int) -> Any:
        return [(split, 1 / 0)]

    job = Job("dividing", divide_by_nothing, lambda key, values: None)
    error = fails(engine, job)
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert "in divide_by_nothing" in str(error)
    assert "test_errors.py" in str(error)
    assert "ZeroDivisionError: division by zero" in str(error)


def _generator(split: Any) -> Iterator[Any]:
    yield "fine", 1
    raise PlannedError("in the middle")


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (_generator, PlannedError),
        (lambda split: [("no pair",)], ValueError),
        (lambda split: None, TypeError),
        (lambda split: [(object(), 1)], TypeError),
        (lambda split: [([], 1)], TypeError),
    ],
    ids=[
        "a generator that raises",
        "no pairs",
        "nothing",
        "a key without a stable hash",
        "a key without a hash",
    ],
)
def test_a_map_function_that_gives_no_pairs_fails_the_job(
    engine: MapReduce,
    pairs: Callable[[Any], Any],
    expected: type[Exception],
) -> None:
    error = fails(engine, Job("no pairs", pairs, lambda key, values: None))
    assert isinstance(error.__cause__, expected)


@pytest.mark.parametrize("kind", [PickyError, StubbornError])
def test_an_exception_that_cannot_travel_is_told_in_words(
    engine: MapReduce, kind: type[Exception]
) -> None:
    def pairs(split: int) -> Any:
        raise PickyError(1, 2) if kind is PickyError else StubbornError("3")

    error = fails(engine, Job("stubborn", pairs, lambda key, values: None))
    assert error.__cause__ is not None
    assert kind.__name__ in told(error)
    assert ("1 and 2" if kind is PickyError else "3") in told(error)


def test_a_value_that_cannot_be_made_again_fails_the_job(
    engine: MapReduce,
) -> None:
    job = Job(
        "unloadable",
        lambda split: [("key", Unloadable())],
        lambda key, values: len(values),
    )
    assert "I cannot be loaded" in told(fails(engine, job))


@on_workers
def test_functions_that_cannot_be_made_again_fail_the_job(
    engine: MapReduce,
) -> None:
    unloadable = Unloadable()
    job = Job(
        "unloadable",
        lambda split: [("key", unloadable)],
        lambda key, values: len(values),
    )
    assert "I cannot be loaded" in told(fails(engine, job))


@on_workers
def test_an_output_that_cannot_be_made_again_fails_the_question(
    engine: MapReduce,
) -> None:
    job = Job(
        "unloadable",
        lambda split: [("key", split)],
        lambda key, values: Unloadable(),
    )
    with pytest.raises(JobError, match="I cannot be loaded"):
        engine.run(job, range(3), 2).merged()
    result = engine.run(COMBINED, [["a"]] * 5, 2)
    assert result.merged() == {"a": 5}


@on_workers
def test_a_split_that_cannot_be_pickled_is_refused_at_once(
    engine: MapReduce,
) -> None:
    lazy = ("text" for _ in range(3))
    with pytest.raises((JobError, TypeError), match=r"pickle|serialize"):
        engine.run(COMBINED, [["a"], lazy], 2)
    result = engine.run(COMBINED, [["a"]] * 5, 2)
    assert result.merged() == {"a": 5}
