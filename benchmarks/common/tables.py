"""Tables, numbers for people, and the JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.table import Table

from benchmarks.common.machine import facts
from minimr.system.files import atomic_writer

WIDTH = 130  # without a terminal
NOTHING = "-"


def show(
    title: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    notes: Iterable[str] = (),
) -> None:
    """Print a table, its first column left-aligned, and notes below."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    table = Table(
        title=title,
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for number, head in enumerate(heads):
        justify: JustifyMethod = "right" if number else "left"
        table.add_column(head, justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for note in notes:
        console.print(note, markup=False, highlight=False)


def markdown(
    heads: Sequence[str], rows: Iterable[Sequence[str]]
) -> Iterator[str]:
    """Yield the lines of a table of a document."""
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def seconds(value: float) -> str:
    """Return seconds with three significant digits."""
    if value < 1:
        return f"{value:.3f}"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def ratio(value: float | None) -> str:
    """Return a ratio as text, "-" if there is none."""
    return NOTHING if value is None else f"{value:.2f}"


def megabytes(value: float) -> str:
    """Return a number of bytes in units of 10^6."""
    return f"{value / 1e6:,.0f}"


def write_json(path: str, benchmark: str, **content: Any) -> None:
    """Write the measurements and the machine: the whole file, or nothing."""
    document = {"benchmark": benchmark, "machine": facts(), **content}
    with atomic_writer(path) as file:
        json.dump(document, file, indent=1)
        file.write("\n")
