"""`minimr compare`: implementations of one thing, side by side.

    minimr/sockets/mapreduce.py  │ ray_impl/mapreduce.py
    def run(...)                 │ def run(...)
    # [1] map: ...               │ # [1] map: ...

On a terminal in colours and in a pager; in a pipe, plain text.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import click

from minimr.cli.console import say
from minimr.cli.side_by_side import (
    STEP,
    Piece,
    definitions,
    first_line,
    parse,
    side_by_side,
    steps,
    width,
)

ROOT = Path(__file__).parents[2]
LOOP, SOCKETS, RAY = "minimr/serial", "minimr/sockets", "ray_impl"
PAIRS = {  # {name on the command line: name of each file}
    "mapreduce": "mapreduce.py",
    "parameter-server": "parameter_server.py",
}
MAZE = "examples/maze/maze.py"
IN_ONE_FILE = {"maze": (f"{MAZE}:serial", f"{MAZE}:parallel")}
WHOLE_LINE = 10_000  # columns: nothing is wrapped
STYLES = {  # {kind of a token: how the page shows it}
    "Comment": "comment",
    "Keyword": "keyword",
    "Literal.String": "string",
    "Name.Class": "name",
    "Name.Function": "name",
}
LINE_COLUMNS = 79  # of a line of this project
BETWEEN = " │ "
LEAST_COLUMNS = 20  # of one side

Draw = Callable[[int, Piece], str]  # the side, and what stands there


class Side(NamedTuple):
    """What is shown on one side: a file, or a function or class in it."""

    path: Path
    part: str = ""

    @property
    def title(self) -> str:
        """Return what stands above it."""
        of = f":{self.part}" if self.part else ""
        return str(self.path).removeprefix(f"{ROOT}/") + of


@click.command()
@click.argument(
    "what",
    nargs=-1,
    required=True,
    metavar="PAIR | FILE[:NAME] FILE[:NAME]...",
)
@click.option(
    "--step", type=click.IntRange(min=1), help="Show this step alone."
)
@click.option("--serial", is_flag=True, help="Show the for loop as well.")
@click.option(
    "--columns",
    type=click.IntRange(min=1),
    help="The width of the output: the terminal's; in a pipe, 79 per file.",
)
def compare(
    what: tuple[str, ...], step: int | None, serial: bool, columns: int | None
) -> None:
    """Show an implementation from scratch beside the same on Ray.

    PAIR is mapreduce or parameter-server, or maze: a loop beside the same
    with actors. Other files can be named instead, or functions in them.
    """
    sides = _sides(what, serial)
    sources = [_read(side) for side in sides]
    if step is not None:
        _check_step(sources, step)
    width_of_each = _columns_per_side(len(sides), columns)
    rows = side_by_side(sources, width_of_each, step)
    titles = [side.title for side in sides]
    if not sys.stdout.isatty():
        for line in _lines(titles, rows, width_of_each, _plain):
            say(line)
        return
    plain = bool(os.environ.get("NO_COLOR"))
    draw = _plain if plain else _in_colours(sides, sources)
    lines = _lines(titles, rows, width_of_each, draw)
    click.echo_via_pager(f"{line}\n" for line in lines)


def pairs() -> list[dict[str, Any]]:
    """Return each pair as the page of a run shows it, in any width."""
    return [_pair(_sides([name], serial=False)) for name in PAIRS]


def _pair(sides: Sequence[Side]) -> dict[str, Any]:
    sources = [_read(side) for side in sides]

    def rows(step: int | None = None) -> list[list[int | None]]:
        return [
            [piece and piece.line for piece in row]
            for row in side_by_side(sources, WHOLE_LINE, step)
        ]

    names = {name for source in sources for _, name in steps(source)}
    return {
        "titles": [side.title for side in sides],
        "lines": [_styled(source) for source in sources],
        "rows": rows(),
        "steps": [rows(n) for n in range(1, len(names) + 1)],
    }


def _styled(source: str) -> list[list[tuple[str, str]]]:
    """Return the lines of a file, each as pieces: (style, text)."""
    from pygments.lexers.python import PythonLexer

    lines: list[list[tuple[str, str]]] = [[]]
    lexer = PythonLexer(stripnl=False)
    for kind, text in lexer.get_tokens(source.expandtabs()):
        named = str(kind).removeprefix("Token.")
        found = [s for name, s in STYLES.items() if named.startswith(name)]
        style = "mark" if STEP.match(text) else "".join(found)
        first, *rest = text.split("\n")
        lines[-1].append((style, first))
        lines += [[(style, line)] for line in rest]
    return lines


def _sides(what: Sequence[str], serial: bool) -> list[Side]:
    if len(what) > 1:
        if serial:
            raise click.UsageError("--serial goes with a pair, not with files")
        return [_side(name) for name in what]
    if what[0] in IN_ONE_FILE:
        if serial:
            raise click.UsageError(f"{what[0]} has the for loop: no --serial")
        return [_side(str(ROOT / name)) for name in IN_ONE_FILE[what[0]]]
    if what[0] not in PAIRS:
        known = ", ".join([*PAIRS, *IN_ONE_FILE])
        raise click.UsageError(
            f"{what[0]} is no pair: choose one of {known}, or name two files"
        )
    folders = [LOOP, SOCKETS, RAY] if serial else [SOCKETS, RAY]
    return [Side(ROOT / folder / PAIRS[what[0]]) for folder in folders]


def _side(name: str) -> Side:
    path, colon, part = name.rpartition(":")
    if colon and not Path(name).exists():
        return Side(Path(path), part)
    return Side(Path(name))


def _read(side: Side) -> str:
    """Return the text of a side.

    Raises:
        UsageError: it is not text, or has no such function or class.
    """
    try:
        text = side.path.read_text("utf-8")
    except UnicodeDecodeError:
        raise click.UsageError(f"{side.path} is not text in UTF-8") from None
    if not side.part:
        return text
    parts = {name: node for node, name in definitions(parse(text))}
    if side.part not in parts:
        known = ", ".join(parts) or "none"
        raise click.UsageError(
            f"there is no {side.part} in {side.path}: there is {known}"
        )
    node = parts[side.part]
    lines = text.splitlines(keepends=True)
    return dedent("".join(lines[first_line(node) : node.end_lineno]))


def _check_step(sources: Sequence[str], step: int) -> None:
    """Refuse a step that no file has."""
    names = [name for source in sources for _, name in steps(source)]
    if f"[{step}]" not in names:
        known = ", ".join(dict.fromkeys(names)) or "none"
        raise click.UsageError(f"there is no step [{step}]: there is {known}")


def _columns_per_side(sides: int, columns: int | None) -> int:
    if columns is None and sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
    if columns is None:
        return LINE_COLUMNS
    side = (columns - len(BETWEEN) * (sides - 1)) // sides
    if side < LEAST_COLUMNS:
        raise click.UsageError(
            f"{columns} columns are too few for {sides} files side by side"
        )
    return side


def _lines(
    titles: Sequence[str],
    rows: Iterator[list[Piece | None]],
    columns: int,
    draw: Draw,
) -> Iterator[str]:
    """Yield each row as a line of text."""
    heads = [title[-columns:] for title in titles]
    yield BETWEEN.join(f"{head:<{columns}}" for head in heads).rstrip()
    yield "─┼─".join(["─" * columns] * len(titles))
    for row in rows:
        cells = []
        for side, piece in enumerate(row):
            text = "" if piece is None else draw(side, piece)
            used = 0 if piece is None else width(piece.text)
            cells.append(text + " " * (columns - used))
        yield BETWEEN.join(cells).rstrip()


def _plain(side: int, piece: Piece) -> str:
    return piece.text


def _in_colours(sides: Sequence[Side], sources: Sequence[str]) -> Draw:
    """Return what draws a piece in colours, if the terminal has any."""
    from rich.console import Console
    from rich.text import Text

    screen = Console(file=io.StringIO(), force_terminal=True, width=10**6)
    coloured = [
        _highlighted(str(side.path), source.expandtabs())
        for side, source in zip(sides, sources, strict=True)
    ]

    def draw(side: int, piece: Piece) -> str:
        size = len(piece.text) - piece.indent
        text = Text().append(piece.text[: piece.indent], "dim")
        text += coloured[side][piece.line][piece.start : piece.start + size]
        with screen.capture() as drawn:
            screen.print(text, end="", soft_wrap=True, highlight=False)
        return drawn.get()

    return draw


def _highlighted(path: str, source: str) -> list[Any]:
    """Return the lines of a file as rich texts, with their styles."""
    from pygments.token import Comment, Keyword, Literal, Name
    from rich.style import Style
    from rich.syntax import ANSISyntaxTheme, Syntax

    theme = ANSISyntaxTheme(  # readable on dark and on light
        {
            Comment: Style(color="cyan"),
            Keyword: Style(color="blue", bold=True),
            Literal: Style(color="green"),
            Name.Class: Style(bold=True),
            Name.Function: Style(bold=True),
            Name.Decorator: Style(color="magenta"),
        }
    )
    lexer = Syntax.guess_lexer(path, source)
    text = Syntax("", lexer, theme=theme, background_color="default")
    whole = text.highlight(source)
    whole.highlight_regex(r"(?m)^\s*# \[\d+\].*$", "bold yellow")
    return list(whole.split("\n", allow_blank=True))
