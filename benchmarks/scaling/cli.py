"""`python -m benchmarks scaling`: from one node to five, on every rung."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from benchmarks.common.documents import put
from benchmarks.common.generate import write_text
from benchmarks.common.options import AT_LEAST_ONE, some_of, tell
from benchmarks.lab.cli import make_plan
from benchmarks.lab.plan import LabError, Plan
from benchmarks.scaling.document import markdown
from benchmarks.scaling.run import OutOfTimeError, Run, Wanted, remove_lab
from benchmarks.scaling.show import show
from benchmarks.scaling.store import Store
from benchmarks.scaling.workloads import ENGINES, USUAL, WORKLOADS, Size
from minimr.shared.mapreduce.corpus import InputError, find_files
from minimr.system.leaving import raising

NAME = "mrscale"  # of the lab: another one than the user's own
PART_BYTES = 2_000_000  # of the weak word count, per node
STORE_BYTES = 400_000_000  # of a node: a whole shuffle fits into one


def numbers(
    context: click.Context, option: click.Parameter, value: str
) -> tuple[int, ...]:
    """Return the numbers in `1,2,5` or `1-5`."""
    try:
        low, dash, high = value.partition("-")
        if dash:
            return tuple(range(int(low), int(high) + 1))
        return tuple(sorted({int(part) for part in value.split(",")}))
    except ValueError:
        raise click.BadParameter("give 1-5, or 1,2,5") from None


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option(
    "--to", required=True, type=click.Path(file_okay=False),
    help="Folder of the points; rounds in it are not measured again.",
)  # fmt: skip
@click.option(
    "--nodes", default="1,2,3,5", show_default=True, callback=numbers
)
@some_of("--engines", ENGINES)
@some_of(
    "--workloads",
    WORKLOADS,
    default=",".join(USUAL),
    help=f"Of {', '.join(WORKLOADS)}.",
)
@click.option("--rounds", default=5, show_default=True, type=AT_LEAST_ONE)
@click.option("--minutes", default=30.0, show_default=True, help="In all.")
@click.option("--cpu-share", default=0.3, show_default=True)
@click.option("--bandwidth", default="1gbit", show_default=True)
@click.option(
    "--text-mb",
    default=10.0,
    show_default=True,
    help="Count the first whole files of this size; 0: all.",
)
@click.option("--small", is_flag=True, help="A tenth of the work.")
@click.option(
    "--failures",
    default=3,
    show_default=True,
    type=click.IntRange(min=0),
    help="Rounds with a node killed half-way.",
)
@click.option("--loopback", is_flag=True, help="Without namespaces.")
@click.option(
    "--document",
    type=click.Path(exists=True, dir_okay=False),
    help="Put the results into this file, where two comments say so.",
)
@click.pass_context
def scaling(context: click.Context, /, **chosen: Any) -> None:
    """Measure how each engine scales, and the cost of a dying node.

    PATHS are files and folders of text for the word count; by default text
    is generated. Interrupt it at any time: it continues where it was.
    """
    # A SIGTERM, too, takes its lab down.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    until = time.monotonic() + 60 * chosen["minutes"]
    store = Store(chosen["to"])
    plan = plan_of(chosen)
    try:
        size = sizes(
            Path(chosen["to"]),
            chosen["paths"],
            chosen["text_mb"] * 1e6,
            chosen["small"],
        )
    except InputError as error:
        raise click.UsageError(str(error)) from None
    wanted = Wanted(
        plan,
        chosen["engines"],
        chosen["workloads"],
        chosen["nodes"],
        size,
        chosen["rounds"],
        chosen["failures"],
        until,
    )
    tell(plan.in_words())
    try:
        with raising():
            Run(wanted, store).measure()
    except OutOfTimeError:
        tell("the time is up: the same command continues where this one was")
    except LabError as error:
        raise click.ClickException(str(error)) from error
    finally:
        remove_lab(plan.home)
    points = list(store.points())
    show(points)
    if chosen["document"]:
        try:
            put(chosen["document"], "scaling", markdown(points))
        except ValueError as error:
            raise click.ClickException(str(error)) from None
    if not all(each.get("exact", True) for p in points for each in p.rounds):
        context.exit(1)


def plan_of(chosen: dict[str, Any]) -> Plan:
    """Return the plan of the lab, with all nodes."""
    plan = make_plan(
        NAME,
        engine="none",
        nodes=max(chosen["nodes"]),
        cpu_share=chosen["cpu_share"],
        bandwidth=chosen["bandwidth"],
        loopback=chosen["loopback"],
    )
    return replace(plan, store_bytes=STORE_BYTES)


def sizes(
    folder: Path, paths: tuple[str, ...], text_bytes: float, small: bool
) -> Size:
    """Return how much there is to do; generate the text that is missing.

    Raises:
        InputError: there is nothing at the paths.
    """
    tenth = 10 if small else 1
    parts = tuple(
        text(folder / f"input/part-{number}.txt", PART_BYTES // tenth, number)
        for number in range(1, 6)
    )
    limit = text_bytes / tenth
    whole = paths or (text(folder / "input/whole.txt", int(limit), 0),)
    words = tuple(first_files(find_files(whole), limit))
    if small:
        return Size(words, parts, 60, 30, 16_000_000, 2, 2)
    return Size(words, parts)


def first_files(paths: Sequence[str], size: float) -> Iterator[str]:
    """Yield the first files, up to this size in all; 0: all files."""
    there = 0
    for path in map(Path, paths):
        if size and there >= size:
            return
        yield str(path.absolute())
        there += path.stat().st_size


def text(path: Path, size: int, seed: int) -> str:
    """Return the path of a text of this size; generate it if missing."""
    path = path.absolute()
    if not path.exists() or path.stat().st_size < size:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(str(path), size, seed)
    return str(path)
