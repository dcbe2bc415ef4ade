"""`minimr simulate`: a program on simulated machines, a seed a run.

seeds ─> play each ─> exact, the documented error, or a finding
  a finding ─> the fewest strikes that still make it ─> how to see it again
  --seed K  ─> one run, told step by step
--exhaust PART ─> all that can happen to a part, up to a depth
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

import click

from minimr.cli.console import ProgressDisplay, note, say
from minimr.ladder import EngineError, load
from minimr.system.files import atomic_writer, check_writable

COUNT = click.IntRange(min=0)
PARTS = ("tracker", "rounds", "references", "lease", "scheduler")
SHOWN = 5  # findings
NODES, CPUS = 3, 2  # of the cluster that a file joins


class Seconds(click.FloatRange):
    """So many seconds: `2`, or `2s`."""

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        context: click.Context | None,
    ) -> float:
        """Return a number."""
        if isinstance(value, str):
            value = value.removesuffix("s")
        return float(super().convert(value, param, context))


OPTIONS = (
    click.option(
        "--nodes",
        default=NODES,
        show_default=True,
        type=COUNT,
        help="Of the cluster that a FILE joins; 0: it starts its own.",
    ),
    click.option(
        "--cpus",
        default=CPUS,
        show_default=True,
        type=click.IntRange(min=1),
        help="Of each of these nodes.",
    ),
    click.option(
        "--kill", default=0, type=COUNT, help="Processes killed a run."
    ),
    click.option(
        "--cut",
        default=0,
        type=COUNT,
        help="Machines cut off, or broken links.",
    ),
    click.option(
        "--slow",
        default=0,
        type=COUNT,
        help="Slow machines, or stopped processes.",
    ),
    click.option(
        "--during",
        "during_s",
        default=2.0,
        show_default=True,
        type=Seconds(min=0),
        help="All that goes wrong begins within so many virtual seconds.",
    ),
)


def played(command: Any) -> Any:
    """Add the options of what is played to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("program", required=False)
@click.argument("arguments", nargs=-1)
@played
@click.option("--seeds", default=100, show_default=True, type=COUNT)
@click.option("--first", default=0, type=COUNT, help="The first of the seeds.")
@click.option("--seed", type=COUNT, help="Play this one alone, and tell it.")
@click.option(
    "--full", default=0, type=COUNT, help="Disks without room for a while."
)
@click.option(
    "--head", default=0, type=COUNT, help="1: the head is killed, too."
)
@click.option("--without", default="", help="Strikes of --seed to leave out.")
@click.option("--trace", metavar="FILE", help="Write the trace of --seed.")
@click.option(
    "--jobs",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Processes that play the seeds.",
)
@click.option(
    "--exhaust",
    "part",
    type=click.Choice(PARTS),
    help="Instead of a program: try all that can happen to a part.",
)
@click.option(
    "--depth",
    default=20,
    show_default=True,
    type=COUNT,
    help="Of --exhaust: no longer paths.",
)
@click.option(
    "--states",
    default=1_000_000,
    show_default=True,
    type=COUNT,
    help="Of --exhaust: no longer paths after so many.",
)
def simulate(
    program: str | None,
    arguments: tuple[str, ...],
    nodes: int,
    cpus: int,
    seeds: int,
    first: int,
    seed: int | None,
    kill: int,
    cut: int,
    slow: int,
    full: int,
    head: int,
    during_s: float,
    without: str,
    trace: str | None,
    jobs: int,
    part: str | None,
    depth: int,
    states: int,
) -> int:
    """Run a whole cluster in one thread, from seeds, and judge each run.

    Who runs next, how long a message takes, who dies and when is drawn from
    the seed. A run has to end with the undisturbed result, or with the
    error that the program documents, and leave nothing behind.

    PROGRAM is wordcount or parameter-server (rung 1), tasks, objects,
    nested, borrowed, actors, named-actors, placed-actors,
    wordcount-minimr or dqn (rung 2), or a FILE that says `import minimr as
    ray`, or `import ray`; its ARGUMENTS follow.
    """
    if (program is None) == (part is None):
        raise click.UsageError("give a program, or a part with --exhaust")
    if part is not None:
        return _exhaust(part, depth, states)
    assert program is not None
    simulation = load("simulation", "minimr.simulation.runs")
    faults = load("simulation", "minimr.simulation.faults").Faults(
        kill, cut, slow, during_s, full, head
    )
    chosen = _program(program, arguments, nodes, cpus)
    if seed is not None:
        left_out = _numbers(without)
        if trace is not None:
            check_writable(trace)
        return _tell(simulation, chosen, seed, faults, left_out, trace)
    if trace is not None or without:
        raise click.UsageError("--trace and --without go with --seed")
    display, played = ProgressDisplay(program), count(1)

    def report(outcome: Any) -> None:
        display.update("runs", next(played), seeds)
        if outcome.verdict == "finding":
            note(f"seed {outcome.seed}: {outcome.why.strip()}")

    try:
        summary = load("simulation", "minimr.simulation.jobs").simulate(
            chosen, range(first, first + seeds), faults, report, jobs
        )
    except simulation.Unfit as error:
        raise EngineError(str(error)) from None
    finally:
        display.close()
    say(
        f"{summary.runs:,} runs with {summary.strikes:,} strikes: "
        f"{summary.exact:,} exact, {summary.errors:,} ended with the "
        f"documented error, {len(summary.findings):,} findings"
    )
    note(
        f"{summary.virtual_s:,.0f} virtual seconds in {summary.wall_s:,.1f}: "
        f"{summary.runs / max(summary.wall_s, 1e-9):,.1f} runs a second"
    )
    for outcome in summary.findings[:SHOWN]:
        _explain(simulation, chosen, outcome, faults)
    return 1 if summary.findings else 0


