"""Every page of the tour runs, and shows code that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from minimr.cli.tour import NAMED, TOUR, with_code
from tests.cli.running import DEADLINE_S, Minimr

PAGES = sorted(TOUR.glob("[0-9]*.md"))
PRINTED = re.compile(r"It prints:\n\n```text\n(.*?)```", re.DOTALL)
PARTS = ("# ", "**Goal.** ", "**Rule.** ", "## The code", "## Predict",
         "<details><summary>Answer</summary>", "## Run")  # fmt: skip


def test_the_pages_are_numbered_without_a_gap() -> None:
    numbers = [int(page.name[:2]) for page in PAGES]
    assert numbers == [*range(1, len(PAGES) + 1)]
    assert all(
        page.read_text("utf-8").startswith(f"# {number}. ")
        for number, page in enumerate(PAGES, 1)
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_a_goal_a_rule_code_a_question_and_a_program(
    page: Path,
) -> None:
    lines = page.read_text("utf-8").splitlines()
    found = [p for p in PARTS if any(line.startswith(p) for line in lines)]
    assert found == [*PARTS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_the_code_that_it_names(page: Path) -> None:
    text = page.read_text("utf-8")
    named = [x for x in text.splitlines() if NAMED.match(x)]
    assert named
    shown = "\n".join(with_code(text))
    assert shown.count("```python") - text.count("```python") == len(named)


@pytest.mark.timeout(DEADLINE_S + 30)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_program_of_a_page_prints_what_the_page_says(
    page: Path, minimr: Minimr
) -> None:
    ended = minimr("tour", int(page.name[:2]), "--run")
    assert ended.returncode == 0, ended.stderr
    printed = PRINTED.search(page.read_text("utf-8"))
    if printed is not None:
        assert ended.stdout.startswith(printed[1])
