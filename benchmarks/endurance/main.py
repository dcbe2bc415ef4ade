"""`python -m benchmarks endurance`: what must still hold after a long run.

for each case: a cluster of its own ─> run ─> checks ─> its verdict
one bad check ─> exit code 1
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import click

from benchmarks.common import tables
from benchmarks.common.options import AT_LEAST_ONE, output_file, some_of, tell
from benchmarks.endurance import cases as cases
from benchmarks.endurance.cases import Check

CASES: dict[str, Callable[[dict[str, Any]], list[Check]]] = {
    "tasks": lambda chosen: cases.run_tasks(
        chosen["tasks"], chosen["least_rate"], tell
    ),
    "actors": lambda chosen: cases.run_actors(chosen["actors"], tell),
    "references": lambda chosen: cases.run_references(
        chosen["references"], tell
    ),
    "array": lambda chosen: cases.run_array(chosen["array"] * 10**6, tell),
}
UNITS = {"array": " MB"}
HEADS = ("case", "seconds", "checked", "first", "last", "verdict")


class Result(NamedTuple):
    """The result of a case."""

    case: str
    seconds: float
    checks: list[Check]


@click.command()
@some_of("--only", CASES)
@click.option(
    "--tasks", default=10**6, show_default=True, type=click.IntRange(min=10)
)
@click.option("--actors", default=1000, show_default=True, type=AT_LEAST_ONE)
@click.option(
    "--references", default=10**4, show_default=True, type=AT_LEAST_ONE
)
@click.option(
    "--array-mb", "array", default=2000, show_default=True, type=AT_LEAST_ONE
)
@click.option(
    "--least-rate",
    default=0.9,
    show_default=True,
    help="Of the last tenth of the tasks, relative to the first.",
)
@output_file("--json", "Write machine and checks.")
@click.pass_context
def endurance(context: click.Context, /, **chosen: Any) -> None:
    """Check what still holds after a million tasks and a thousand actors.

    A check compares a first value with the last one, or an expected value
    with the actual one.
    """
    results = [_measure(case, chosen) for case in chosen["only"]]
    tables.show(
        f"minimr, {cases.CPUS} CPUs, a cluster per case",
        HEADS,
        [row for result in results for row in _rows(result, chosen)],
    )
    if chosen["json"]:
        tables.write_json(
            chosen["json"],
            "endurance",
            settings=chosen,
            results=list(map(_as_json, results)),
        )
    if not all(check.good for result in results for check in result.checks):
        context.exit(1)


def _measure(case: str, chosen: dict[str, Any]) -> Result:
    begun = time.perf_counter()
    checks = CASES[case](chosen)
    bad = [check.what for check in checks if not check.good]
    tell(f"{case}: {'BAD: ' + ', '.join(bad) if bad else 'good'}")
    return Result(case, time.perf_counter() - begun, checks)


def _rows(result: Result, chosen: dict[str, Any]) -> Iterator[list[str]]:
    unit = UNITS.get(result.case, "")
    size = f"{chosen[result.case]:,}{unit}"
    head = [f"{result.case}, {size}", tables.seconds(result.seconds)]
    for what, first, last, good in result.checks:
        numbers = [_number(first), _number(last)]
        yield [*head, what, *numbers, "good" if good else "BAD"]
        head = ["", ""]


def _as_json(result: Result) -> dict[str, Any]:
    checks = [check._asdict() for check in result.checks]
    return {**result._asdict(), "checks": checks}


def _number(value: float) -> str:
    whole = float(value).is_integer() or value >= 1000
    return f"{value:,.0f}" if whole else f"{value:,.1f}"
