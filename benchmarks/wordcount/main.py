"""`python -m benchmarks wordcount`: how fast each counts the same words.

for each job: start all ─> warm-up ─> rounds, interleaved ─> close all
                           each count is compared with the loop's
"""

from __future__ import annotations

import importlib.util
import os
from contextlib import ExitStack
from typing import Any

import click
from click.core import ParameterSource

from benchmarks.common import tables
from benchmarks.common.drivers import Driver
from benchmarks.common.options import AT_LEAST_ONE, output_file, some_of, tell
from benchmarks.common.timing import ContenderError, interleave
from benchmarks.wordcount import comparison
from benchmarks.wordcount.contenders import (
    Engine,
    Loop,
    Plain,
    Pool,
    WordCounter,
)
from benchmarks.wordcount.peers import Dask, DaskFutures, Polars
from benchmarks.wordcount.results import Measured, as_json, draw, report
from benchmarks.wordcount.work import BOTH, Work, plan
from minimr.ladder import ENGINES
from minimr.shared.mapreduce.corpus import InputError
from minimr.shared.mapreduce.wordcount import JOBS

CLASSES: dict[str, type[WordCounter]] = {
    each.name: each for each in (Loop, Plain, Pool, Dask, DaskFutures, Polars)
}
NAMES = ("loop", "plain", "pool", *ENGINES, "dask", "dask-futures", "polars")
NEEDS = {
    "ray": "ray",
    "dask": "distributed",
    "dask-futures": "distributed",
    "polars": "polars",
}


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--workers", default=2, show_default=True, type=AT_LEAST_ONE)
@click.option(
    "--job",
    "job_name",
    default="combined",
    show_default=True,
    type=click.Choice([*JOBS, "both"]),
)
@click.option("--map-tasks", type=AT_LEAST_ONE, help="Default: by size.")
@click.option("--reduce-tasks", type=AT_LEAST_ONE, help="Default: by size.")
@some_of(
    "--engines",
    NAMES,
    show_default=False,
    help=f"Of {','.join(NAMES)}; default: all that are installed.",
)
@click.option("--rounds", default=5, show_default=True, type=AT_LEAST_ONE)
@click.option("--seed", default=0, show_default=True, help="Of the orders.")
@output_file("--json", "Write machine and every measurement.")
@output_file("--png", "Draw the medians.")
@click.pass_context
def wordcount(context: click.Context, /, **chosen: Any) -> None:
    """Time word count on every engine and on its peers.

    PATHS are files and folders of text; by default the source of Python's
    standard library. Exits with 1 if a contender failed or its counts differ
    from the loop's.
    """
    names = chosen["engines"]
    if context.get_parameter_source("engines") == ParameterSource.DEFAULT:
        names = tuple(filter(is_here, names))
    jobs = list(BOTH) if chosen["job_name"] == "both" else [chosen["job_name"]]
    measured = []
    for job_name in jobs:
        work = _plan({**chosen, "job_name": job_name})
        measured.append(measure(work, names, chosen["rounds"], chosen["seed"]))
        report(measured[-1])
    if chosen["json"]:
        tables.write_json(
            chosen["json"],
            "wordcount",
            settings={**chosen, "engines": names},
            results=list(map(as_json, measured)),
        )
    if chosen["png"]:
        draw(chosen["png"], measured)
    if not all(each.is_sound for each in measured):
        context.exit(1)


def is_here(name: str) -> bool:
    """Return whether a contender's package is installed."""
    needed = NEEDS.get(name)
    if needed is None or importlib.util.find_spec(needed):
        return True
    tell(f"{name}: {needed} is not installed, left out")
    return False


def measure(
    work: Work, names: tuple[str, ...], rounds: int, seed: int
) -> Measured:
    """Start all contenders, measure them round by round, end them."""
    load_before = os.getloadavg()[0]
    early: dict[str, ContenderError] = {}
    drivers: dict[str, Driver] = {}
    with ExitStack() as stack:
        for name in names:
            try:
                drivers[name] = driver = Driver(contender(name, work))
            except ContenderError as error:
                early[name] = error
                tell(f"{'start':<10} {name:<13} failed: {error}")
                continue
            stack.callback(driver.close)
            tell(f"{'start':<10} {name:<13} {driver.startup_seconds:.3f} s")
        outcome = interleave(
            {name: driver.measure for name, driver in drivers.items()},
            rounds,
            seed,
            tell,
        )
    outcome.failures.update(early)
    startup = {name: d.startup_seconds for name, d in drivers.items()}
    rows = comparison.compare(outcome, names, startup, work.total_bytes)
    return Measured(work, rounds, load_before, startup, outcome, rows)


def contender(name: str, work: Work) -> WordCounter:
    """Return the contender of a name."""
    if name in ENGINES:
        return Engine(work, name)
    return CLASSES[name](work)


def _plan(chosen: dict[str, Any]) -> Work:
    try:
        return plan(
            chosen["job_name"],
            chosen["paths"],
            chosen["workers"],
            chosen["map_tasks"],
            chosen["reduce_tasks"],
        )
    except InputError as error:
        raise click.UsageError(str(error)) from None
