"""`python -m examples`: lists the programs, and runs one of them.

    python -m examples counter --engine both --actors 3
      ├─> a process: minimr.init, main(minimr, actors=3) ──> result ─┐
      └─> a process: ray.init,    main(ray, actors=3)    ──> result ─┴> equal?

Rule 1. The options of a program are the keyword arguments of its `main`.
Rule 2. An engine that fails does not keep the other from its row.
"""

from __future__ import annotations

import importlib
import inspect
import multiprocessing
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click

from examples.listing import Program, programs, title, write_table
from minimr.cli.console import note, say, show_columns
from minimr.cli.guard import guarded
from minimr.ladder import WITH_VERBS
from minimr.system.leaving import deaf, ignore_ctrl_c
from ray_impl.cluster import join_cluster, load_ray, start_cluster, warm_up

DEFAULT_CLUSTER = {"num_cpus": 4}  # the same on every machine
GIVEN = ("ray", "full", "out")  # arguments of `main` that the command gives


@dataclass(frozen=True)
class Ran:
    """What came of one program on one engine."""

    engine: str
    seconds: float = 0.0
    result: Any = None
    error: str = ""


class Programs(click.Group):
    """Every program as a command, imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names. Imports nothing."""
        return list(programs())

    def get_command(
        self, ctx: click.Context, cmd_name: str
    ) -> click.Command | None:
        """Import a program, and make a command of its `main`.

        Raises:
            ClickException: a package that it needs is missing.
        """
        program = programs().get(cmd_name)
        return None if program is None else command_of(program)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the programs, folder by folder. Imports nothing."""
        for folder in dict.fromkeys(p.folder for p in programs().values()):
            with formatter.section(title(folder)):
                formatter.write_dl(
                    [
                        (one.name, one.idea)
                        for one in programs().values()
                        if one.folder == folder
                    ]
                )


@click.group(cls=Programs, invoke_without_command=True)
@click.option("--table", is_flag=True, help="Write the table of the README.")
@click.pass_context
def main(ctx: click.Context, table: bool) -> None:
    """Run the programs of courses and of Ray's documents."""
    if table:
        write_table()
    elif ctx.invoked_subcommand is None:
        say(ctx.get_help())


def command_of(program: Program) -> click.Command:
    """Return the command that runs a program.

    Raises:
        ClickException: a package that it needs is missing.
    """
    function = load(program.module).main

    def callback(
        engine: str,
        address: str | None,
        full: bool,
        out: Path | None,
        **options: Any,
    ) -> int:
        if "out" in inspect.signature(function).parameters:
            options["out"] = out or Path(tempfile.mkdtemp(prefix="examples-"))
            options["out"].mkdir(parents=True, exist_ok=True)
            note(f"pictures go to {options['out']}")
        elif out is not None:
            raise click.UsageError(f"{program.name} draws nothing: no --out")
        if engine == "both" and address is not None:
            raise click.UsageError("--address is that of one engine: name it")
        if engine == "both":
            return compare(program.module, full, options)
        run_on(engine, address, program.module, full, options)
        return 0

    return click.Command(
        program.name,
        params=[
            click.Option(
                ["--engine"],
                type=click.Choice([*WITH_VERBS, "both"]),
                default=WITH_VERBS[0],
                show_default=True,
            ),
            click.Option(["--address"], help="HOST:PORT of a cluster to join"),
            click.Option(["--full"], is_flag=True, help="the size to show"),
            click.Option(["--out"], type=click.Path(path_type=Path)),
            *options_of(function),
        ],
        help="\b\n" + program.text.replace("\n\n", "\n\n\b\n"),
        callback=callback,
    )


def options_of(function: Callable[..., Any]) -> list[click.Option]:
    """Return an option for each keyword argument of a `main`."""
    found = []
    for one in inspect.signature(function, eval_str=True).parameters.values():
        if one.name in GIVEN:
            continue
        flag = "--" + one.name.replace("_", "-")
        kind: Any = type(one.default)
        if isinstance(one.default, bool):
            flag, kind = f"{flag}/--no-{flag[2:]}", None
        elif choices := get_args(one.annotation):  # Literal["a", "b"]
            kind = click.Choice(choices)
        elif kind is int:  # at least one of them; 0, if that is the default
            kind = click.IntRange(min=min(one.default, 1))
        elif kind is float:
            kind = click.FloatRange(min=0.0)
        found.append(
            click.Option(
                [flag], default=one.default, type=kind, show_default=True
            )
        )
    return found


def load(module: str) -> Any:
    """Import a program.

    Raises:
        ClickException: a package that it needs is missing.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{module} needs the package {error.name}: install it"
        ) from error


def run_on(
    engine: str,
    address: str | None,
    module: str,
    full: bool,
    options: dict[str, Any],
) -> Ran:
    """Run a program on an engine. Blocks: until it has ended."""
    program = load(module)
    joining = address is not None
    ray = load_ray(joining) if engine == "ray" else load(engine)
    if address is not None:
        join_cluster(ray, address)
    else:
        cluster = getattr(program, "CLUSTER", {})
        start_cluster(ray, **{**DEFAULT_CLUSTER, **cluster})
    try:
        warm_up(ray)  # so that times are not those of starting processes
        begin = time.perf_counter()
        result = program.main(ray, full, **options)
        return Ran(engine, time.perf_counter() - begin, result)
    finally:
        ray.shutdown()


def attempt(engine: str, *what: Any) -> Ran:
    """Run a program on an engine, and return its error if it fails.

    Runs in: a process of its own.
    """
    try:
        return run_on(engine, None, *what)
    except Exception as error:  # noqa: BLE001  (said in the row of the table)
        traceback.print_exc()
        return Ran(engine, error=f"{type(error).__name__}: {error}")


def compare(module: str, full: bool, options: dict[str, Any]) -> int:
    """Run a program on both engines, one after the other; show the times.

    Returns: the exit code, 1 if one fails or the results differ.
    """
    spawn = multiprocessing.get_context("spawn")
    runs = []
    for engine in WITH_VERBS:
        say(f"── {engine}")
        with ProcessPoolExecutor(1, spawn, ignore_ctrl_c) as process:
            with deaf():
                done = process.submit(attempt, engine, module, full, options)
            failed = done.exception()  # the process died
            runs.append(
                Ran(engine, error=str(failed)) if failed else done.result()
            )
    first = next((run for run in runs if not run.error), None)
    rows = [("engine", "seconds", "result")]
    code = 0
    for run in runs:
        verdict = judge(run, first)
        rows.append((run.engine, f"{run.seconds:.2f}", verdict))
        code |= verdict not in FINE
    say("")
    show_columns(rows)
    return int(code)


FINE = ("the first", "equal", "nothing to compare")


def judge(run: Ran, first: Ran | None) -> str:
    """Return what to say of a run beside the first that did not fail."""
    if run.error:
        return f"failed: {run.error.splitlines()[0]}"
    assert first is not None
    if run is first:
        return "the first"
    if run.result is None and first.result is None:
        return "nothing to compare"
    return "equal" if equal(run.result, first.result) else "different"


def equal(one: Any, other: Any) -> bool:
    """Return whether two results are the same, arrays by their items."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            equal(one[key], other[key]) for key in one
        )
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    same = one == other
    return bool(same.all() if hasattr(same, "all") else same)


def run(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return guarded(
        "examples",
        lambda: main.main(
            arguments, prog_name="python -m examples", standalone_mode=False
        ),
        {AssertionError: 1},  # the check of a program
    )
