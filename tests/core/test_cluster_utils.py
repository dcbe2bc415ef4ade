"""Several nodes in one program: they join, die, and end with it."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(180)  # a program that starts three nodes
PROGRAM = Path(__file__).with_name("cluster_utils_program.py")


def test_a_cluster_without_a_head_cannot_be_joined(seen):
    assert seen["refuses to connect to nothing"] is True


def test_connect_makes_the_program_a_driver(seen):
    assert seen["cpus of the head"] == 1


def test_an_added_node_is_there_at_once(seen):
    assert (seen["alive"], seen["all"], seen["workers"]) == (3, 3, 2)
    assert seen["head first"] is True


def test_a_task_runs_on_the_added_node_that_has_its_resource(seen):
    assert seen["ran there"] is True


def test_a_label_selector_chooses_the_node(seen):
    assert seen["zone"] == [True] * 4
    assert seen["label of the node"] == ["east"]


def test_a_removed_node_is_dead(seen):
    assert seen["alive after one was removed"] == 2


def test_the_node_of_the_driver_is_not_removed(seen):
    assert seen["refuses to break its driver"] is True


def test_a_program_may_join_its_cluster_again(seen):
    assert seen["joins again"] == 2
    assert seen["all at the end"] == 0
