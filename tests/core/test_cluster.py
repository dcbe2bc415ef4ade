"""Two nodes from the command line: one joins, works, dies, is replaced."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(180)  # a program that starts three nodes
PROGRAM = Path(__file__).with_name("cluster_program.py")


def test_a_driver_joins_a_head_started_by_hand(seen):
    assert seen["alone"] == 1
    assert seen["driver is at the head"] is True


def test_a_node_joins_and_adds_its_resources(seen):
    assert seen["cpus"] == 4


def test_tasks_run_where_their_resources_are(seen):
    assert seen["two places"] is True


def test_node_affinity_chooses_the_node(seen):
    assert seen["affinity"] is True


def test_spread_uses_every_node(seen):
    assert seen["spread"] == 2


def test_wait_without_fetch_finds_what_is_ready_far_away(seen):
    assert seen["ready far away"] is True


def test_an_array_goes_from_node_to_node(seen):
    assert seen["sum at the head"] == 2


def test_an_array_from_another_node_is_read_only(seen):
    assert seen["read-only"] is True


def test_a_dead_node_is_listed_as_dead(seen):
    assert seen["state of the dead node"] is False


def test_a_lost_result_and_its_lost_input_are_computed_anew(seen):
    assert seen["derived"] == 2
    # `first` ran for two references, and again for the one needed.
    assert seen["counts"] == [3, 2]


def test_lost_items_of_a_generator_are_made_anew(seen):
    assert seen["items"] == [0, 1]


def test_a_lost_result_keeps_the_input_that_nothing_makes_again(seen):
    assert seen["doubled"] == 2


def test_a_lost_result_without_retries_is_an_object_lost_error(seen):
    assert "ObjectLostError" in seen["lost"]


def test_an_actor_with_restarts_moves_to_another_node(seen):
    assert seen["moved"] is True


def test_an_actor_without_restarts_dies_with_its_node(seen):
    assert seen["dead"][0] == "ActorDiedError"


def test_nodes_started_by_hand_outlive_a_driver(seen):
    assert seen["nodes outlive the driver"] is True
