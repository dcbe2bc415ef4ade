"""A traceback gets the lines that only the driver knows."""

from __future__ import annotations

import linecache

import pytest

from minimr.exceptions import with_lines

CELL = "/nowhere/cell_1.py"
TEXT = f"""f() (pid=7)
Traceback (most recent call last):
  File "{__file__}", line 1, in g
    a line that is there
  File "{CELL}", line 2, in f
  File "{CELL}", line 9, in f
ZeroDivisionError: division by zero"""


def test_the_line_of_a_cell_is_filled_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = ["def f():\n", "    return 1 / 0\n"]
    entry = (30, None, lines, CELL)
    monkeypatch.setitem(linecache.cache, CELL, entry)
    assert with_lines(TEXT) == TEXT.replace(
        "line 2, in f\n", "line 2, in f\n    return 1 / 0\n"
    )


def test_a_text_without_frames_stays_as_it_is() -> None:
    assert with_lines("the worker died") == "the worker died"
    assert with_lines(TEXT) == TEXT
