"""What the tests of the command line share."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.running import DEADLINE_S, Minimr, command, environment


@pytest.fixture
def minimr(tmp_path: Path) -> Minimr:
    """Run the command in a process of its own, as a user does."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            env=environment(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    return run


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text("The cat and the dog.\nThe end\n" * 50, encoding="utf-8")
    return path
