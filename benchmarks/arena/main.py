"""`python -m benchmarks arena`: Ray, minimr and others, the same cases."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks.arena import environments
from benchmarks.arena.cases import CASES
from benchmarks.arena.contestants import ALL, NAMES
from benchmarks.arena.picture import draw
from benchmarks.arena.run import Arena
from benchmarks.arena.show import markdown, show
from benchmarks.common import machine, tables
from benchmarks.common.options import AT_LEAST_ONE, output_file, some_of, tell
from minimr.system.files import atomic_writer


@click.command()
@some_of("--only", NAMES, show_default=False, help="Some of the runtimes.")
@some_of("--cases", CASES, show_default=False, help="Some of the cases.")
@click.option("--rounds", default=5, show_default=True, type=AT_LEAST_ONE)
@click.option(
    "--minutes",
    default=8.0,
    show_default=True,
    help="In all; a round that would take longer is left out.",
)
@click.option(
    "--seconds", default=0.2, show_default=True, help="Per case and round."
)
@click.option("--workers", type=AT_LEAST_ONE, help="Default: one per core.")
@click.option("--seed", default=0, show_default=True, help="Of the orders.")
@click.option(
    "--environments",
    "folder",
    default=environments.USUAL,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Of the runtimes; see --build.",
)
@click.option(
    "--build",
    is_flag=True,
    help="Make the environments that are missing, and do no more.",
)
@click.option(
    "--here",
    is_flag=True,
    help="Without environments: what is installed beside this command.",
)
@click.option(
    "--load",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Show the JSON of an earlier run.",
)
@output_file("--json", "Write machine and every value.")
@output_file("--markdown", "Write the tables for a document.")
@output_file("--png", "Draw all cases.")
def arena(**chosen: Any) -> None:
    """Run the same cases on Ray, minimr and other runtimes.

    Each has an environment of its own. One that does not install or run is a
    row that says why.
    """
    contestants = [each for each in ALL if each.name in chosen["only"]]
    if chosen["build"]:
        environments.build(chosen["folder"], contestants, tell)
        return
    if chosen["load"]:
        document = json.loads(chosen["load"].read_text())
    else:
        document = _run(chosen, contestants)
    show(document)
    if chosen["markdown"]:
        with atomic_writer(chosen["markdown"]) as file:
            file.write(markdown(document))
    if chosen["png"]:
        draw(chosen["png"], document)


def _run(chosen: dict[str, Any], contestants: list[Any]) -> dict[str, Any]:
    if chosen["here"]:
        contestants = [replace(each, requirements=()) for each in contestants]
    runs = Arena(
        (lambda _: sys.executable)
        if chosen["here"]
        else partial(environments.python, chosen["folder"]),
        chosen["cases"],
        chosen["workers"] or machine.usable_cores(),
        chosen["seconds"],
        chosen["minutes"],
        tell,
    )
    found = runs.run(contestants, chosen["rounds"], chosen["seed"])
    if chosen["json"]:
        tables.write_json(chosen["json"], "arena", **found)
    return {"machine": machine.facts(), **found}
