"""What every rung has in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimr.interface import mapreduce as interface
from minimr.interface.mapreduce import (
    Job,
    Stats,
    check_num_reduce_tasks,
    count,
    task_counters,
)
from minimr.serial.mapreduce import MapReduce
from minimr.shared.mapreduce.wordcount import TEXTBOOK

OUTPUTS = st.dictionaries(st.text(max_size=2), st.integers(-3, 3)).flatmap(
    lambda whole: st.tuples(
        st.just(whole),
        st.lists(st.integers(0, 3), min_size=len(whole), max_size=len(whole)),
    )
)


class Result(interface.Result):
    """Outputs that lie here."""

    def __init__(self, outputs: list[dict[Any, Any]]) -> None:
        self.stats = Stats()
        self.outputs = outputs
        self.brought = 0  # pairs, to the driver

    def apply(self, function: Callable[[dict[Any, Any]], Any]) -> list[Any]:
        answers = [function(output) for output in self.outputs]
        self.brought += sum(map(len, answers))
        return answers

    def close(self) -> None:
        self.outputs = []


def test_the_top_is_in_order_and_ties_stand_by_key() -> None:
    result = Result([{"d": 1, "b": 2}, {"a": 1, "z": 5}, {}, {"c": 2}])
    assert result.top(4) == [("z", 5), ("b", 2), ("c", 2), ("a", 1)]


@given(OUTPUTS, st.integers(0, 12))
def test_the_top_is_the_same_however_the_keys_are_dealt(
    dealt: tuple[dict[str, int], list[int]], n: int
) -> None:
    whole, places = dealt
    outputs: list[dict[str, int]] = [{} for _ in range(4)]
    for (key, value), place in zip(whole.items(), places, strict=True):
        outputs[place][key] = value
    in_order = sorted(whole.items(), key=lambda pair: (-pair[1], pair[0]))
    assert Result(outputs).top(n) == in_order[:n]
    assert Result(outputs).merged() == whole


def test_the_top_brings_only_candidates_to_the_driver() -> None:
    outputs = [{f"{r}-{i}": i % 50 for i in range(1000)} for r in range(3)]
    result = Result(outputs)
    assert len(result.top(5)) == 5
    assert result.brought == 15


def test_more_than_there_is_gives_all_there_is() -> None:
    assert Result([{"a": 1}]).top(10) == [("a", 1)]
    assert Result([{}, {}]).top(10) == []
    assert Result([{"a": 1}]).top(0) == []


@pytest.mark.parametrize("number", [0, -1])
def test_less_than_one_reduce_task_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} reduce tasks: .* one"):
        check_num_reduce_tasks(number)
    with pytest.raises(ValueError, match="at least one"):
        MapReduce().run(TEXTBOOK, ["a"], number)


def test_one_reduce_task_is_enough() -> None:
    check_num_reduce_tasks(1)


def test_counting_adds_to_the_counters_of_the_task() -> None:
    counters = interface.Counter[str]()
    token = task_counters.set(counters)
    count("a")
    count("a", 2)
    count("b", 0)
    task_counters.reset(token)
    count("a")
    assert counters == {"a": 3, "b": 0}


def test_the_seconds_of_a_run_are_those_of_both_phases() -> None:
    assert Stats(map_seconds=1.5, reduce_seconds=0.25).seconds == 1.75


def test_two_runs_do_not_share_counters() -> None:
    Stats().counters["a"] += 1
    assert Stats().counters == {}


def test_a_job_cannot_be_changed() -> None:
    job = Job("name", print, print)
    with pytest.raises(AttributeError):
        job.name = "other"  # type: ignore[misc]


def test_an_engine_is_closed_when_its_block_ends() -> None:
    closed = []

    class Engine(MapReduce):
        def close(self) -> None:
            closed.append(self)

    with Engine() as engine:
        assert closed == []
    assert closed == [engine]


def test_an_engine_is_closed_when_its_block_raises() -> None:
    closed = []

    class Engine(MapReduce):
        def close(self) -> None:
            closed.append(self)

    with pytest.raises(ValueError, match="at least one"), Engine() as engine:
        engine.run(TEXTBOOK, [], 0)
    assert closed == [engine]
