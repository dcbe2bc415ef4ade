"""`python -m dqn plot`: the scores of runs as a picture."""

from __future__ import annotations

import click

from dqn.runs.curves import check_writable, draw_runs
from dqn.runs.history import read
from minimr.cli.console import say


@click.command()
@click.argument("logs", nargs=-1, required=True, metavar="RUN.jsonl...")
@click.option("--out", default="scores.png", show_default=True, metavar="FILE")
def plot(logs: tuple[str, ...], out: str) -> None:
    """Draw the test scores of runs over time and over rounds.

    A run may still be going on.
    """
    runs = [read(path) for path in logs]
    check_writable(out)
    draw_runs(out, runs)
    say(f"wrote {out}")
