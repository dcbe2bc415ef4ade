"""Which programs there are: the files themselves say it, there is no list.

    examples/actors/counter.py ──> Program("counter", idea, document, ...)

A program is a file with a function `main`. Its name is that of the file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

FOLDER = Path(__file__).parent
README = FOLDER / "README.md"
FIELD = (
    r"^{}: +(.*(?:\n {{5,}}.*)*)"  # goes on where the next line is indented
)
HEADINGS = ("program", "idea", "document", "lines", "on both engines")


@dataclass(frozen=True)
class Program:
    """One program, as its file describes it. Nothing is imported."""

    path: Path

    @property
    def name(self) -> str:
        """Return its name in the command."""
        return self.path.stem

    @property
    def folder(self) -> str:
        """Return the folder that it is in: its subject."""
        return self.path.parent.name

    @property
    def module(self) -> str:
        """Return its name in an import."""
        return f"{FOLDER.name}.{self.folder}.{self.name}"

    @cached_property
    def tree(self) -> ast.Module:
        """Return what is in the file."""
        return ast.parse(self.path.read_text("utf-8"))

    @property
    def main(self) -> ast.FunctionDef | None:
        """Return its `main`; None: the file is no program."""
        named = [n for n in self.tree.body if isinstance(n, ast.FunctionDef)]
        return next((n for n in named if n.name == "main"), None)

    @property
    def text(self) -> str:
        """Return what the file says at its head."""
        return ast.get_docstring(self.tree) or ""

    @property
    def idea(self) -> str:
        """Return its first line."""
        return self.text.partition("\n")[0].rstrip(".")

    def field(self, name: str) -> str:
        """Return the text after `name:` at its head, as one line."""
        found = re.search(FIELD.format(name), self.text, re.MULTILINE)
        return "" if found is None else " ".join(found[1].split())

    @property
    def is_compared(self) -> bool:
        """Return whether `main` returns something to compare."""
        assert self.main is not None
        returns = (n for n in ast.walk(self.main) if isinstance(n, ast.Return))
        inside = {  # what the tasks in it return is something else
            id(node)
            for function in ast.walk(self.main)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            and function is not self.main
            for node in ast.walk(function)
        }
        return any(n.value and id(n) not in inside for n in returns)


@cache  # all files are read to find them
def programs() -> dict[str, Program]:
    """Return all programs by name, folder by folder."""
    found = [Program(path) for path in sorted(FOLDER.glob("*/*.py"))]
    return {one.name: one for one in found if one.main is not None}


def title(folder: str) -> str:
    """Return the first line of a folder's `__init__.py`."""
    return Program(FOLDER / folder / "__init__.py").idea


def table() -> Iterator[str]:
    """Yield the lines of the table in the README."""
    yield _row(HEADINGS)
    yield "|---|---|---|--:|---|"
    for one in programs().values():
        lines = len(one.path.read_text("utf-8").splitlines())
        yield _row(
            (
                f"[{one.name}]({one.folder}/{one.path.name})",
                one.idea,
                one.field("From").rstrip("."),
                str(lines),
                "equal" if one.is_compared else "nothing to compare",
            )
        )


def write_table() -> None:
    """Write the table into the README, in place of the one that is there."""
    page = README.read_text("utf-8")
    begin = page.index(_row(HEADINGS))
    old = re.compile(r"(?:\|.*\n)+").match(page, begin)
    assert old is not None
    new = "".join(f"{line}\n" for line in table())
    README.write_text(page[:begin] + new + page[old.end() :], "utf-8")


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
