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
