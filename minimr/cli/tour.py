"""`minimr tour`: the pages of `docs/tour`, with the code that they name.

    docs/tour/06-*.md:  - [`minimr/.../tracker.py: Tracker.lose`](...)
                                          │
    minimr tour 6:      the page, and below that line what `lose` is now
    minimr tour 6 --run: what the page's program prints, and the answer

A page names code by file and definition, never by line or copy, so it
cannot go stale.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from minimr.cli.console import say

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "docs" / "tour"
NAMED = re.compile(r"- \[`([\w/.]+): ([\w.]+)`\]")
PROGRAM = re.compile(r"^```(python|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)
ANSWER = re.compile(
    r"^<details>.*?</summary>\n(.*?)</details>\n\n", re.DOTALL | re.MULTILINE
)


@click.command()
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option("--run", is_flag=True, help="Run the program of the page.")
def tour(number: int | None, run: bool) -> int:
    """Walk through the code, from a for loop to Ray.

    Without a NUMBER, list the pages. A page ends with a question and a
    program; --run runs it, and gives the answer.
    """
    found = pages()
    if number is None:
        for path in found:
            say(path.read_text("utf-8").partition("\n")[0].lstrip("# "))
        return 0
    if number > len(found):
        raise click.UsageError(
            f"the tour has no page {number}: it has {len(found)}"
        )
    text = found[number - 1].read_text("utf-8")
    if run:
        code = run_program(text)
        say("\n" + "\n".join(a.strip() for a in ANSWER.findall(text)))
        return code
    shown = "\n".join(with_code(ANSWER.sub("", text)))
    if sys.stdout.isatty():
        click.echo_via_pager(shown)
    else:
        say(shown)
    return 0


def pages() -> list[Path]:
    """Return the pages, in order.

    Raises:
        UsageError: there are none: this is not a copy of the source.
    """
    found = sorted(TOUR.glob("[0-9]*.md"))
    if not found:
        raise click.UsageError(f"the pages of the tour are not at {TOUR}")
    return found


def with_code(text: str) -> Iterator[str]:
    """Yield the lines of a page, and below each name what it stands for."""
    for line in text.splitlines():
        yield line
        if named := NAMED.match(line):
            yield from ("", "```python", source(*named.groups()), "```", "")


def source(path: str, name: str) -> str:
    """Return the lines of a definition, such as `Tracker.lose`.

    Raises:
        LookupError: there is no such definition in the file.
    """
    text = (ROOT / path).read_text("utf-8")
    node: ast.AST = ast.parse(text)
    for part in name.split("."):
        inside = ast.iter_child_nodes(node)
        named = [n for n in inside if getattr(n, "name", "") == part]
        if not named:
            raise LookupError(f"{path} has no {name}")
        node = named[0]
    assert isinstance(node, ast.ClassDef | ast.FunctionDef)
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


def run_program(text: str) -> int:
    """Run the program of a page. Returns: its exit code."""
    found = PROGRAM.search(text)
    assert found is not None, "every page has a program"
    language, program = found.groups()
    with tempfile.NamedTemporaryFile("w", suffix=f".{language}") as file:
        file.write(program)
        file.flush()
        interpreter = sys.executable if language == "python" else "sh"
        here = os.path.dirname(sys.executable)  # `minimr` is there as well
        path = f"{here}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return subprocess.run(
            [interpreter, file.name],
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            start_new_session=True,  # Ctrl-C is for this command alone
            check=False,
        ).returncode
