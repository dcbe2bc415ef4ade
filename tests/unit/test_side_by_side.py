"""How lines of files come to stand beside each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from minimr.cli.side_by_side import (
    align,
    anchors,
    lines_of,
    side_by_side,
    width,
    wrap,
)

LETTERS = st.text(st.sampled_from("ab( 日é"), max_size=60)


@given(LETTERS, st.integers(8, 30), st.integers(0, 5))
def test_a_line_is_wrapped_into_pieces_that_fit_and_lose_nothing(
    line: str, columns: int, left: int
) -> None:
    pieces = list(wrap(line, 7, columns, left))
    assert all(width(piece.text) <= columns for piece in pieces)
    shown = "".join(piece.text[piece.indent :] for piece in pieces)
    assert shown.replace(" ", "") == line[left:].replace(" ", "")
    for piece in pieces:
        size = len(piece.text) - piece.indent
        assert line[piece.start :][:size] == piece.text[piece.indent :]


def test_a_line_that_fits_is_one_piece() -> None:
    (piece,) = wrap("    return 1", 3, 12)
    assert piece == (3, 0, "    return 1", 0)


def test_a_line_goes_on_behind_a_space_at_its_own_indentation() -> None:
    pieces = wrap("  return first, second", 0, 18)
    assert [p.text for p in pieces] == ["  return first, ", "  ↪ second"]


SAMPLE = '''
class A:
    def run(self):
        """Run."""
        # [1] map: here
        x = 1
        # [2] shuffle
        y = 2

    def end(self):
        pass


def work(a):
    # [1] map: there
    return a
'''


def test_anchors_are_definitions_and_steps_which_may_come_twice() -> None:
    assert list(anchors(SAMPLE)) == [
        "A", "A.run", "[1] 1", "[2] 1", "A.end", "work", "[1] 2",
    ]  # fmt: skip
    assert anchors("no (Python\n# [1] map\n") == {"[1] 1": 1}


def test_rows_are_what_two_or_more_files_share() -> None:
    one, two, three = {"a": 0, "b": 4}, {"b": 1, "c": 9}, {"c": 3}
    assert list(align([one, two, three])) == [{0: 4, 1: 1}, {1: 9, 2: 3}]


def test_what_stands_in_another_order_is_aligned_once() -> None:
    rows = list(align([{"a": 0, "b": 1}, {"b": 0, "a": 1}]))
    assert len(rows) == 1


def test_a_step_is_shown_below_the_head_of_its_definition() -> None:
    lines = SAMPLE.splitlines()
    chosen = [lines[n][left:] for n, left in lines_of(SAMPLE, 1).items()]
    assert chosen == [
        "def run(self):",
        "    # [1] map: here",
        "    x = 1",
        "def work(a):",
        "    # [1] map: there",
        "    return a",
    ]


def test_a_column_is_padded_until_what_it_shares_is_on_one_row() -> None:
    left = "x = 1\ny = 2\ndef f():\n    pass\n"
    rows = list(side_by_side([left, "def f():\n    pass\n"], 79))
    assert [[p and p.line for p in row] for row in rows] == [
        [0, None], [1, None], [2, 0], [3, 1],
    ]  # fmt: skip
