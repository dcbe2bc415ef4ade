"""Graphs of tasks: bind, execute, InputNode."""

import importlib

import pytest

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.filterwarnings("ignore:DAGNode.execute:DeprecationWarning"),
]
T = 30


@pytest.fixture(scope="module")
def dag(api):
    return importlib.import_module(f"{api.__name__}.dag")


@pytest.fixture
def add(api):
    return api.remote(lambda x, y=0: x + y)


@pytest.fixture
def counter(api):
    @api.remote
    class Counter:
        def __init__(self, count):
            self.count = count

        def add(self, more):
            self.count += more
            return self.count

    return Counter.options(num_cpus=0)


def test_a_graph_runs_when_it_is_executed(api, dag, add):
    node = add.bind(add.bind(1, 2), y=add.bind(3))
    assert isinstance(node, dag.FunctionNode)
    assert isinstance(node, dag.DAGNode)
    ref = node.execute()
    assert isinstance(ref, api.ObjectRef)
    assert api.get(ref, timeout=T) == 6
    assert api.get(node.execute(), timeout=T) == 6


def test_a_node_that_two_use_is_called_once(api, add, attempt):
    once = api.remote(attempt).bind()
    assert api.get(add.bind(once, once).execute(), timeout=T) == 2


def test_nodes_inside_of_lists_become_references(api, add):
    total = api.remote(lambda parts: sum(api.get(parts["all"], timeout=T)))
    node = total.bind({"all": [add.bind(1, 1), add.bind(2)]})
    assert api.get(node.execute(), timeout=T) == 4


def test_what_execute_is_given_takes_the_place_of_the_input(api, dag, add):
    with dag.InputNode() as given:
        node = add.bind(given, given)
    assert api.get(node.execute(4), timeout=T) == 8
    with dag.InputNode() as given:
        node = add.bind(given[1], given.more)
    assert api.get(node.execute(1, 2, more=3), timeout=T) == 5


def test_an_actor_of_a_graph_is_made_once(api, add, counter):
    # Ray makes it anew if a node is among its arguments.
    actor = counter.bind(add.bind(3) if api.__name__ == "minimr" else 3)
    node = actor.add.bind(add.bind(1))
    assert api.get(node.execute(), timeout=T) == 4
    assert api.get(node.execute(), timeout=T) == 5


def test_a_method_of_a_handle_is_a_node(api, dag, add, counter):
    actor = counter.remote(0)
    node = add.bind(actor.add.bind(1), 1)
    assert api.get(node.execute(), timeout=T) == 2
    assert isinstance(actor.add.bind(1), dag.ClassMethodNode)


def test_a_graph_may_have_several_results(api, dag, add):
    both = dag.MultiOutputNode([add.bind(1), add.bind(2)])
    assert api.get(both.execute(), timeout=T) == [1, 2]


def test_a_node_is_not_called(add):
    with pytest.raises(AttributeError, match=r"remote\(\) cannot be used"):
        add.bind(1).remote()
