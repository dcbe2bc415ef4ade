"""Statistics of the DQN benchmark's runs, contender by contender.

A run that did not reach a score counts as longer than all others. Medians are
of all runs, and `>300` means that the middle run did not reach it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from benchmarks.common.tables import NOTHING
from benchmarks.common.timing import Spread
from benchmarks.dqn.course import Plan
from benchmarks.dqn.learners import PEER, SINGLE
from benchmarks.dqn.runs import Run
from minimr.cli.console import number_of

HEADS = (
    "contender",
    "median s",
    "min-max",
    "reached",
    f"/{SINGLE}",
    f"/{PEER}",
    "median cpu s",
    "median steps",
)


@dataclass(frozen=True)
class Way:
    """How one contender reached one score."""

    score: float
    runs: int
    reached: int  # of them
    seconds: Spread  # infinite where it was not reached
    cpu_seconds: Spread
    steps: Spread


@dataclass(frozen=True)
class Row:
    """A contender in numbers."""

    contender: str
    ways: list[Way]  # one per score


def summarise(
    runs: Iterable[Run], names: Sequence[str], plan: Plan
) -> list[Row]:
    """Return a row per contender that has runs."""
    mine = {name: [r for r in runs if r.contender == name] for name in names}
    return [
        Row(name, [_way(runs, score) for score in plan.scores])
        for name, runs in mine.items()
        if runs
    ]


def cells(row: Row, number: int, rows: Sequence[Row], plan: Plan) -> list[str]:
    """Return the cells of a row, in the table of this score."""
    way = row.ways[number]
    spread, cpu = way.seconds, way.cpu_seconds.median
    steps = way.steps.median
    return [
        row.contender,
        _seconds(spread.median, plan),
        f"{_seconds(spread.low, plan)}-{_seconds(spread.high, plan)}",
        f"{way.reached}/{way.runs}",
        ratio(row, SINGLE, number, rows, plan),
        ratio(row, PEER, number, rows, plan),
        f"{cpu:.1f}" if isfinite(cpu) else NOTHING,
        f"{steps:,.0f}" if isfinite(steps) else NOTHING,
    ]


def ratio(
    row: Row, other: str, number: int, rows: Sequence[Row], plan: Plan
) -> str:
    """Return the ratio of two medians, or a bound of it, as text."""
    theirs = [r.ways[number] for r in rows if r.contender == other]
    if not theirs:
        return NOTHING
    mine, their = row.ways[number].seconds.median, theirs[0].seconds.median
    if isfinite(mine) and isfinite(their):
        return f"{mine / their:.2f}"
    if isfinite(mine):
        return f"<{mine / plan.limit_s:.2f}"
    return f">{plan.limit_s / their:.2f}" if isfinite(their) else NOTHING


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as JSON has them, null for a score not reached."""
    return [
        {
            "contender": row.contender,
            "ways": [
                {
                    "score": way.score,
                    "runs": way.runs,
                    "reached": way.reached,
                    "seconds": _numbers(way.seconds),
                    "cpu_seconds": _numbers(way.cpu_seconds),
                    "steps": _numbers(way.steps),
                }
                for way in row.ways
            ],
        }
        for row in rows
    ]


def notes(runs: Sequence[Run], plan: Plan) -> Iterator[str]:
    """Yield what the table does not show."""
    yield (
        "seconds of training until a test first had that average over "
        f"{plan.test_games} greedy games; a test each {_each(plan)} of "
        "training, whose time does not count."
    )
    yield (
        "Medians over seeds, and their ratios; reached: how many runs did. A "
        f"run ends at {plan.scores[-1]:g}, or after {plan.limit_s:g} s "
        "without it."
    )
    for name in dict.fromkeys(run.contender for run in runs):
        mine = [run for run in runs if run.contender == name]
        startup = Spread.of([run.startup_seconds for run in mine])
        load = max(run.load_before for run in mine)
        yield (
            f"{name}: {number_of(len(mine), 'run')}, "
            f"started in {startup.median:.1f} s; "
            f"load average before at most {load:.1f}"
        )


def _way(runs: Sequence[Run], score: float) -> Way:
    seconds = [run.seconds_to(score) for run in runs]
    return Way(
        score,
        len(runs),
        sum(each < inf for each in seconds),
        Spread.of(seconds),
        Spread.of([run.cpu_seconds_to(score) for run in runs]),
        Spread.of([run.steps_to(score) for run in runs]),
    )


def _seconds(value: float, plan: Plan) -> str:
    return f"{value:.1f}" if isfinite(value) else f">{plan.limit_s:g}"


def _numbers(spread: Spread) -> dict[str, float | None]:
    return {
        name: value if isfinite(value) else None
        for name, value in vars(spread).items()
    }


def _each(plan: Plan) -> str:
    if plan.test_every_steps:
        return f"{plan.test_every_steps:,} steps"
    return f"{plan.test_every_s:g} s"