def record(
    name: str,
    arguments: Sequence[str],
    seed: int,
    *,
    nodes: int = NODES,
    cpus: int = CPUS,
    branch: str = "",
    **faults: Any,
) -> list[dict[str, Any]]:
    """Play one seed, and return its trace.

    Args:
        branch: what is changed in it, as `minimr show --branch` has it.
        faults: kill, cut, slow, during_s.

    Raises:
        EngineError: no such program, or no such branch.
    """
    simulation = load("simulation", "minimr.simulation.runs")
    branches = load("simulation", "minimr.simulation.branch")
    strikes = load("simulation", "minimr.simulation.faults").Faults(**faults)
    program = _program(name, arguments, nodes, cpus)
    try:
        turn = branches.Branch.of(branch) if branch else None
        with simulation.prepared():
            outcome = simulation.play(
                program, seed, strikes, read=True, branch=turn
            )
    except branches.BranchError as error:
        raise EngineError(str(error)) from None
    if outcome.why:
        note(f"{outcome.verdict}: {outcome.why.strip()}")
    return list(outcome.trace)


def _program(
    name: str, arguments: Sequence[str], nodes: int, cpus: int
) -> Any:
    """Return a program of ours, or the one in a file."""
    known = load("simulation", "minimr.simulation.programs").PROGRAMS
    if name in known:
        if arguments:
            raise click.UsageError(f"{name} takes no arguments")
        return known[name]
    cluster = load("simulation", "minimr.simulation.cluster").Cluster
    script = load("simulation", "minimr.simulation.script")
    try:
        return script.of_file(name, arguments, cluster(nodes, cpus, False))
    except (OSError, SyntaxError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise EngineError(
            f"cannot simulate {name}: {why}. Give a file, or one of "
            f"{', '.join(known)}"
        ) from None


def _exhaust(part: str, depth: int, states: int) -> int:
    models = load("simulation", "minimr.simulation.exhaust.models").MODELS
    search = load("simulation", "minimr.simulation.exhaust.search").search

    def report(so_far: Any) -> None:
        note(
            f"{so_far.depth} steps: {so_far.states:,} states, "
            f"{so_far.steps:,} steps played, {so_far.wall_s:,.1f} s"
        )

    result = search(models[part], depth, states, report)
    say(
        f"{part}: {result.states:,} states, "
        + ("all there are, " if result.complete else "")
        + f"up to {result.depth} steps from the beginning: "
        + ("no rule breaks" if result.found is None else str(result.found))
    )
    return 0 if result.found is None else 1


def _tell(
    simulation: Any,
    program: Any,
    seed: int,
    faults: Any,
    without: Sequence[int],
    trace: str | None,
) -> int:
    with simulation.prepared():
        try:
            expected = simulation.undisturbed(program)
        except simulation.Unfit as error:
            raise EngineError(str(error)) from None
        outcome = simulation.judged(
            simulation.play(program, seed, faults, without, read=True),
            expected,
        )
    for entry in outcome.trace:
        line = _line(entry)
        if line:
            say(line)
    if trace is not None:
        with atomic_writer(trace) as file:
            for entry in outcome.trace:
                file.write(json.dumps(entry) + "\n")
    say(f"{outcome.verdict}: {outcome.why or 'the undisturbed result'}")
    say(f"trace {outcome.digest}, {outcome.seconds:.3f} virtual seconds")
    return 1 if outcome.verdict == "finding" else 0


def _explain(simulation: Any, program: Any, finding: Any, faults: Any) -> None:
    with simulation.prepared():
        expected = simulation.undisturbed(program)
        small = simulation.shrink(program, finding, faults, expected)
    numbers = {strike.number for strike in small.strikes}
    left_out = [
        str(strike.number)
        for strike in finding.strikes
        if strike.number not in numbers
    ]
    say(f"\nseed {finding.seed}: {small.why.strip()}")
    for strike in small.strikes:
        say(f"  {strike.at:.3f} s: {strike.kind}")
    command = f"minimr simulate {program.name} {program.options}".rstrip()
    command += f" --seed {finding.seed}"
    for name in ("kill", "cut", "slow", "full", "head"):
        number = getattr(faults, name)
        command += f" --{name} {number}" if number else ""
    command += f" --during {faults.during_s:g}" if faults.number else ""
    command += f" --without {','.join(left_out)}" if left_out else ""
    say(f"  see it again: {command}")


def _line(entry: dict[str, Any]) -> str:
    """Return an entry of a trace as a line, or "" if it says nothing."""
    facts = dict(entry)
    at, what = facts.pop("at"), facts.pop("what")
    if what == "bytes":
        names = ", ".join(entry.get("says", ()))
        if not names:
            return ""
        return f"{at:9.4f}  {entry['source']} -> {entry['target']}: {names}"
    if what == "knows":
        now = "; ".join(f"{k}: {v or 'gone'}" for k, v in facts["now"].items())
        return f"{at:9.4f}  {facts['process']} knows: {now}"
    told = ", ".join(f"{name} {value}" for name, value in facts.items())
    return f"{at:9.4f}  {what}: {told}"


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part]
    except ValueError:
        raise EngineError(
            f"--without {text}: give numbers of strikes, as in 0,2"
        ) from None
