"""What every program says of itself, what it may use, and the table."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from examples.listing import FOLDER, README, programs, table, title

MAX_LINES = 160  # to be read in one go
NAMES = list(programs())


@pytest.mark.parametrize("name", NAMES)
def test_its_head_says_what_to_watch_and_what_to_do_next(name: str) -> None:
    program = programs()[name]
    assert program.idea
    assert all(program.field(word) for word in ("Watch", "From", "Next"))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_handed_its_engine(name: str) -> None:
    main = programs()[name].main
    assert main is not None
    arguments = [argument.arg for argument in main.args.args]
    assert arguments == ["ray", "full"]


@pytest.mark.parametrize("name", NAMES)
def test_it_uses_no_private_name_and_asks_for_no_engine(name: str) -> None:
    assert list(private(programs()[name].tree)) == []


def private(tree: ast.Module) -> Iterator[str]:
    """Yield what begins with _, but for what Python names so itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            of = ast.unparse(node.value)
            special = node.attr.startswith("__") and of != "ray"
            if not special and of not in ("os", "self"):
                yield f"{node.lineno}: {of}.{node.attr}"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ray.__name__ == 'ray'", True),
        ("actor._ray_actor_id", True),
        ("ray._private.worker", True),
        ("type(error).__name__", False),
        ("os._exit(1)", False),
    ],
)
def test_a_private_name_is_noticed(line: str, found: bool) -> None:
    assert bool(list(private(ast.parse(line)))) is found


@pytest.mark.parametrize("name", NAMES)
def test_it_is_short(name: str) -> None:
    lines = programs()[name].path.read_text("utf-8").splitlines()
    assert len(lines) <= MAX_LINES


def test_a_name_stands_for_one_program() -> None:
    names = Counter(path.stem for path in FOLDER.glob("*/*.py"))
    assert [name for name in NAMES if names[name] > 1] == []


def test_every_folder_has_a_title() -> None:
    assert all(title(program.folder) for program in programs().values())


def test_the_table_of_the_page_is_that_of_the_files() -> None:
    """`python -m examples --table` writes it."""
    assert "\n".join(table()) in README.read_text("utf-8")


def test_what_the_page_says_is_where_it_says() -> None:
    page = README.read_text("utf-8")
    section = page[page.index("## What the documents describe") :]
    rows = section[: section.index("`python -m examples --table`")]
    named = re.findall(r"`([a-z0-9_]+)`", re.sub(r"(?m)^\|[^|]*", "", rows))
    assert named
    folders = {program.folder for program in programs().values()}
    assert [name for name in named if name not in {*folders, *NAMES}] == []
