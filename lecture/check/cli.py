"""`minimr check`: what is wrong in a student's functions, in words."""

from __future__ import annotations

from pathlib import Path

import click

from lecture.check.forms import FORMS
from lecture.check.grade import GradingError, Limits, grade
from minimr.cli.console import note, say
from minimr.system.files import atomic_writer

DEFAULT = Limits()


@click.command()
@click.argument("part", type=click.Choice(["part2", "part3"]))
@click.argument(
    "notebook",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--engine",
    type=click.Choice(["minimr", "ray"]),
    default="minimr",
    show_default=True,
)
@click.option("--address", default="", help="HOST:PORT of a cluster to use.")
@click.option(
    "--form",
    type=click.Choice(list(FORMS)),
    default="text",
    show_default=True,
    help="For people, or for a program of a course.",
)
@click.option("--student", help="Whose it is. [default: name of the file]")
@click.option("--output", metavar="FILE", help="Write it there.")
@click.option(
    "--cpu-seconds",
    type=click.FloatRange(min=1),
    default=DEFAULT.cpu_seconds,
    show_default=True,
    help="Processor time of a grading, its engine included.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=DEFAULT.seconds,
    show_default=True,
    help="For one that waits for ever.",
)
@click.option(
    "--memory-gb",
    type=click.FloatRange(min=0.1),
    default=DEFAULT.memory_bytes / (1 << 30),
    show_default=True,
)
def check(
    part: str,
    notebook: Path,
    engine: str,
    address: str,
    form: str,
    student: str | None,
    output: str | None,
    cpu_seconds: float,
    seconds: float,
    memory_gb: float,
) -> int:
    """Say what is wrong in the functions of a NOTEBOOK, or a file of Python.

    It runs them in a process of its own, with limits. The exit code is 1 if
    anything is wrong, and 2 if it could not be graded.
    """
    limits = Limits(cpu_seconds, seconds, int(memory_gb * (1 << 30)))
    try:
        found = grade(part, notebook, engine, address, limits)
    except GradingError as error:
        raise click.ClickException(f"not graded: {error}") from error
    told = FORMS[form](part, student or notebook.stem, found)
    if output is None:
        say(told)
    else:
        with atomic_writer(output) as file:
            file.write(told + "\n")
        note(f"wrote {output}")
    return 1 if any(each.wrong for each in found) else 0
