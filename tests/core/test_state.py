"""What `util.state` says of nodes, workers, actors, tasks and objects."""

import importlib

import numpy as np
import pytest


@pytest.fixture
def state(api):
    if api.__name__ == "ray":
        pytest.skip(
            "Ray's state API asks its dashboard, which tests leave off"
        )
    return importlib.import_module(f"{api.__name__}.util.state")


def test_the_node_is_listed_with_its_resources(api, state):
    (node,) = state.list_nodes(filters=[("state", "=", "alive")])
    assert node.node_id == api.get_runtime_context().get_node_id()
    assert node["resources_total"]["CPU"] == 4
    assert node.is_head_node
    assert state.get_node(node.node_id) == node


def test_an_actor_is_listed_until_it_is_dead(api, state, eventually):
    class Clerk:
        def pid(self):
            return importlib.import_module("os").getpid()

    actor = api.remote(Clerk).options(name="clerk").remote()
    pid = api.get(actor.pid.remote())
    (row,) = state.list_actors([("name", "=", "clerk"), ("pid", "=", pid)])
    assert (row.class_name, row.state) == ("Clerk", "ALIVE")
    assert row.node_id == api.get_runtime_context().get_node_id()
    api.kill(actor)
    eventually(lambda: state.get_actor(row.actor_id).state == "DEAD")
    assert "kill()" in state.get_actor(row.actor_id).death_cause


def test_a_task_is_listed_as_it_waits_runs_and_ends(
    api, state, gate, eventually
):
    wait = gate.wait

    @api.remote
    def first_step():
        wait()
        return 1

    @api.remote
    def second_step(number):
        return number

    first = first_step.remote()
    second = second_step.remote(first)

    def states():
        rows = [*state.list_tasks(limit=10**6)]
        return {r.name: r.state for r in rows if r.name.endswith("_step")}

    eventually(lambda: states().get("first_step") == "RUNNING")
    assert states()["second_step"] == "PENDING_ARGS_AVAIL"
    assert state.get_task(first).type == "NORMAL_TASK"
    gate.open()
    assert api.get(second) == 1
    eventually(lambda: set(states().values()) == {"FINISHED"})
    counts = state.summarize_tasks()["cluster"]["summary"]
    assert counts["first_step"]["state_counts"] == {"FINISHED": 1}


def test_a_nested_task_is_listed_with_its_parent(api, state, gate, eventually):
    wait = gate.wait

    @api.remote
    def inner_leaf():
        wait()

    @api.remote
    def outer_leaf():
        api.get(inner_leaf.remote())

    outer = outer_leaf.remote()
    found = []

    def running():
        found[:] = state.list_tasks([("name", "=", "inner_leaf")], limit=10**6)
        return found and found[0].state == "RUNNING"

    eventually(running)
    assert found[0].parent_task_id == outer.task_id().hex()
    gate.open()
    api.get(outer)


def test_a_large_object_is_listed_with_its_size(api, state):
    ref = api.put(np.zeros(200_000))
    (row,) = state.get_objects(ref.hex())
    assert row.object_size > 1_600_000
    assert row.state == "MEMORY"


def test_the_driver_is_listed_beside_the_workers(api, state):
    pid = importlib.import_module("os").getpid()
    (driver,) = state.list_workers([("worker_type", "=", "DRIVER")])
    assert driver.pid == pid
    assert state.list_workers([("worker_type", "!=", "DRIVER")])


def test_a_limit_cuts_the_list(api, state):
    assert len(state.list_workers(limit=1)) == 1


@pytest.mark.parametrize(
    ("filter", "word"),
    [(("colour", "=", "red"), "colour"), (("state", ">", "ALIVE"), "'>'")],
)
def test_a_filter_that_cannot_be_is_refused(state, filter, word):
    with pytest.raises(ValueError, match=word):
        state.list_nodes([filter])
