"""`python -m benchmarks dqn`: how soon each contender learns to land.

for each seed: each contender in turn, in its own process, trains and is
               tested until it has the highest score or its time is up
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

from benchmarks.common import tables
from benchmarks.common.options import AT_LEAST_ONE, output_file, tell
from benchmarks.common.timing import ContenderError
from benchmarks.dqn import picture
from benchmarks.dqn.course import Plan
from benchmarks.dqn.learners import DEFAULT, is_known, missing
from benchmarks.dqn.runs import (
    Folder,
    OtherRulesError,
    Run,
    as_json,
    measure_all,
)
from benchmarks.dqn.summary import HEADS, Row, cells, notes, summarise
from benchmarks.dqn.summary import as_json as rows_as_json
from dqn.algorithm.environment import shape_of
from dqn.errors import DQNError

POSITIVE = click.FloatRange(min=0, min_open=True)


def _names(
    context: click.Context, option: click.Parameter, value: str
) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(value.split(",")))
    for name in names:
        if not is_known(name):
            raise click.BadParameter(
                f"{name!r} is none: single, sb3, or an engine and a number "
                "of agents, as minimr-2 or ray-4-weights-epochs5"
            )
    return names


def _scores(
    context: click.Context, option: click.Parameter, value: str
) -> tuple[float, ...]:
    try:
        return tuple(sorted({float(word) for word in value.split(",")}))
    except ValueError:
        raise click.BadParameter(f"{value!r}: give numbers: 30,100") from None


@click.command()
@click.option("--seeds", default=5, show_default=True, type=AT_LEAST_ONE)
@click.option(
    "--contenders",
    default=",".join(DEFAULT),
    callback=_names,
    help=f"Default: {','.join(DEFAULT)}, those that are installed; also "
    "with other numbers of agents, and minimr-2-weights-epochs5.",
)
@click.option("--limit-s", default=300.0, show_default=True, type=POSITIVE)
@click.option("--test-every-s", default=2.0, show_default=True, type=POSITIVE)
@click.option(
    "--test-every-steps",
    default=0,
    type=click.IntRange(min=0),
    help="Test after this many environment steps instead: as many tests for "
    "the same progress.",
)
@click.option("--scores", default="30,100,200", callback=_scores)
@click.option("--test-games", default=20, show_default=True, type=AT_LEAST_ONE)
@click.option(
    "--at-once",
    default=1,
    show_default=True,
    type=AT_LEAST_ONE,
    help="Runs side by side: needs a core per agent and learner.",
)
@click.option("--environment", default="LunarLander-v3", show_default=True)
@click.option(
    "--runs",
    type=click.Path(file_okay=False),
    help="Folder that keeps each run; a run in it is not repeated.",
)
@output_file("--json", "Write machine and every test.")
@output_file("--png", "Draw when they got there, and how.")
@click.pass_context
def dqn(context: click.Context, /, **chosen: Any) -> None:
    """Time how soon learners land, ours and a peer.

    The clock stops during tests. A run that does not reach a score within
    the limit counts as longer than all that do. Exits with 1 when a run
    failed.
    """
    names = chosen["contenders"]
    if context.get_parameter_source("contenders") == ParameterSource.DEFAULT:
        names = tuple(filter(is_here, names))
    plan = Plan(
        chosen["environment"],
        chosen["scores"],
        chosen["limit_s"],
        chosen["test_every_s"],
        chosen["test_games"],
        chosen["test_every_steps"],
    )
    runs, failures = _measure(names, plan, chosen)
    rows = summarise(runs, names, plan)
    _report(plan, runs, rows, failures)
    if chosen["json"]:
        tables.write_json(
            chosen["json"],
            "dqn",
            settings={**chosen, "contenders": names},
            summary=rows_as_json(rows),
            runs=list(map(as_json, runs)),
            failures={name: error.details for name, error in failures.items()},
        )
    if chosen["png"] and rows:
        picture.draw(chosen["png"], runs, rows, plan)
    if failures:
        context.exit(1)


def _report(
    plan: Plan,
    runs: Sequence[Run],
    rows: Sequence[Row],
    failures: Mapping[str, ContenderError],
) -> None:
    """Print a table per score, and notes below the last one."""
    for number, score in enumerate(plan.scores):
        is_last = number == len(plan.scores) - 1
        failed = (f"{name} failed: {e}" for name, e in failures.items())
        tables.show(
            f"{plan.environment}: to an average test score of {score:g}",
            HEADS,
            [cells(row, number, rows, plan) for row in rows],
            [*notes(runs, plan), *failed] if is_last else (),
        )


def is_here(name: str) -> bool:
    """Return whether the package that a contender needs is installed."""
    package = missing(name)
    if package is not None:
        tell(f"{name}: {package} is not installed, left out")
    return package is None


def _measure(
    names: Sequence[str], plan: Plan, chosen: Mapping[str, Any]
) -> tuple[list[Run], dict[str, ContenderError]]:
    try:
        shape_of(plan.environment)  # raises if it does not exist
        folder = Folder(chosen["runs"], plan)
        for name in names:  # before hours of work
            for seed in range(chosen["seeds"]):
                folder.find(name, seed)
    except (DQNError, OtherRulesError, OSError) as error:
        raise click.UsageError(str(error)) from None
    return measure_all(
        names, chosen["seeds"], plan, folder, tell, chosen["at_once"]
    )
