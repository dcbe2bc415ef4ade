"""Where tasks and actors run when there are several nodes."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(240)  # a program that starts three nodes
PROGRAM = Path(__file__).with_name("placement_program.py")
PROGRAM_S = 200


def test_actors_find_every_cpu_that_tasks_have_left(seen):
    assert seen["actors after tasks"] == [[2, 2, 2]] * 2


def test_actors_that_hold_nothing_use_every_node(seen):
    assert seen["places of actors that hold nothing"] == 3


def test_tasks_run_where_their_large_arguments_are(seen):
    assert seen["tasks go to their arguments"] == [True] * 5


def test_a_lost_argument_is_made_anew_with_what_its_reader_asks_for(seen):
    # For a task, for an actor, and for that actor on another node.
    assert seen["lost arguments"] == [1, 1, 1]
