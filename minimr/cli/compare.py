"""`minimr compare`: two implementations of one thing, side by side.

    minimr/sockets/mapreduce.py  │ ray_impl/mapreduce.py
    def run(...)                 │ def run(...)
    # [1] map: ...               │ # [1] map: ...

The files are mirrored: the same definitions in the same order with the same
numbered steps. These are the anchors; both sides are padded until each
anchor that they share stands on one line.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path

import click

from minimr.cli.console import say

# {name on the command line: (from scratch, on Ray)}
PAIRS = {
    name: (f"minimr/sockets/{file}", f"ray_impl/{file}")
    for name, file in [
        ("mapreduce", "mapreduce.py"),
        ("parameter-server", "parameter_server.py"),
    ]
}
STEP = re.compile(r"\s*# (\[\d+\])")
SIDE_COLUMNS = 79


@click.command()
@click.argument("pair", type=click.Choice(list(PAIRS)))
def compare(pair: str) -> None:
    """Show what is from scratch beside the same on Ray.

    On a terminal in your pager, $PAGER.
    """
    root = Path(__file__).parents[2]
    left, right = ((root / name).read_text() for name in PAIRS[pair])
    columns = SIDE_COLUMNS
    if sys.stdout.isatty():
        columns = min(columns, (shutil.get_terminal_size().columns - 3) // 2)
    lines = side_by_side(left, right, PAIRS[pair], columns)
    if sys.stdout.isatty():
        click.echo_via_pager(f"{line}\n" for line in lines)
        return
    for line in lines:
        say(line)


def side_by_side(
    left: str, right: str, titles: tuple[str, str], columns: int
) -> Iterator[str]:
    """Give the lines of both files beside each other, aligned at anchors."""
    rule = "─" * columns
    yield _row(*titles, columns)
    yield f"{rule}─┼─{rule}"
    sides = left.splitlines(), right.splitlines()
    marks = anchors(left), anchors(right)
    begin = (0, 0)
    for cut in [*_shared(*marks), (len(sides[0]), len(sides[1]))]:
        ours, theirs = (
            side[start:end]
            for side, start, end in zip(sides, begin, cut, strict=True)
        )
        for one, other in zip_longest(ours, theirs, fillvalue=""):
            yield _row(one, other, columns)
        begin = cut


def anchors(source: str) -> dict[str, int]:
    """Find what two mirrored files share: {definition or step: line}.

    A step belongs to the definition that it stands in.
    """
    found: dict[str, int] = {}
    spans: list[tuple[int, int, str]] = []
    for node, name in _definitions(ast.parse(source), ""):
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        found[name] = first - 1
        spans.append((node.lineno, node.end_lineno or node.lineno, name))
    for number, line in enumerate(source.splitlines(), 1):
        step = STEP.match(line)
        inside = [name for low, high, name in spans if low <= number <= high]
        if step and inside:
            found[f"{inside[-1]} {step[1]}"] = number - 1
    return dict(sorted(found.items(), key=lambda item: item[1]))


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _definitions(
    parent: ast.AST, prefix: str
) -> Iterator[tuple[Definition, str]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, Definition):
            name = prefix + node.name
            yield node, name
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node, name + ".")


def _shared(
    left: dict[str, int], right: dict[str, int]
) -> Iterator[tuple[int, int]]:
    names = list(left), list(right)
    matcher = SequenceMatcher(None, *names, autojunk=False)
    for block in matcher.get_matching_blocks():
        for name in names[0][block.a : block.a + block.size]:
            yield left[name], right[name]


def _row(left: str, right: str, columns: int) -> str:
    cut = [
        text if len(text) <= columns else text[: columns - 1] + "…"
        for text in (left, right)
    ]
    return f"{cut[0]:<{columns}} │ {cut[1]}".rstrip()
