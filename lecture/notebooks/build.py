"""Makes the notebooks: `make notebooks`.

    part2_word_count.py ─┬─ solution() ─> part2_word_count_solution.ipynb
    (py:percent)         └─ skeleton() ─> part2_word_count.ipynb

What is the student's to write stands between the marks that nbgrader has for
this, `### BEGIN SOLUTION` and `### END SOLUTION`. So there is one file for
both, and it is a program that runs.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGES = ("part2_word_count", "part3_single_node", "part3_distributed")
SOLUTION = re.compile(
    r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION\n",
    re.DOTALL | re.MULTILINE,
)
TODO = "# YOUR CODE HERE"


def source(page: str) -> str:
    """Return the text of a page, in Jupytext's py:percent."""
    return (HERE / f"{page}.py").read_text("utf-8")


def solution(text: str) -> str:
    """Return a page with the solution, without the marks."""
    return SOLUTION.sub(lambda found: found[2], text)


def skeleton(text: str) -> str:
    """Return a page with a note in the place of each solution.

    In a function, it also raises: what is not written cannot be forgotten.
    """

    def todo(found: re.Match[str]) -> str:
        indent = found[1]
        missing = f"{indent}raise NotImplementedError\n" if indent else ""
        return f"{indent}{TODO}\n{missing}"

    return SOLUTION.sub(todo, text)


def notebook(text: str) -> Any:
    """Return a page as a notebook."""
    import jupytext

    made = jupytext.reads(text, fmt="py:percent")
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"  # else another one each time
    return made


def build(folder: Path) -> Iterator[Path]:
    """Write all notebooks into a folder; yield their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in PAGES:
        text = source(page)
        versions = {"": skeleton(text)}
        if skeleton(text) != text:
            versions["_solution"] = solution(text)
        for suffix, version in versions.items():
            path = folder / f"{page}{suffix}.ipynb"
            made = notebook(version)
            path.write_text(json.dumps(made, indent=1) + "\n", "utf-8")
            yield path


if __name__ == "__main__":
    for path in build(Path(sys.argv[1])):
        sys.stdout.write(f"wrote {path}\n")
