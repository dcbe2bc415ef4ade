"""The patterns of Ray's documents are named, on both engines alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lecture.findings import Finding
from lecture.patterns import ABOUT, HABITS, PENDING
from lecture.trace import Line
from lecture.why import why
from tests.lecture.pattern_programs import PATTERNS
from tests.lecture.pattern_runs import names, record, recorded, start
from tests.lecture.runs import run, task

ENGINES = ("minimr", "ray")
# What is seen, however slow the machine is.
FACTS = (
    "a generator",
    "a task returns what it has put",
    "a result is fetched for nothing",
    "too much is fetched at once",
    "a function is defined again and again",
    "a large argument is passed again and again",
    "a closure is large",
    "a global variable is shared",
    "a reference goes its own way",
)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_named_and_what_does_better_is_not(
    engine: str, name: str
) -> None:
    runs, (program, better) = recorded(engine), PATTERNS[name]
    assert name in names(runs[program.__name__])
    assert name not in names(runs[better.__name__])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_program_is_accused_of_nothing_that_it_does_not_do(
    engine: str,
) -> None:
    pairs = PATTERNS.items()
    may = {p.__name__: {name} for name, (p, _) in pairs}
    for name, (_, better) in pairs:
        may.setdefault(better.__name__, set()).discard(name)
    for program, made in recorded(engine).items():
        found = [f.name for f in why(made).findings if not f.good]
        assert set(found) & PATTERNS.keys() <= may[program], program


def found(*lines: Line, **about: Any) -> list[str]:
    made = run(*lines)
    made.about |= about
    return names(made)


def seen(what: str, times: int = 1, bytes: int = 0, *about: str) -> Line:
    told = {"times": times, "bytes": bytes, "about": [*about]}
    return {"kind": "seen", "what": what, "name": "f", **told}


def loop(*more: Line) -> list[Line]:
    """Return tasks of which each is submitted after the one before."""
    return [
        task("f", n / 10, n / 10 + 0.08, id=str(n), submitted=n / 10)
        for n in range(6)
    ] + [*more]


def test_a_loop_that_passes_each_result_on_is_none() -> None:
    assert "a get in a loop" in found(*loop())
    passed = [seen("after", 1, 0, str(n), str(n + 1)) for n in range(5)]
    assert "a get in a loop" not in found(*loop(*passed))


def test_a_loop_beside_which_another_task_runs_is_none() -> None:
    other = task("g", 0.0, 0.9, submitted=0.0, worker="worker 2")
    assert "a get in a loop" not in found(other, *loop())


def test_a_loop_is_found_in_a_part_of_a_run() -> None:
    rest = [
        task("f", 0.7, 0.75, id=f"r{n}", submitted=0.65, worker=f"w{n}")
        for n in range(20)
    ]
    assert "a get in a loop" in found(*loop(*rest))


def test_calls_of_one_actor_are_no_loop() -> None:
    calls = [{**each, "name": "A.f"} for each in loop()]
    assert "a get in a loop" not in found(*calls)


def test_what_costs_little_is_not_named() -> None:
    assert found(seen("by value", 5, 500_000)) == []
    assert found(seen("by value", 5, 5_000_000)) != []
    assert found(seen("captured", 1, 500_000, "x")) == []
    assert found(seen("passed on", 1, 500_000)) == []
    assert (
        found(seen("defined", 9, 0, "x:1"), seen("called", 90, 0, "x:1")) == []
    )


def test_many_tasks_that_are_pending_are_named() -> None:
    lines = [
        task("f", n * 1e-4, n * 1e-4 + 1e-4, id=str(n)) for n in range(PENDING)
    ]
    assert "too many tasks are pending" in found(*lines)
    assert "too many tasks are pending" not in found(*lines[1:])


def got(task: str, begin: float, end: float) -> Line:
    line = {"kind": "call", "name": "get", "begin": begin, "end": end}
    return {**line, "tasks": [task], "times": 1, "bytes": 0}


def test_an_order_that_costs_nothing_is_not_named() -> None:
    tasks = [
        task("f", 0.0, 0.4 if n == 0 else 0.1, id=str(n), worker=f"w{n}")
        for n in range(5)
    ]
    idle = [got(str(n), 0.4 * (n > 0), 0.4) for n in range(5)]
    name = "results are taken in the order of their tasks"
    assert name not in found(*tasks, *idle)
    busy = [
        got(str(n), 0.3 + n / 10, 0.4 + n / 10) if n else got("0", 0.0, 0.4)
        for n in range(5)
    ]
    assert name not in found(*tasks, *busy)
    works = [got(str(n), 0.4 + n / 10, 0.4 + n / 10) for n in range(1, 5)]
    assert name in found(*tasks, got("0", 0.0, 0.4), *works)


def test_waits_that_are_not_told_are_no_praise() -> None:
    parent = task("f", 0.0, 0.9, id="p")
    calls = [
        task(
            "Q.take", n / 5, n / 5 + 0.1, id=str(n), parent="p",
            submitted=n / 5, worker="worker 2",
        )
        for n in range(4)
    ]  # fmt: skip
    name = "the next piece is fetched ahead"
    assert name in found(parent, *calls)
    absent = ["waits in get: start Ray otherwise"]
    assert name not in found(parent, *calls, absent=absent)


def test_lines_that_say_too_little_break_nothing() -> None:
    whats = (*HABITS, *ABOUT, "store", "generator", "asks for 2 CPU")
    lines = [seen(what, 0) for what in whats]
    assert "a closure is large" not in found(*lines, got("a", 0, 1))


def test_what_helps_is_told_apart_from_what_harms() -> None:
    good = Finding("a", "b", good=True)
    assert (str(good), str(Finding("a", "b"))) == ("well done: a: b", "a: b")


def test_what_is_seen_of_a_program_is_named_as_it_runs() -> None:
    def all_of(which: int) -> Callable[[Any], None]:
        def program(api: Any) -> None:
            for name in FACTS:
                PATTERNS[name][which](api)

        return program

    api = start("minimr")
    try:
        assert set(FACTS) <= {*names(record(api, all_of(0)))}
        assert not set(FACTS) & {*names(record(api, all_of(1)))}
    finally:
        api.shutdown()
