"""Lines of several files beside each other, aligned where they correspond.

    sources ─> anchors of each ─> align ─> columns of pieces ─> rows
               {definition or step: line}      │ a line, or a part of one:
                                               │ what is too long is wrapped

Files of a mirrored pair have the same definitions in the same order with the
same numbered steps. These are the anchors; each column is padded until the
anchors that it shares with another one stand on one row.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import NamedTuple
from unicodedata import east_asian_width

STEP = re.compile(r"\s*# (\[\d+\])")
CONTINUED = "↪ "  # what follows belongs to the line above

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Piece(NamedTuple):
    """A part of a line of one file, as wide as a column at most.

    Attributes:
        line: its index in the file.
        start: where the part begins in that line.
        text: what is shown.
        indent: how many characters of it were put before that part.
    """

    line: int
    start: int
    text: str
    indent: int = 0


def side_by_side(
    sources: Sequence[str], columns: int, step: int | None = None
) -> Iterator[list[Piece | None]]:
    """Yield rows: one piece, or nothing, for each source.

    Args:
        sources: the texts of the files.
        columns: how wide one side may be.
        step: show this numbered step alone.
    """
    texts = [source.expandtabs().splitlines() for source in sources]
    shown = [
        dict.fromkeys(range(len(text)), 0)
        if step is None
        else lines_of(source, step)
        for text, source in zip(texts, sources, strict=True)
    ]
    sides: list[list[Piece | None]] = [[] for _ in sources]
    begins = [0] * len(sources)
    ends = {side: len(text) for side, text in enumerate(texts)}
    for row in [*align([anchors(source) for source in sources]), ends]:
        for side, end in row.items():
            for line in range(begins[side], end):
                if line in shown[side]:
                    left = shown[side][line]
                    sides[side] += wrap(texts[side][line], line, columns, left)
            begins[side] = end
        height = max(len(sides[side]) for side in row)
        for side in row:
            sides[side] += [None] * (height - len(sides[side]))
    yield from map(list, zip_longest(*sides))


def anchors(source: str) -> dict[str, int]:
    """Return the anchors of a file: {definition or step: line}.

    A step may be there twice: in the driver, and in a worker.
    """
    found = {
        name: first_line(node) for node, name in definitions(parse(source))
    }
    seen: Counter[str] = Counter()
    for line, name in steps(source):
        seen[name] += 1
        found[f"{name} {seen[name]}"] = line
    return dict(sorted(found.items(), key=lambda item: item[1]))


def align(marks: Sequence[dict[str, int]]) -> Iterator[dict[int, int]]:
    """Yield the anchors that two or more files share: {side: line}."""
    rows: list[tuple[str, dict[int, int]]] = []
    for side, lines in enumerate(marks):
        known, new = [name for name, _ in rows], list(lines)
        matcher = SequenceMatcher(None, known, new, autojunk=False)
        merged = []
        for how, low, high, start, end in matcher.get_opcodes():
            merged += rows[low:high]
            for number, name in enumerate(new[start:end]):
                if how == "equal":
                    rows[low + number][1][side] = lines[name]
                else:
                    merged.append((name, {side: lines[name]}))
        rows = merged
    yield from (row for _, row in rows if len(row) > 1)


def steps(source: str) -> Iterator[tuple[int, str]]:
    """Yield the numbered steps of a file: (line, "[1]")."""
    for line, text in enumerate(source.splitlines()):
        if match := STEP.match(text):
            yield line, match[1]


def lines_of(source: str, step: int) -> dict[int, int]:
    """Return the lines of one step, below the head of its definition.

    Returns: {line: how many characters to leave out on its left}.
    """
    found: dict[int, int] = {}
    marks = list(steps(source))
    nodes = [
        node
        for node, _ in definitions(parse(source))
        if not isinstance(node, ast.ClassDef)
    ]
    for begin, name in marks:
        if name != f"[{step}]":
            continue
        ends = [len(source.splitlines())]
        ends += [line for line, _ in marks if line > begin]
        head, left = range(0), 0
        for node in nodes:
            if node.lineno <= begin < (node.end_lineno or 0):
                ends.append(node.end_lineno or 0)
                head = range(first_line(node), node.body[0].lineno - 1)
                left = node.col_offset
        found.update(dict.fromkeys([*head, *range(begin, min(ends))], left))
    return found


def parse(source: str) -> ast.Module:
    """Parse a file; what is not Python has no definitions."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def definitions(
    parent: ast.AST, prefix: str = ""
) -> Iterator[tuple[Definition, str]]:
    """Yield the classes, functions and methods, with their full names."""
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, Definition):
            name = prefix + node.name
            yield node, name
            if isinstance(node, ast.ClassDef):
                yield from definitions(node, name + ".")


def first_line(node: Definition) -> int:
    """Return the line with its first decorator, or its name."""
    return min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1


def wrap(text: str, line: int, columns: int, left: int = 0) -> Iterator[Piece]:
    """Cut a line into pieces that fit, behind a space where there is one.

    Args:
        left: how many characters to leave out before the first piece.
    """
    text = text[left:]
    indent = min(len(text) - len(text.lstrip()), columns // 2)
    start, before = 0, ""
    while width(before + text[start:]) > columns:
        end = start + 1
        while width(before + text[start : end + 1]) <= columns:
            end += 1
        space = text.rfind(" ", start + indent + 1, end) + 1
        if text[end] != " " and space > start + columns // 3:
            end = space
        yield Piece(line, left + start, before + text[start:end], len(before))
        start = end
        start += len(text[start:]) - len(text[start:].lstrip())
        before = " " * indent + CONTINUED
    yield Piece(line, left + start, before + text[start:], len(before))


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(1 + (east_asian_width(letter) in "WF") for letter in text)
