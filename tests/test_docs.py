"""The README and the pages in `docs` tell the truth.

Their programs run, what they name exists, and their commands are commands.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import pytest

from minimr.ladder import LADDER

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "examples/README.md",
]
README = PAGES[0].read_text("utf-8")

# `minimr/core/scheduler.py: decide`, a file and perhaps what is in it
NAMED = re.compile(
    r"`((?:minimr|ray_impl|dqn|benchmarks|examples|lecture|tests|docs)/[\w/.]*)"
    r"(?:: ([\w.]+))?`"
)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
QUESTIONS = {
    "Where is it decided which node runs a task?": "minimr/core/scheduler.py",
    "What happens when a map worker dies?": "cluster/tracker.py: Tracker.lose",
    "Who frees an object?": "minimr/core/process/ownership.py",
    "How many rounds ahead may a worker be?": "parameter_server/rounds.py",
}


def run_program(page: Path, language: str, folder: Path) -> str:
    """Run the one program of a page in that language's fence."""
    fence = rf"```{language}\n(.*?)```"
    (program,) = re.findall(fence, page.read_text("utf-8"), re.DOTALL)
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
    told = run_program(PAGES[0], "python", tmp_path)
    assert re.fullmatch(r"\[\(\d+, \d+\)(, \(\d+, \d+\)){2}\]\n", told)


def test_the_test_of_the_readme_passes(tmp_path: Path) -> None:
    (test,) = re.findall(r"```py\n(.*?)```", README, re.DOTALL)
    assert "seeds=300" in test
    path = tmp_path / "test_mine.py"
    path.write_text(test.replace("seeds=300", "seeds=3"))
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout


def test_the_parameter_server_of_its_page_runs(tmp_path: Path) -> None:
    # -0.5 x -1, and then -0.5 x (0.5 - 1)
    told = run_program(ROOT / "docs/parameter-server.md", "py", tmp_path)
    assert told == "[0.75 0.75 0.75] {0: 2}\n"


@cache
def names(path: Path) -> set[str]:
    """List what a module defines: names, classes, `Class.method`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        for name in defined(node):
            found.add(name)
            body = node.body if isinstance(node, ast.ClassDef) else []
            found |= {f"{name}.{x}" for part in body for x in defined(part)}
    return found


def defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_and_name_of_a_page_exists(page: Path) -> None:
    missing = [
        f"{path}: {name}" if name else path
        for path, name in NAMED.findall(page.read_text("utf-8"))
        if not (ROOT / path).exists()
        or (name and name not in names(ROOT / path))
    ]
    assert not missing


def links(page: Path) -> list[str]:
    return LINK.findall(FENCE.sub("", page.read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert not [
        link for link in links(page) if not (page.parent / link).exists()
    ]


def test_every_page_is_linked() -> None:
    linked = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in links(page)
    }
    assert not [page.name for page in PAGES[1:] if page not in linked]


def test_the_ladder_in_the_readme_is_the_table_of_engines() -> None:
    rows = re.findall(r"^\| (\d) \| `(\w+)` \| `([\w/]+)/` \|", README, re.M)
    assert [(int(n), name) for n, name, _ in rows] == [*enumerate(LADDER)]
    for _, name, folder in rows:
        module = LADDER[name].verbs or LADDER[name].mapreduce
        place = {"minimr": "minimr.core", "ray": "ray_impl"}.get(module)
        assert (place or module).startswith(folder.replace("/", "."))


def test_the_readme_shows_every_folder() -> None:
    folders = {
        f"{path.parent.relative_to(ROOT)}/"
        for pattern in ("*/__init__.py", "minimr/*/__init__.py")
        for path in ROOT.glob(pattern)
    } - {"minimr/", "tests/"}
    assert folders <= {path for path, _ in NAMED.findall(README)}


def test_the_readme_shows_two_files_beside_each_other_as_they_are() -> None:
    rows = [x.split(" │ ") for x in README.splitlines() if " │ " in x]
    left, right = (
        (ROOT / name.strip()).read_text("utf-8") for name in rows[0]
    )
    assert len(rows) > 3
    for ours, theirs in rows[1:]:
        assert ours.strip() in left
        assert theirs.strip() in right


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_index_answers_in_one_step(question: str) -> None:
    (row,) = [x for x in README.splitlines() if x.startswith(f"| {question}")]
    assert QUESTIONS[question] in row


def commands() -> list[str]:
    """List the commands in the fences, and in the tables of the README."""
    lines = [
        line
        for page in PAGES
        for fence in FENCE.findall(page.read_text("utf-8"))
        for line in fence.replace("\\\n", " ").splitlines()
    ] + re.findall(r"`([^`]+)`", README)
    begin = re.compile(
        r"(\w+=\w+ )?"
        r"(minimr|python -m (dqn|benchmarks|examples|lecture)) [a-z]"
    )
    return sorted({line for line in lines if begin.match(line)})


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_pages_is_one(line: str) -> None:
    from benchmarks.cli import main as benchmarks
    from dqn.cli.main import cli as dqn
    from examples.command import main as examples
    from lecture.command import lecture
    from minimr.cli.commands import cli as minimr

    words = [x for x in shlex.split(line, comments=True) if "=" not in x]
    command: click.Command = minimr
    if words[0] == "python":
        groups = {
            "dqn": dqn,
            "benchmarks": benchmarks,
            "examples": examples,
            "lecture": lecture,
        }
        command = groups[words[2]]
    for word in words[1 if words[0] == "minimr" else 3 :]:
        if isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            assert found is not None, f"{word} is no command"
            command = found
        elif word == "--":  # what follows is another program's
            break
        elif word.startswith("--"):
            params = command.get_params(click.Context(command))
            known = [option for p in params for option in p.opts]
            assert word in known, f"{word} is no option"


def test_the_options_of_the_page_are_those_of_the_command() -> None:
    from minimr.cli.wordcount import wordcount

    page = (ROOT / "docs/commands.md").read_text("utf-8")
    table = page[page.index("The options of `minimr wordcount`") :]
    named = re.findall(r"^\| (`--.*?) \|", table, re.M)
    options = {
        name
        for option in wordcount.params
        for name in option.opts
        if name.startswith("--")
    }
    assert set(re.findall(r"--[a-z-]+", " ".join(named))) == options
