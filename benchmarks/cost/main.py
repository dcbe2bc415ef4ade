"""`python -m benchmarks cost`: how many workers beat one good thread?

each measurement: start ─> run (warm-up) ─> run (measured) ─> close

Nobody else's processes are there meanwhile: an idle cluster also costs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import click

from benchmarks.common import machine, tables
from benchmarks.common.drivers import Driver
from benchmarks.common.options import AT_LEAST_ONE, output_file, some_of, tell
from benchmarks.common.tables import megabytes, ratio, seconds
from benchmarks.common.timing import Outcome, Sample, Spread, interleave
from benchmarks.cost.crossing import Crossing, Times, crossings
from benchmarks.cost.nodes import NAME, on_nodes
from benchmarks.cost.picture import draw
from benchmarks.cost.single import (
    THREADS,
    single_threads,
    what_is_missing,
)
from benchmarks.cost.works import KINDS, of_kind
from benchmarks.lab.cli import make_plan
from benchmarks.lab.plan import MAX_NODES, LabError, Plan
from benchmarks.wordcount import comparison
from benchmarks.wordcount.contenders import Engine, WordCounter
from benchmarks.wordcount.work import Work, plan
from minimr.shared.mapreduce.corpus import InputError
from minimr.shared.mapreduce.wordcount import JOBS

RUNGS = ("sockets", "minimr", "ray")
ON_NODES = " on nodes"  # after the name of an engine: in the lab
WHATS = ("run", "merged")


@dataclass(frozen=True)
class Measured:
    """All about one input."""

    work: Work
    threads: Sequence[str]
    engines: dict[str, dict[int, str]]  # {engine: {workers: contender}}
    outcome: Outcome
    load: tuple[float, float]  # before and after: averages of a minute
    lab: Plan | None = None  # with all nodes

    def of_threads(self, what: str) -> dict[str, Spread]:
        """Return the times of the threads that have not failed."""
        return {
            name: self.outcome.spread(name, what)
            for name in self.threads
            if name not in self.outcome.failures
        }

    def of_engines(self, what: str) -> dict[str, Times]:
        """Return the times of the engines where they have not failed."""
        return {
            engine: {
                workers: self.outcome.spread(name, what)
                for workers, name in names.items()
                if name not in self.outcome.failures
            }
            for engine, names in self.engines.items()
        }

    def panels(self, what: str) -> dict[str, dict[str, Times]]:
        """Return the times of the engines, by what they count."""
        panels: dict[str, dict[str, Times]] = {}
        for name, times in self.of_engines(what).items():
            counted = "workers"
            if self.lab is not None and name.endswith(ON_NODES):
                counted = f"nodes with {self.lab.cpu_share:g} of a core"
            panels.setdefault(counted, {})[name] = times
        return panels

    def crossed(self, what: str) -> list[Crossing]:
        """Return who beats whom, and with how many workers."""
        return crossings(self.of_threads(what), self.of_engines(what))

    def rows(self) -> list[comparison.Row]:
        """Return a row per contender, the fastest first."""
        names = [*self.threads]
        names += [n for each in self.engines.values() for n in each.values()]
        return comparison.compare(
            self.outcome, names, dict.fromkeys(names, 0.0),
            self.work.total_bytes,
        )  # fmt: skip


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option(
    "--workers",
    type=AT_LEAST_ONE,
    help="Measure 1, 2, ... to so many. [default: one per core]",
)
@click.option(
    "--job",
    "job_name",
    default="combined",
    show_default=True,
    type=click.Choice(list(JOBS)),
    help="What the engines run to count words.",
)
@click.option(
    "--work",
    "kind",
    default="words",
    show_default=True,
    type=click.Choice([*KINDS]),
    help="Count words, make an inverted index, or sort lines.",
)
@some_of("--threads", THREADS, help="Which, of those that can run here.")
@some_of("--engines", RUNGS, help="Which rungs of the ladder.")
@click.option(
    "--nodes",
    default=0,
    show_default=True,
    type=click.IntRange(min=0, max=MAX_NODES),
    help="Measure on 1, 2, ... to so many nodes of a lab, too.",
)
@click.option(
    "--cpu-share",
    default=0.3,
    show_default=True,
    type=click.FloatRange(min=0.01),
    help="Of a core, per node.",
)
@click.option("--rounds", default=5, show_default=True, type=AT_LEAST_ONE)
@click.option("--seed", default=0, show_default=True, help="Of the orders.")
@output_file("--json", "Write machine and every measurement.")
@output_file("--png", "Draw where the engines cross the threads.")
@click.pass_context
def cost(context: click.Context, /, **chosen: Any) -> None:
    """Ask how many workers it takes to beat a single thread.

    PATHS are files and folders of text; by default the source of Python's
    standard library. Exits with 1 if a contender failed or its counts differ
    from the loop's.
    """
    most = chosen["workers"] or machine.usable_cores()
    threads = [name for name in chosen["threads"] if _is_here(name)]
    engines = [name for name in chosen["engines"] if _is_here(name)]
    try:
        planned = plan(
            chosen["job_name"], chosen["paths"], max(most, chosen["nodes"])
        )
        lab = lab_of(chosen["nodes"], chosen["cpu_share"])
    except LabError as error:
        raise click.ClickException(str(error)) from None
    except InputError as error:
        raise click.UsageError(str(error)) from None
    work = of_kind(chosen["kind"], replace(planned, workers=most))
    threads = [name for name in threads if name in single_threads(work)]
    measured = measure(
        work, threads, engines, chosen["rounds"], chosen["seed"], lab
    )
    report(measured, chosen["rounds"])
    if chosen["json"]:
        tables.write_json(
            chosen["json"], "cost", settings=chosen, **as_json(measured)
        )
    if chosen["png"]:
        draw(
            chosen["png"],
            f"{_title(measured, chosen['rounds'])}\n"
            f"{machine.in_words(machine.facts())}",
            measured.of_threads("run"),
            measured.panels("run"),
            measured.crossed("run"),
        )
    different = any(row.identical is False for row in measured.rows())
    if different or measured.outcome.failures:
        context.exit(1)


def measure(
    work: Work,
    threads: Sequence[str],
    engines: Sequence[str],
    rounds: int,
    seed: int,
    lab: Plan | None = None,
) -> Measured:
    """Measure threads and engines, all of them in every round.

    Args:
        lab: with all nodes on which the engines run as well.
    """
    before = os.getloadavg()[0]
    everyone = single_threads(work)
    contenders = {name: everyone[name] for name in threads}
    names: dict[str, dict[int, str]] = {engine: {} for engine in engines}
    for engine in engines:
        for workers in range(1, work.workers + 1):
            name = f"{engine} x {workers}"
            names[engine][workers] = name
            contenders[name] = Engine(replace(work, workers=workers), engine)
    ask: dict[str, Callable[[], Sample]] = {
        name: partial(_fresh, contender)
        for name, contender in contenders.items()
    }
    for engine in engines if lab else ():
        names[engine + ON_NODES] = {}
        for nodes in range(1, lab.nodes + 1):
            name = f"{engine} x {nodes} nodes"
            names[engine + ON_NODES][nodes] = name
            ask[name] = partial(on_nodes, work, engine, lab.with_nodes(nodes))
    outcome = interleave(ask, rounds, seed, tell)
    return Measured(
        work, threads, names, outcome, (before, os.getloadavg()[0]), lab
    )


def lab_of(nodes: int, cpu_share: float) -> Plan | None:
    """Return the plan of a lab of nodes with a share of a core; 0: none.

    Raises:
        LabError: there are no such nodes here.
    """
    if not nodes:
        return None
    lab = make_plan(NAME, engine="none", nodes=nodes, cpu_share=cpu_share)
    if lab.cpu_share is None:
        raise LabError(f"nodes have no share of a core here: {lab.without}")
    return lab


def report(measured: Measured, rounds: int) -> None:
    """Print all times, and the numbers of workers."""
    tables.show(
        _title(measured, rounds),
        ("", "run s", "min-max", "merged s", "min-max", "run\n/loop",
         "merged\n/loop", "identical"),
        map(_cells, measured.rows()),
        _notes(measured),
    )  # fmt: skip
    by_what = [measured.crossed(what) for what in WHATS]
    tables.show(
        "the fewest workers or nodes that beat a thread",
        ("", *measured.engines),
        [
            [
                thread,
                *(
                    " / ".join(_workers(c, engine, thread) for c in by_what)
                    for engine in measured.engines
                ),
            ]
            for thread in measured.of_threads("run")
        ],
        _limits(measured),
    )


def as_json(measured: Measured) -> dict[str, Any]:
    """Return all measurements, the warm-up (round 0) included."""
    return {
        "files": len(measured.work.paths),
        "bytes": measured.work.total_bytes,
        "lab": measured.lab and measured.lab.in_words(),
        "load_before": measured.load[0],
        "load_after": measured.load[1],
        "summary": [asdict(row) for row in measured.rows()],
        "crossings": {
            what: [each._asdict() for each in measured.crossed(what)]
            for what in WHATS
        },
        "failures": measured.outcome.why_failed(),
        "measurements": [
            {
                "contender": each.contender,
                "round": each.round,
                **each.sample.seconds,
                **each.sample.facts,
            }
            for each in measured.outcome.measurements
        ],
    }


def _limits(measured: Measured) -> Iterator[str]:
    yield f"run / merged; -: not with up to {measured.work.workers} workers"
    if measured.lab is not None:
        yield f"on nodes: {measured.lab.in_words()}, one worker on each"


def _fresh(contender: WordCounter) -> Sample:
    driver = Driver(contender)
    try:
        driver.measure()  # the warm-up
        return driver.measure()
    finally:
        driver.close()


def _is_here(name: str) -> bool:
    missing = what_is_missing(name)
    if missing:
        tell(f"{name}: {missing} is not installed, left out")
    return not missing


def _cells(row: comparison.Row) -> list[str]:
    return [
        row.engine,
        seconds(row.run.median),
        f"{seconds(row.run.low)}-{seconds(row.run.high)}",
        seconds(row.merged.median),
        f"{seconds(row.merged.low)}-{seconds(row.merged.high)}",
        ratio(row.run_to_loop),
        ratio(row.merged_to_loop),
        {True: "yes", False: "NO", None: tables.NOTHING}[row.identical],
    ]


def _workers(crossed: list[Crossing], engine: str, thread: str) -> str:
    (each,) = [c for c in crossed if (c.engine, c.thread) == (engine, thread)]
    return tables.NOTHING if each.workers is None else str(each.workers)


def _notes(measured: Measured) -> Iterator[str]:
    yield (
        "run: until the counts are final; merged: until they are a dict in "
        "the driver too. map: the job combined as one map task; pyarrow: the "
        "job arrow so; polars: with one thread; c: benchmarks/cost/count.c; "
        "sort: that of coreutils."
    )
    before, after = measured.load
    yield f"load average before: {before:.2f}, after: {after:.2f}"
    for name, error in measured.outcome.failures.items():
        yield f"{name} failed: {error}"


def _title(measured: Measured, rounds: int) -> str:
    work = measured.work
    return (
        f"{work.title}, job {work.job.name}: {len(work.paths):,} files, "
        f"{megabytes(work.total_bytes)} MB, {work.map_tasks} map and "
        f"{work.reduce_tasks} reduce tasks, {rounds} rounds"
    )
