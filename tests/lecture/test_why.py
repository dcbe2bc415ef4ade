"""Where the time of a run went: the parts add up, and patterns are named."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lecture.trace import Line, Run
from lecture.why import lines_of, why
from tests.lecture.runs import hostile, run, task, thousand, with_a_death


@pytest.mark.parametrize("made", [with_a_death(), hostile(), thousand()])
def test_the_parts_are_one_chain_without_a_gap(made: Run) -> None:
    parts = why(made).parts
    assert parts[0].begin == 0.0
    assert parts[-1].end == made.wall_s
    for before, after in pairwise(parts):
        assert before.end == after.begin
    assert sum(why(made).sums().values()) == pytest.approx(made.wall_s)


def test_lost_work_is_a_part_of_its_own() -> None:
    sums = why(with_a_death()).sums()
    assert sums["again"] == pytest.approx(0.2)
    assert sums["compute"] == pytest.approx(0.45)


def test_clocks_that_differ_do_not_make_a_circle() -> None:
    first = task("f", 0.5, 0.6, id="a", after=["b"], worker="worker 1")
    second = task("g", 0.5, 0.6, id="b", after=["a"], worker="worker 2")
    assert why(run(first, second)).parts[0].begin == 0.0


def small() -> list[Line]:
    return [
        task("f", n * 0.01, n * 0.01 + 0.001, id=str(n)) for n in range(30)
    ]


def loop() -> list[Line]:
    return [
        task("f", n + 0.1, n + 0.9, id=str(n), submitted=n + 0.05)
        for n in range(6)
    ]


def straggler() -> list[Line]:
    return [
        task("f", 0.0, 0.9 if n == 3 else 0.2, id=str(n), worker=f"w{n}")
        for n in range(6)
    ]


def arguments() -> list[Line]:
    return [task("f", n, n + 0.9, id=str(n), loaded=n + 0.7) for n in range(3)]


def copies() -> list[Line]:
    nodes: list[Line] = [
        {"kind": "node", "id": n, "name": n, "cpus": 1, "state": "ALIVE"}
        for n in "abc"
    ]
    fetched = {"kind": "object", "id": "x", "name": "fetch 1.0 MB"}
    return [
        *nodes,
        *({**fetched, "node": n, "begin": 0, "end": 1} for n in "bc"),
    ]


WAIT = {"kind": "wait", "id": "a", "begin": 0.1, "end": 0.9}


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("work was lost", with_a_death().lines),
        ("tasks are too small", small()),
        ("a get in a loop", loop()),
        ("a straggler", straggler()),
        ("arguments take long", arguments()),
        ("an object was copied to every node", copies()),
        ("tasks wait in get", [task("f", 0, 1), WAIT]),
    ],
)
def test_a_pattern_is_named(name: str, lines: list[Line]) -> None:
    assert name in [finding.name for finding in why(run(*lines)).findings]


def test_a_run_without_a_pattern_has_no_finding() -> None:
    lines = [task("f", 0.0, 0.9, id=str(n), worker=f"w{n}") for n in range(4)]
    assert why(run(*lines)).findings == []


def test_the_number_that_would_do_is_said() -> None:
    (finding,) = why(run(*small())).findings
    # 9 ms pass between two that compute 1 ms
    assert "Let one task do 180 of them" in finding.text


def test_what_was_not_told_is_said() -> None:
    made = with_a_death()
    made.about["absent"] = ["waits in get"]
    assert [*lines_of(made)][-1] == "not told by minimr: waits in get"


def driver(end: float, **more: object) -> Line:
    """Return a call of `get` by the driver."""
    line = {"kind": "call", "name": "get", "begin": 0.0, "end": end}
    return {**line, "tasks": [], "times": 1, "bytes": 0, **more}


def test_what_the_driver_does_between_tasks_is_told_apart() -> None:
    first = task("f", 0.1, 0.3, id="a")
    last = task("g", 0.6, 0.8, id="b", submitted=0.6)
    del first["answered"], last["answered"]  # as Ray, which does not tell
    assert why(run(first, last)).sums()["between"] == pytest.approx(0.5)
    sums = why(run(first, last, driver(0.4), driver(0.9, begin=0.7))).sums()
    assert "between" not in sums
    # 0.3 to 0.4 and 0.8 to 0.9 in get, the rest of its own
    assert sums["results"] == pytest.approx(0.2)
    assert sums["driver"] == pytest.approx(0.3)


def test_an_answer_is_on_its_way_until_it_is_there() -> None:
    sums = why(run(task("f", 0.0, 0.5, answered=0.8))).sums()
    assert sums["hop"] == pytest.approx(0.3)
    assert sums["driver"] == pytest.approx(0.2)


def test_a_wait_of_a_task_is_not_what_it_computes() -> None:
    parent = task("f", 0.0, 1.0, id="a")
    waits = [{**WAIT, "begin": 0.1, "end": 0.3}, {**WAIT, "begin": 0.5}]
    sums = why(run(parent, *waits)).sums()
    assert sums["nested"] == pytest.approx(0.6)
    assert sums["compute"] == pytest.approx(0.4)
