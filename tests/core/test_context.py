"""What a program can ask about itself: nodes, ids, names, timeline."""

import json
import os

import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


@pytest.fixture(scope="module")
def ask(api):
    """A task that answers with the values of its runtime context."""

    @api.remote
    def ask(*names):
        context = api.get_runtime_context()
        return [getattr(context, f"get_{name}")() for name in names]

    return ask


@pytest.fixture(scope="module")
def actor(api):
    @api.remote
    class Asked:
        def ask(self, *names):
            context = api.get_runtime_context()
            return [getattr(context, f"get_{name}")() for name in names]

    return Asked.options(name="asked").remote()


def test_is_initialized_is_true_while_it_runs(api):
    assert api.is_initialized() is True


def test_nodes_describes_the_one_node(api):
    (node,) = api.nodes()
    assert node["Alive"] is True
    assert node["NodeID"] == api.get_runtime_context().get_node_id()
    assert node["Resources"]["CPU"] == 4
    assert node["Resources"]["widget"] == 2
    assert node["NodeManagerAddress"]


def test_the_driver_has_a_job_and_no_task(api):
    context = api.get_runtime_context()
    assert isinstance(context.get_job_id(), str)
    assert context.get_task_id() is None
    assert context.get_actor_id() is None


def test_the_namespace_is_what_init_was_given(api):
    assert api.get_runtime_context().namespace == "suite"


def test_a_task_knows_the_job_and_the_node_of_its_driver(api, ask):
    context = api.get_runtime_context()
    job, node = api.get(ask.remote("job_id", "node_id"), timeout=T)
    assert job == context.get_job_id()
    assert node == context.get_node_id()


def test_tasks_have_ids_of_their_own(api, ask):
    ids = api.get([ask.remote("task_id") for _ in range(3)], timeout=T)
    assert len({task_id for (task_id,) in ids}) == 3


def test_a_task_has_the_name_of_its_function_or_its_option(api, ask):
    names = [ask.remote("task_name")]
    names.append(ask.options(name="special").remote("task_name"))
    assert api.get(names, timeout=T) == [["ask"], ["special"]]


def test_a_task_is_in_no_actor(api, ask):
    answer = api.get(ask.remote("actor_id", "actor_name"), timeout=T)
    assert answer == [None, None]


def test_an_actor_knows_its_id_and_its_name(api, actor):
    refs = [actor.ask.remote("actor_id", "actor_name") for _ in range(2)]
    first, second = api.get(refs, timeout=T)
    assert first == second
    assert first[0]
    assert first[1] == "asked"


def test_each_call_of_an_actor_is_a_task_of_its_own(api, actor):
    refs = [actor.ask.remote("task_id") for _ in range(2)]
    first, second = api.get(refs, timeout=T)
    assert first != second


def test_an_actor_is_named_in_the_name_of_its_calls(api, actor):
    (name,) = api.get(actor.ask.remote("task_name"), timeout=T)
    assert name == "Asked.ask"


def test_workers_have_ids_apart_from_the_driver(api, ask):
    (worker,) = api.get(ask.remote("worker_id"), timeout=T)
    assert worker != api.get_runtime_context().get_worker_id()


def test_a_first_start_is_no_reconstruction(api):
    @api.remote
    class Fresh:
        def again(self):
            context = api.get_runtime_context()
            return context.was_current_actor_reconstructed

    assert api.get(Fresh.remote().again.remote(), timeout=T) is False


def test_the_timeline_shows_the_tasks_that_ran(api, eventually):
    @api.remote
    def plotted():
        return os.getpid()

    api.get(plotted.remote(), timeout=T)

    def events():
        return [e for e in api.timeline() if "plotted" in e["cat"]]

    eventually(events)
    event = events()[0]
    assert event["ph"] == "X"
    assert event["dur"] >= 0
    assert {"name", "pid", "tid", "ts", "args"} <= set(event)


def test_a_task_knows_the_labels_of_its_node_and_that_it_has_no_group(
    api, ask
):
    (node,) = api.nodes()
    known = api.get(ask.remote("node_labels", "placement_group_id"), timeout=T)
    assert known == [node["Labels"], None]


def test_the_timeline_is_complete_when_a_task_has_ended(api):
    if api.__name__ == "ray":
        pytest.skip("Ray's comes within seconds")
    api.get([api.remote(lambda: 1).options(name="soon").remote()], timeout=T)
    assert [e for e in api.timeline() if e["cat"] == "task::soon"]


def test_the_timeline_is_written_to_a_file(api, tmp_path, eventually):
    path = tmp_path / "timeline.json"
    api.get(api.remote(lambda: 1).remote(), timeout=T)
    eventually(lambda: api.timeline())
    api.timeline(filename=str(path))
    events = json.loads(path.read_text())
    assert events
    assert all("ts" in event for event in events)
