"""Notebooks in kernels of their own, away from what is the user's."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import psutil

from lecture.notebooks import build

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 600  # on a machine that is busy with others
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


# The other end of a kernel: a line of JSON in, a line of JSON out.
SERVE = """
import json, sys
from jupyter_client.manager import KernelManager
manager = KernelManager(kernel_name="python3")
manager.start_kernel()

def connect():
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=None)
    return client

client = connect()
for line in sys.stdin:
    verb, text = json.loads(line)
    if verb == "restart":
        client.stop_channels()
        manager.restart_kernel(now=False)
        client = connect()
        print(json.dumps(["restarted", ""]), flush=True)
    else:
        def tell(message):
            content = message["content"]
            kind = message["msg_type"]
            if kind == "stream":
                told = content["text"]
            elif kind == "error":
                told = "\\n".join(content["traceback"])
            elif kind == "execute_result":
                told = content["data"]["text/plain"]
            else:
                return
            print(json.dumps(["told", told]), flush=True)
        client.execute_interactive(text, output_hook=tell, timeout=None)
        print(json.dumps(["done", ""]), flush=True)
client.stop_channels()
manager.shutdown_kernel(now=True)
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PATIENCE_S = 120


class Kernel:
    """A kernel of Jupyter, in a folder."""

    engine = ""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE],
            cwd=folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._told = ""

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def run(self, cell: str) -> str:
        """Run a cell; return what it shows. Blocks: until it has ended."""
        self.begin(cell)
        return self.end()

    def begin(self, cell: str) -> None:
        """Run a cell."""
        self._told = ""
        self._ask("run", cell)

    def end(self) -> str:
        """Return what the cell has shown. Blocks: until it has ended."""
        while self._read() != "done":
            pass
        return COLOUR.sub("", self._told).strip()

    def await_text(self, text: str) -> None:
        """Wait until the cell has shown a text."""
        while text not in self._told:
            assert self._read() == "told", self._told

    def interrupt(self) -> None:
        """Interrupt the cell that runs, as the button does."""
        # The other end is waiting for it, and so cannot be asked.
        found = psutil.Process(self._process.pid).children()
        (kernel,) = [p for p in found if "ipykernel" in " ".join(p.cmdline())]
        kernel.send_signal(signal.SIGINT)

    def restart(self) -> None:
        """Restart the kernel, as the menu does."""
        self._ask("restart", "")
        assert self._read() == "restarted"

    def _ask(self, verb: str, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([verb, text]) + "\n")
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the kernel has ended"
        kind, text = json.loads(line)
        self._told += text
        return str(kind)
