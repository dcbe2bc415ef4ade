"""A virtual environment per contestant: made once, kept in a folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.arena.contestants import NUMPY, Contestant
from benchmarks.common.timing import ContenderError

USUAL = "build/arena"
NOTE = "arena.json"  # in each: what was asked for
BUILD_S = 600.0


def python(folder: Path, contestant: Contestant) -> str:
    """Return the Python of a contestant's environment.

    Raises:
        ContenderError: there is none, or it was made for other versions, or
            could not be made.
    """
    place = _place(folder, contestant)
    try:
        note = json.loads((place / NOTE).read_text())
    except FileNotFoundError:
        note = {"wanted": None}
    if note["wanted"] != _wanted(contestant):
        why = "is of other versions" if note["wanted"] else "is missing"
        raise ContenderError(
            f"{place} {why}: python -m benchmarks arena --build"
        )
    if note["failed"]:
        raise ContenderError(note["failed"])
    return str(place / "bin" / "python")


def build(
    folder: Path,
    contestants: Sequence[Contestant],
    tell: Callable[[str], None],
) -> None:
    """Make the environments that are missing. Needs a package index."""
    for contestant in contestants:
        try:
            python(folder, contestant)
        except ContenderError:
            failed = _make(folder, contestant)
            note = {"wanted": _wanted(contestant), "failed": failed}
            place = _place(folder, contestant)
            (place / NOTE).write_text(json.dumps(note))
            tell(f"{contestant.name}: {failed or f'installed in {place}'}")


def _make(folder: Path, contestant: Contestant) -> str:
    """Make an environment; return why it cannot be made, "": it was."""
    place = _place(folder, contestant)
    place.mkdir(parents=True, exist_ok=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet",
           "--disable-pip-version-check"]  # fmt: skip
    commands = (
        [sys.executable, "-m", "venv", "--clear", str(place)],
        [*pip, *_wanted(contestant)[1:]],
    )
    try:
        for command in commands:
            subprocess.run(
                command, check=True, capture_output=True, text=True,
                timeout=BUILD_S,
                start_new_session=True,
            )  # fmt: skip
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()
        return f"does not install: {lines[-1] if lines else error}"
    except subprocess.TimeoutExpired as error:
        return f"does not install: {error}"
    return ""


def _place(folder: Path, contestant: Contestant) -> Path:
    return folder.absolute() / contestant.name.replace(" ", "-")


def _wanted(contestant: Contestant) -> list[str]:
    version = ".".join(map(str, sys.version_info[:3]))
    return [f"python=={version}", NUMPY, *contestant.requirements]
