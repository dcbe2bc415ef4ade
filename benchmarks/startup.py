"""`python -m benchmarks startup`: from a command to its first map task.

benchmark ── spawn ──> minimr wordcount --engine E SMALL --json FILE
          <─────────── first_map_seconds, from the start of the process
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks.common import tables
from benchmarks.common.options import AT_LEAST_ONE, output_file, some_of, tell
from benchmarks.common.timing import (
    ContenderError,
    Outcome,
    Sample,
    interleave,
)
from minimr.ladder import ENGINES

TIMEOUT_S = 120.0
HEADS = ("engine", "first map s", "min-max", "whole command s", "min-max")


@click.command()
@click.option("--rounds", default=5, show_default=True, type=AT_LEAST_ONE)
@click.option("--workers", default=2, show_default=True, type=AT_LEAST_ONE)
@some_of("--engines", ENGINES, default="sockets")
@click.option("--seed", default=0, show_default=True, help="Of the orders.")
@output_file("--json", "Write machine and every measurement.")
@click.pass_context
def startup(context: click.Context, /, **chosen: Any) -> None:
    """Time from a command to its first map task."""
    with tempfile.TemporaryDirectory(prefix="minimr-") as folder:
        text = Path(folder, "small.txt")
        text.write_text("a few words are quite enough\n")
        contenders: dict[str, Callable[[], Sample]] = {
            engine: partial(measure, engine, text, chosen["workers"])
            for engine in chosen["engines"]
        }
        outcome = interleave(
            contenders, chosen["rounds"], chosen["seed"], tell
        )
    names = [e for e in chosen["engines"] if e not in outcome.failures]
    tables.show(
        f"from the command on, {chosen['workers']} workers, "
        f"median of {chosen['rounds']} rounds",
        HEADS,
        [_cells(outcome, name) for name in names],
        [f"{name} failed: {e}" for name, e in outcome.failures.items()],
    )
    if chosen["json"]:
        tables.write_json(
            chosen["json"], "startup", settings=chosen, **_content(outcome)
        )
    if outcome.failures:
        context.exit(1)


def measure(engine: str, text: Path, workers: int) -> Sample:
    """Run the command once.

    Raises:
        ContenderError: it failed, or did not end in time.
    """
    report = text.with_suffix(".json")
    command = [sys.executable, "-m", "minimr", "wordcount", str(text)]
    command += ["--engine", engine, "--workers", str(workers)]
    start = time.perf_counter()
    try:
        subprocess.run(
            [*command, "--json", str(report)],
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            start_new_session=True,
        )
    except subprocess.CalledProcessError as error:
        raise ContenderError(str(error), error.stderr) from error
    except subprocess.TimeoutExpired as error:
        raise ContenderError(str(error)) from error
    ended = time.perf_counter()
    (row,) = json.loads(report.read_text())
    seconds = {"first map": row["first_map_seconds"], "command": ended - start}
    return Sample(seconds, row)


def _cells(outcome: Outcome, name: str) -> list[str]:
    cells = [name]
    for what in ("first map", "command"):
        spread = outcome.spread(name, what)
        cells.append(tables.seconds(spread.median))
        low, high = map(tables.seconds, (spread.low, spread.high))
        cells.append(f"{low}-{high}")
    return cells


def _content(outcome: Outcome) -> dict[str, Any]:
    return {
        "failures": outcome.why_failed(),
        "measurements": [
            {
                "engine": each.contender,
                "round": each.round,
                "first_map_seconds": each.sample.seconds["first map"],
                "command_seconds": each.sample.seconds["command"],
            }
            for each in outcome.measurements
        ],
    }
