"""What a result answers: everything, the largest, and what it has cost."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from minimr.interface.mapreduce import Job, JobError, MapReduce, count
from minimr.shared.mapreduce.wordcount import COMBINED, TEXTBOOK
from tests.contract.conftest import on_workers
from tests.contract.jobs import INVERTED_INDEX
from tests.stage import PlannedError

SPLITS = [["a b c"], ["b c d e"], ["c e"], ["f"]]
COUNTS = {"a": 1, "b": 2, "c": 3, "d": 1, "e": 2, "f": 1}


def test_top_gives_the_largest_with_ties_in_order_of_key(
    engine: MapReduce,
) -> None:
    result = engine.run(COMBINED, SPLITS, 4)
    ranking = [("c", 3), ("b", 2), ("e", 2), ("a", 1), ("d", 1), ("f", 1)]
    for n in range(8):
        assert result.top(n) == ranking[:n]


def test_apply_answers_once_for_each_reduce_task_in_their_order(
    engine: MapReduce,
) -> None:
    job = Job("keys", lambda split: [(split, 0)], lambda key, values: key)
    result = engine.run(job, range(9), 3)
    assert [sorted(keys) for keys in result.apply(dict)] == [
        [0, 3, 6],
        [1, 4, 7],
        [2, 5, 8],
    ]
    assert result.apply(len) == [3, 3, 3]


def test_apply_brings_functions_and_lambdas_in_both_directions(
    engine: MapReduce,
) -> None:
    result = engine.run(COMBINED, SPLITS, 2)
    offset = 10
    adders = result.apply(lambda output: lambda n: n + len(output) + offset)
    assert sum(adder(0) for adder in adders) == len(COUNTS) + 2 * offset


def _raise_on_purpose(output: dict[Any, Any]) -> Any:
    if "a" in output:
        raise PlannedError("not this one")
    return "an answer that nobody waits for"


@on_workers
@pytest.mark.parametrize(
    "function",
    [_raise_on_purpose, lambda output: threading.Lock()],
    ids=["raises", "gives what cannot be pickled"],
)
def test_after_a_question_that_fails_the_next_one_gets_its_own_answers(
    engine: MapReduce, function: Any
) -> None:
    result = engine.run(COMBINED, SPLITS, 9)
    for _ in range(5):
        with pytest.raises(JobError):
            result.apply(function)
        assert result.merged() == COUNTS


def test_an_error_of_apply_is_a_job_error_with_its_cause(
    engine: MapReduce,
) -> None:
    result = engine.run(COMBINED, SPLITS, 2)
    with pytest.raises(JobError) as caught:
        result.apply(_raise_on_purpose)
    assert isinstance(caught.value.__cause__, PlannedError)
    assert result.merged() == COUNTS


def test_results_stay_open_while_other_jobs_run(engine: MapReduce) -> None:
    first = engine.run(COMBINED, SPLITS, 3)
    second = engine.run(TEXTBOOK, [["x y"], ["x"]], 2)
    third = engine.run(INVERTED_INDEX, [[("file", "word")]], 1)
    assert second.merged() == {"x": 2, "y": 1}
    assert first.merged() == COUNTS
    assert third.merged() == {"word": ["file"]}
    second.close()
    assert first.top(1) == [("c", 3)]
    assert engine.run(COMBINED, SPLITS, 5).merged() == COUNTS


@pytest.mark.parametrize("ask", ["merged", "apply", "top"])
def test_a_closed_result_says_that_it_is_closed(
    engine: MapReduce, ask: str
) -> None:
    result = engine.run(COMBINED, SPLITS, 2)
    result.close()
    result.close()  # once more is no error
    arguments = {"merged": (), "apply": (len,), "top": (3,)}[ask]
    with pytest.raises(ValueError, match="closed"):
        getattr(result, ask)(*arguments)


def test_counters_add_up_over_all_tasks(engine: MapReduce) -> None:
    def pairs(split: int) -> list[tuple[str, int]]:
        count("splits")
        count("numbers", split)
        return [("all", split), ("one", 1)]

    def fold(key: str, values: list[int]) -> int:
        count(f"values of {key}", len(values))
        return sum(values)

    result = engine.run(Job("counting", pairs, fold), range(10), 3)
    assert result.stats.counters == {
        "splits": 10,
        "numbers": 45,
        "values of all": 10,
        "values of one": 10,
    }
    assert count("outside of a task") is None
    assert result.stats.counters["outside of a task"] == 0


def test_stats_tell_what_the_run_has_cost(engine: MapReduce) -> None:
    texts = [[f"word{i} " * 100 + f"only{i}"] for i in range(6)]
    stats = engine.run(TEXTBOOK, texts, 4).stats
    assert (stats.map_tasks, stats.reduce_tasks) == (6, 4)
    assert stats.reruns == 0
    assert 6 * 100 < stats.shuffle_bytes < 20_000
    assert stats.map_seconds > 0
    assert stats.reduce_seconds > 0
    assert stats.seconds == stats.map_seconds + stats.reduce_seconds
    assert 2**23 < stats.worker_peak_rss_bytes < 2**33
    assert stats.first_map_at > 0


def test_nobody_shares_the_stats_of_another_run(engine: MapReduce) -> None:
    first = engine.run(COMBINED, SPLITS, 2).stats
    second = engine.run(COMBINED, SPLITS * 2, 3).stats
    assert (first.map_tasks, first.reduce_tasks) == (4, 2)
    assert (second.map_tasks, second.reduce_tasks) == (8, 3)
    assert first.counters is not second.counters
