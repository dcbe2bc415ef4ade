"""The student's functions, without the rest of the notebook.

    cells ─> statements ─> those that the wanted names need ─> namespace
                               └─ import ray ─> the verbs that are handed in

Rules:

1. Only definitions run: what a wanted function uses, and what that uses, in
   the order of the cells. No cell that counts the words of a library does.
2. The module of the engine is replaced by what is handed in, whatever it is
   called in the notebook, and wherever it is imported.
"""

from __future__ import annotations

import ast
import json
import linecache
import re
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENGINES = ("ray", "minimr")
VERBS = "__verbs__"  # their name in the namespace of the student
# What only a notebook has: lines such as %time, !ls, ?f and f?, and what such
# a line gives: x = !ls. Python may go on with a line of "% name" or "!= 3".
MAGIC = re.compile(
    r"^([ \t]*)(%%?[a-z].*|!(?!=).*|\?.*|[\w.]+\?+[ \t]*)$", re.MULTILINE
)
GIVEN = re.compile(r"^([ \t]*\w+[ \t]*=)[ \t]*(%[a-z]|!).*$", re.MULTILINE)
# Cells of another language begin with %%bash; with these, they are Python.
OTHER = re.compile(r"\s*%%(?!time|prun|capture)")


class SourceError(Exception):
    """The functions cannot be read; the text says why."""


@dataclass(frozen=True)
class Cell:
    """Some lines of source, and what they are called in an error."""

    name: str
    text: str


def cells_of(path: Path) -> list[Cell]:
    """Return the cells of a notebook; a file of Python is one cell.

    Raises:
        SourceError: it is neither.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read {path}: {error}") from error
    if path.suffix != ".ipynb":
        return [Cell(path.name, text)]
    try:
        found = [
            "".join(cell["source"])
            for cell in json.loads(text)["cells"]
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path} is no notebook: {error!r}") from error
    return [
        Cell(f"code cell {number}", _only_python(text))
        for number, text in enumerate(found, 1)
    ]


def _only_python(text: str) -> str:
    """Return a cell without what only a notebook understands."""
    if OTHER.match(text):
        return ""
    return GIVEN.sub(r"\1 None", MAGIC.sub(r"\1pass", text))


def load(
    cells: Sequence[Cell],
    wanted: Sequence[str],
    given: dict[str, Any],
    verbs: Any,
) -> dict[str, Any]:
    """Run what the wanted names need; return the namespace.

    Args:
        cells: of the student.
        wanted: names that are looked for.
        given: what stands in the place of the student's own of that name.
        verbs: stands in the place of the engine.

    Raises:
        SourceError: a name is missing, or a cell is not Python.
    """
    statements = [pair for cell in cells for pair in _statements(cell)]
    needed = _needed([node for _, node in statements], wanted, given)
    names = set(given)
    # What is defined in __main__ travels by value, to any process.
    space: dict[str, Any] = {"__name__": "__main__", VERBS: verbs, **given}
    for index in sorted(needed):
        cell, node = statements[index]
        tree = _Handed().visit(ast.Module([node], []))
        tree = ast.fix_missing_locations(tree)
        code = compile(tree, cell.name, "exec", dont_inherit=True)
        exec(code, space)
        space.update({name: given[name] for name in names})
    missing = [name for name in wanted if name not in space]
    if missing:
        raise SourceError(f"there is no {' and no '.join(missing)}")
    return space


def _statements(cell: Cell) -> Iterator[tuple[Cell, ast.stmt]]:
    try:
        tree = ast.parse(cell.text, cell.name)
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise SourceError(
            f"{cell.name}, line {error.lineno}, is no Python: "
            f"{error.msg}: {line}"
        ) from error
    # So that a traceback shows the line.
    lines = [line + "\n" for line in cell.text.splitlines()]
    linecache.cache[cell.name] = (len(cell.text), None, lines, cell.name)
    for node in tree.body:
        yield cell, node


def _needed(
    nodes: Sequence[ast.stmt], wanted: Sequence[str], given: dict[str, Any]
) -> set[int]:
    """Return which statements bind what is wanted, and what these need."""
    binders: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        for name in () if _is_main(node) else _bound(node):
            binders.setdefault(name, []).append(index)
    pending, needed = list(wanted), set[int]()
    while pending:
        name = pending.pop()
        if name in given:
            continue
        for index in binders.get(name, ()):
            if index not in needed:
                needed.add(index)
                pending += _read(nodes[index])
    return needed


def _is_main(node: ast.stmt) -> bool:
    """Return whether it is `if __name__ == "__main__":`."""
    return isinstance(node, ast.If) and "__name__" in set(_read(node))


def _bound(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement binds, or changes the content of."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target]
        )
        for target in targets:
            yield from _roots(target)
    elif not isinstance(node, ast.Expr):  # with, for, if, try
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.stmt):
                yield from _bound(part)


def _roots(target: ast.expr) -> Iterator[str]:
    while isinstance(target, (ast.Subscript, ast.Attribute, ast.Starred)):
        target = target.value
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            yield from _roots(part)


def _read(node: ast.stmt) -> list[str]:
    """Return the names of other statements that one uses."""
    table = symtable.symtable(ast.unparse(node), "?", "exec")
    return [*_globals(table)]


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    is_outer = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (is_outer or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _globals(inner)


class _Handed(ast.NodeTransformer):
    """Puts what is handed in where the engine is imported."""

    def visit_Import(self, node: ast.Import) -> Any:
        return [
            _bind(alias.asname or alias.name, VERBS)
            if alias.name in ENGINES
            else ast.Import([alias])
            for alias in node.names
        ]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        if node.module not in ENGINES:
            return node
        return [
            _bind(alias.asname or alias.name, f"{VERBS}.{alias.name}")
            for alias in node.names
        ]

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        called = ast.unparse(node.func)
        if called in ("import_module", "importlib.import_module"):
            return ast.Name(VERBS, ast.Load())
        return node


def _bind(name: str, expression: str) -> ast.stmt:
    return ast.parse(f"{name} = {expression}").body[0]
