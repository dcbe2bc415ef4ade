"""The one place through which the command line prints.

Progress goes to standard error, a bar on a terminal and lines elsewhere;
results go to standard output.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import click

LINES_PER_PHASE = 4


def say(text: str) -> None:
    """Print a line of the result."""
    click.echo(text)


def note(text: str) -> None:
    """Print a line about the run, apart from its result."""
    click.echo(text, err=True)


def show_columns(rows: Sequence[Sequence[str]], names: int = 1) -> None:
    """Print cells below each other: names to the left, numbers right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if number < names else cell.rjust(width)
            for number, (cell, width) in enumerate(
                zip(row, widths, strict=True)
            )
        ]
        say("  ".join(cells).rstrip())


def number_of(number: int, thing: str) -> str:
    """Return a number with its noun: 1 file, 2 files."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


class ProgressDisplay:
    """Shows the phases of one run; its `update` is a `Progress`."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Any = None
        self._bar_task: Any = None
        self._phase = ""
        self._shown = 0  # quarters of the phase that have been printed
        self._begin = time.monotonic()

    def update(self, phase: str, done: int, total: int) -> None:
        """Show how far a run has come."""
        if phase != self._phase:
            self._phase, self._shown = phase, 0
        if sys.stderr.isatty():
            self._draw(phase, done, total)
            return
        quarter = LINES_PER_PHASE * done // max(total, 1)
        if quarter > self._shown:
            self._shown = quarter
            seconds = time.monotonic() - self._begin
            note(f"{self._title}: {phase} {done}/{total}  {seconds:.1f} s")

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()

    def _draw(self, phase: str, done: int, total: int) -> None:
        if self._bar is None:
            from rich import progress
            from rich.console import Console

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._bar_task = self._bar.add_task(self._title)
        self._bar.update(
            self._bar_task,
            description=f"{self._title}: {phase}",
            completed=done,
            total=total,
        )
