"""Tables, numbers as people read them, and the JSON beside them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.machine import facts

WIDTH = 116  # where there is no terminal to ask
NOTHING = "-"


def show(
    title: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    notes: Iterable[str] = (),
) -> None:
    """Print a table, its first column to the left, and notes below."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for note in notes:
        console.print(note, markup=False, highlight=False)


def seconds(value: float) -> str:
    """Write seconds with three digits that count."""
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def ratio(value: float | None) -> str:
    """Write a ratio, if there is one."""
    return NOTHING if value is None else f"{value:.2f}"


def megabytes(value: float) -> str:
    """Write a number of bytes in units of 10^6."""
    return f"{value / 1e6:,.0f}"


def write_json(path: str, benchmark: str, **content: Any) -> None:
    """Write what was measured and on what, all of it or nothing."""
    document = {"benchmark": benchmark, "machine": facts(), **content}
    text = json.dumps(document, indent=1) + "\n"
    write_atomically(path, text.encode())


def write_atomically(path: str, content: bytes) -> None:
    """Write a file that is never seen unfinished."""
    target = Path(path)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
