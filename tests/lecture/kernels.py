"""Notebooks in kernels of their own, away from what is the user's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat

from lecture.notebooks import build

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 240
# In a process of its own: a client of kernels leaves open what it has opened.
EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], 4)
try:
    NotebookClient(notebook, timeout=None, kernel_name="python3").execute()
finally:
    nbformat.write(notebook, sys.argv[1])
"""


def executed(page: str, folder: Path, *parameters: str) -> Any:
    """Run the solution of a page in a folder; return it with its outputs.

    Args:
        page: its name.
        folder: where it runs.
        parameters: lines that follow each cell of parameters.
    """
    made = build.notebook(build.solution(build.source(page)))
    cells = []
    for cell in made.cells:
        cells.append(cell)
        if "parameters" in cell.metadata.get("tags", ()):
            source = "\n".join(parameters)
            cells.append(nbformat.v4.new_code_cell(source))
    made.cells = cells
    path = folder / f"{page}.ipynb"
    nbformat.write(made, path)
    ended = subprocess.run(
        [sys.executable, "-c", EXECUTE, path],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return nbformat.read(path, 4)


def environment() -> dict[str, str]:
    """Return an environment in which a kernel finds this source."""
    known = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{known}" if known else str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def text_of(notebook: Any) -> str:
    """Return all that its cells have printed, as it would be seen."""
    parts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            parts.append(output.get("text", ""))
            parts.append(output.get("data", {}).get("text/plain", ""))
    return re.sub(r"[^\n]*\r(?!\n)", "", "".join(parts))


def pictures_of(notebook: Any) -> list[str]:
    """Return the kinds of the pictures that are shown."""
    return [
        kind
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        for kind in output.get("data", {})
        if kind.startswith("image/")
    ]
