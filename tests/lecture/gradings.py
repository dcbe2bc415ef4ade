"""`python -m tests.lecture.gradings`: grades all answers, many times.

    python -m tests.lecture.gradings --engine minimr --times 30 --load 2

It prints a line for each answer that was not judged as it should be, or could
not be graded, and how many were. `--load` keeps so many processes busy beside
it. `--here` judges all of them in this process, on one cluster.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from lecture.check import child
from lecture.check.findings import Finding, findings
from lecture.check.grade import GradingError, grade
from lecture.check.recorder import Recorder
from lecture.check.source import cells_of
from lecture.notebooks import build
from tests.lecture.answers import ANSWERS, Answer


def misjudged(answer: Answer, found: list[Finding]) -> str:
    """Return what is wrong with the findings; nothing if they are right."""
    first = next((each.wrong for each in found if each.wrong), "")
    if answer.words in first and bool(answer.words) == bool(first):
        return ""
    return f"{answer.part}, {answer.name}: {first or 'all is right'}"


def judged(answer: Answer, engine: Any, folder: Path) -> str:
    """Judge an answer here, by an engine that runs; return how it is wrong.

    So all but the process of a grading is tried, and many of them in seconds.
    """
    module = import_module(f"lecture.check.{answer.part}")
    path = folder / "answer.py"
    path.write_text(answer.text)
    student = module.Student(
        cells_of(path), path, Recorder(engine), lambda: None
    )
    checks = findings(module.CHECKS, student, lambda title: None)
    return misjudged(answer, list(checks))


def graded(answer: Answer, engine: str, folder: Path, address: str) -> str:
    """Grade an answer; return how it is misjudged."""
    path = folder / "answer.py"
    path.write_text(answer.text)
    if not answer.changes:  # as it is handed in
        path = folder / "answer.ipynb"
        path.write_text(json.dumps(build.notebook(answer.text)))
    return misjudged(answer, grade(answer.part, path, engine, address))


@contextlib.contextmanager
def busy(number: int) -> Iterator[None]:
    """Keep processes busy."""
    loops = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(number)
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@click.command()
@click.option("--engine", default="minimr")
@click.option("--address", default="")
@click.option("--times", default=1)
@click.option("--load", default=0)
@click.option("--only", default="", help="A regular expression.")
@click.option("--here", is_flag=True)
def main(
    engine: str, address: str, times: int, load: int, only: str, here: bool
) -> None:
    """Grade all answers."""
    verbs = child.verbs_of(engine, address)
    if here:
        child.start(verbs, address)
    number, bad, not_graded, begin = 0, 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder, busy(load):
        for _ in range(times):
            for answer in ANSWERS:
                if not re.search(only, f"{answer.part}, {answer.name}"):
                    continue
                try:
                    if here:
                        line = judged(answer, verbs, Path(folder))
                    else:
                        line = graded(answer, engine, Path(folder), address)
                    number, bad = number + 1, bad + bool(line)
                except GradingError as error:
                    line = f"{answer.part}, {answer.name}: {error}"
                    not_graded += 1
                if line:
                    click.echo(line)
            seconds = time.monotonic() - begin
            click.echo(
                f"{number} graded, {bad} misjudged, {not_graded} could not "
                f"be graded, {seconds:.0f} s"
            )


if __name__ == "__main__":
    main()
