"""What tasks print, each program in a process of its own."""

import re
from pathlib import Path

import pytest

from tests.core.printing import run

pytestmark = pytest.mark.timeout(90)
PROGRAMS = Path(__file__).with_name("printing_programs.py")
WORDS = (
    "no newline at all", "step 3 of 3", "文\n", "training has begun",
    "words of a constructor", "words of a method", "words of rank 3",
    "it has raised:",
)  # fmt: skip


@pytest.fixture(scope="module", params=["ray", "minimr"])
def said(request):
    """Return all that a program has printed, until each word was read."""
    said = run(request.param, "speaks", until=WORDS)
    return re.sub(r"\x1b\[\d+m", "", said)  # Ray's colours


def line_with(said, words):
    (line,) = [line for line in said.split("\n") if words in line]
    return line


def test_a_print_without_a_newline_is_shown(said):
    assert "(unfinished pid=" in line_with(said, "no newline at all")


def test_a_progress_bar_is_shown_while_it_moves(said):
    assert "(bar pid=" in said
    assert "step 3 of 3" in said


def test_a_long_line_of_another_script_is_shown_as_it_is(said):
    assert said.count("文") == 100_000
    assert "\ufffd" not in said


def test_a_task_may_configure_logging(said):
    assert "INFO training has begun" in line_with(said, "has begun")


def test_a_constructor_prints_under_the_name_of_its_class(said):
    assert "(Maker pid=" in line_with(said, "words of a constructor")
    assert "(Maker pid=" in line_with(said, "words of a method")


def test_an_actor_that_writes_itself_prints_under_that(said):
    assert "(Ranked(rank=3) pid=" in line_with(said, "words of rank 3")


def test_the_error_of_an_actor_that_writes_itself_has_that(said):
    assert "repr=Ranked(rank=3)" in line_with(said, "it has raised:")
