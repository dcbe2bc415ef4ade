"""How many tasks may be under way to one worker."""

from __future__ import annotations

import pytest

from minimr.core.process.window import (
    ALL,
    MAX_WINDOW,
    QUICK_S,
    SLOW_S,
    State,
    Window,
)

QUICK, FAIR, SLOW = QUICK_S / 2, (QUICK_S + SLOW_S) / 2, 2 * SLOW_S


@pytest.mark.parametrize(
    ("answers_s", "room"),
    [
        ([], 1),
        ([QUICK], 2),
        ([QUICK, QUICK, QUICK], 8),
        ([QUICK, QUICK, FAIR], 4),
        ([QUICK, QUICK, SLOW], 1),
        ([QUICK, SLOW, QUICK], 2),
        ([QUICK] * 20, MAX_WINDOW),
    ],
)
def test_a_window_follows_the_answers(
    answers_s: list[float], room: int
) -> None:
    window = Window()
    slow = [window.answered(took_s) for took_s in answers_s]
    assert slow == [took_s == SLOW for took_s in answers_s]
    assert window.room == room


@pytest.mark.parametrize(("kept", "room"), [(0, 1), (1, 1), (5, 5), (9, 8)])
def test_who_gives_tasks_back_gets_no_more_than_it_has_kept(
    kept: int, room: int
) -> None:
    window = Window(8)
    window.shrink(kept)
    assert window.room == room


def test_a_window_that_has_shrunk_grows_to_no_more_than_another() -> None:
    window = Window(MAX_WINDOW)
    window.shrink(MAX_WINDOW - 1)
    window.answered(QUICK)
    assert window.room == MAX_WINDOW


@pytest.mark.parametrize(
    ("stolen", "room"), [(2, 8), (20, 20), (2 * MAX_WINDOW, MAX_WINDOW)]
)
def test_who_is_idle_has_room_for_what_was_given_back(
    stolen: int, room: int
) -> None:
    window = Window(8)
    window.widen(stolen)
    assert window.room == room


def test_a_window_that_is_used_up_opens_again_for_one() -> None:
    window = Window(4)
    window.use_up()
    assert window.room == 0
    window.answered(QUICK)
    assert (window.room, window.state) == (0, State.USED_UP)
    window.reopen()
    assert (window.room, window.state) == (1, State.OPEN)


def test_a_window_that_is_open_is_not_opened_again() -> None:
    window = Window(4)
    window.reopen()
    assert window.room == 4


def test_a_closed_window_stays_closed() -> None:
    window = Window(4)
    window.close()
    window.use_up()
    window.reopen()
    window.answered(QUICK)
    window.shrink()
    assert (window.room, window.state) == (0, State.CLOSED)


def test_the_window_of_an_actor_is_fixed_until_it_is_closed() -> None:
    window = Window(ALL)
    assert window.is_fixed
    assert window.room == ALL
    window.close()
    assert window.room == 0
