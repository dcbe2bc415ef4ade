"""The README tells the truth: its program runs, its files exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run_program(language: str, folder: Path) -> str:
    """Run the one program of the README in that language's fence."""
    fence = rf"```{language}\n(.*?)```"
    (program,) = re.findall(fence, README, re.DOTALL)
    path = folder / "program.py"
    path.write_text(program)
    ended = subprocess.run(
        [sys.executable, path],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "MINIMR_TOKEN_FILE": f"{path}.token"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_program_of_the_readme_runs(tmp_path: Path) -> None:
    told = run_program("python", tmp_path)
    assert re.fullmatch(r"\[\(\d+, \d+\)(, \(\d+, \d+\)){2}\]\n", told)


def test_the_parameter_server_of_the_readme_runs(tmp_path: Path) -> None:
    # -0.5 x -1, and then -0.5 x (0.5 - 1)
    told = run_program("py", tmp_path)
    assert told == "[0.75 0.75 0.75] {0: 2}\n"


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:minimr|ray_impl)/[\w/.]*)`", README)))
)
def test_every_file_that_the_readme_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_options_in_the_readme_are_those_of_the_command() -> None:
    from minimr.cli.wordcount import wordcount

    text = README[README.index("minimr wordcount [PATH]") :]
    named = set(re.findall(r"--[a-z-]+", text[: text.index("minimr worker")]))
    options = {
        name
        for option in wordcount.params
        for name in option.opts
        if name.startswith("--")
    }
    assert named == options
