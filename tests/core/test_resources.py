"""Resources: what a task asks for, gets, holds, and gives back."""

import os

import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


@pytest.fixture(scope="module")
def hold(api):
    @api.remote
    def hold(send, wait):
        send()
        wait()
        return api.get_runtime_context().get_assigned_resources()

    return hold


def available(api, name):
    return api.available_resources().get(name, 0)


@pytest.fixture(autouse=True)
def all_is_free(api, eventually):
    """Begin when what earlier cases held is back."""
    eventually(lambda: available(api, "CPU") == 4)
    eventually(lambda: available(api, "widget") == 2)
    eventually(lambda: available(api, "GPU") == 2)


def test_cluster_resources_are_what_init_was_given(api):
    total = api.cluster_resources()
    assert (total["CPU"], total["GPU"], total["widget"]) == (4, 2, 2)
    assert total["memory"] > 0
    assert total["object_store_memory"] > 0


def test_a_node_is_a_resource_by_its_address_and_so_is_the_head(api):
    (node,) = api.nodes()
    names = [f"node:{node['NodeManagerAddress']}", "node:__internal_head__"]
    total = api.cluster_resources()
    assert [total[name] for name in names] == [1, 1]
    needed = dict.fromkeys(names, 0.001)

    @api.remote(resources=needed)
    def held():
        return api.get_runtime_context().get_assigned_resources()

    assert api.get(held.remote(), timeout=T) == {"CPU": 1, **needed}


def test_a_running_task_holds_its_resources(
    api, hold, gate, mailbox, eventually
):
    task = hold.options(num_cpus=2, resources={"widget": 1})
    ref = task.remote(mailbox.send, gate.wait)
    mailbox.receive()
    eventually(lambda: available(api, "CPU") == 2)
    eventually(lambda: available(api, "widget") == 1)
    gate.open()
    assert api.get(ref, timeout=T) == {"CPU": 2, "widget": 1}
    eventually(lambda: available(api, "CPU") == 4)
    eventually(lambda: available(api, "widget") == 2)


def test_a_task_takes_one_cpu_by_default(api, hold, gate, mailbox):
    gate.open()
    ref = hold.remote(mailbox.send, gate.wait)
    assert api.get(ref, timeout=T) == {"CPU": 1}


def test_custom_resources_limit_how_many_run(api, hold, gate, mailbox):
    task = hold.options(resources={"widget": 1})
    refs = [task.remote(mailbox.send, gate.wait) for _ in range(3)]
    mailbox.receive(2)
    assert api.wait(refs, timeout=0.3) == ([], refs)
    assert mailbox.empty()
    gate.open()
    api.get(refs, timeout=T)


def test_fractions_share_a_resource(api, hold, gate, mailbox):
    task = hold.options(num_cpus=0.5, resources={"widget": 0.5})
    refs = [task.remote(mailbox.send, gate.wait) for _ in range(5)]
    mailbox.receive(4)
    assert api.wait(refs, timeout=0.3) == ([], refs)
    assert mailbox.empty()
    gate.open()
    assert api.get(refs[0], timeout=T) == {"CPU": 0.5, "widget": 0.5}
    api.get(refs, timeout=T)


def test_a_task_without_cpus_runs_when_all_are_taken(api, hold, gate, mailbox):
    refs = [hold.remote(mailbox.send, gate.wait) for _ in range(4)]
    mailbox.receive(4)
    free = api.remote(num_cpus=0)(lambda: "ran")
    assert api.get(free.remote(), timeout=T) == "ran"
    gate.open()
    api.get(refs, timeout=T)


def test_a_task_for_all_cpus_waits_for_all(api, hold, new_gate, mailbox):
    first, last = new_gate(), new_gate()
    holder = hold.remote(mailbox.send, first.wait)
    mailbox.receive()
    wide = hold.options(num_cpus=4).remote(mailbox.send, last.wait)
    assert api.wait([wide], timeout=0.3) == ([], [wide])
    assert mailbox.empty()
    first.open()
    last.open()
    assert api.get(wide, timeout=T) == {"CPU": 4}
    api.get(holder, timeout=T)


def test_a_small_task_passes_a_large_one_that_waits(api, hold, gate, mailbox):
    holder = hold.remote(mailbox.send, gate.wait)
    mailbox.receive()
    wide = hold.options(num_cpus=4).remote(mailbox.send, gate.wait)
    small = api.remote(lambda: "passed").remote()
    assert api.get(small, timeout=T) == "passed"
    gate.open()
    api.get([holder, wide], timeout=T)


def test_each_gpu_task_sees_its_own_gpu(api, gate, mailbox):
    @api.remote(num_gpus=1, num_cpus=0)
    def see(send, wait):
        send()
        wait()
        return api.get_gpu_ids(), os.environ["CUDA_VISIBLE_DEVICES"]

    refs = [see.remote(mailbox.send, gate.wait) for _ in range(2)]
    mailbox.receive(2)
    gate.open()
    seen = sorted(api.get(refs, timeout=T), key=lambda pair: pair[1])
    assert [env for _, env in seen] == ["0", "1"]
    assert [[str(gpu) for gpu in ids] for ids, _ in seen] == [["0"], ["1"]]


def test_halves_of_a_gpu_are_on_one_gpu(api, gate, mailbox):
    @api.remote(num_gpus=0.5, num_cpus=0)
    def see(send, wait):
        send()
        wait()
        return os.environ["CUDA_VISIBLE_DEVICES"]

    refs = [see.remote(mailbox.send, gate.wait) for _ in range(4)]
    mailbox.receive(4)
    gate.open()
    assert sorted(api.get(refs, timeout=T)) == ["0", "0", "1", "1"]


def test_a_task_without_gpus_has_no_gpu_ids(api):
    assert api.get(api.remote(lambda: api.get_gpu_ids()).remote()) == []
    assert api.get_gpu_ids() == []


def test_an_actor_holds_its_resources_until_it_ends(api, eventually):
    @api.remote(num_cpus=1, resources={"widget": 2})
    class Holder:
        def ping(self):
            return "pong"

    holder = Holder.remote()
    assert api.get(holder.ping.remote(), timeout=T) == "pong"
    eventually(lambda: available(api, "widget") == 0)
    eventually(lambda: available(api, "CPU") == 3)
    api.kill(holder)
    eventually(lambda: available(api, "widget") == 2)


def test_an_actor_without_options_holds_no_cpu(api):
    @api.remote
    class Idle:
        def ping(self):
            return "pong"

    actors = [Idle.remote() for _ in range(5)]  # more than CPUs
    pings = [actor.ping.remote() for actor in actors]
    assert api.get(pings, timeout=T) == ["pong"] * 5
    four = api.remote(num_cpus=4)(lambda: "all four")
    assert api.get(four.remote(), timeout=T) == "all four"


def test_an_actor_with_a_resource_holds_one_cpu_too(api):
    @api.remote(resources={"widget": 1})
    class Holder:
        def mine(self):
            context = api.get_runtime_context()
            return context.get_assigned_resources()

    mine = api.get(Holder.remote().mine.remote(), timeout=T)
    assert mine == {"CPU": 1, "widget": 1}


def test_an_actor_waits_until_its_resources_are_free(api, hold, gate, mailbox):
    @api.remote(num_cpus=0, resources={"widget": 2})
    class Holder:
        def ping(self):
            return "pong"

    task = hold.options(resources={"widget": 1})
    ref = task.remote(mailbox.send, gate.wait)
    mailbox.receive()
    holder = Holder.remote()
    ping = holder.ping.remote()
    assert api.wait([ping], timeout=0.3) == ([], [ping])
    gate.open()
    assert api.get([ping, ref], timeout=T)[0] == "pong"


def affinity(api, node_id, soft):
    strategies = api.util.scheduling_strategies
    return strategies.NodeAffinitySchedulingStrategy(node_id, soft=soft)


def where(api, strategy):
    def here():
        return api.get_runtime_context().get_node_id()

    task = api.remote(scheduling_strategy=strategy)(here)
    return api.get(task.remote(), timeout=T)


def test_node_affinity_runs_on_that_node(api):
    (node,) = api.nodes()
    strategy = affinity(api, node["NodeID"], soft=False)
    assert where(api, strategy) == node["NodeID"]


def test_hard_affinity_to_an_unknown_node_fails_the_task(api):
    with pytest.raises(api.exceptions.TaskUnschedulableError):
        where(api, affinity(api, "ab" * 28, soft=False))


def test_soft_affinity_to_an_unknown_node_runs_elsewhere(api):
    strategy = affinity(api, "ab" * 28, soft=True)
    assert where(api, strategy) == api.nodes()[0]["NodeID"]


def test_hard_affinity_to_an_unknown_node_fails_the_actor(api):
    @api.remote(scheduling_strategy=affinity(api, "ab" * 28, soft=False))
    class Nowhere:
        def ping(self):
            return "pong"

    with pytest.raises(api.exceptions.ActorUnschedulableError):
        api.get(Nowhere.remote().ping.remote(), timeout=T)


@pytest.mark.parametrize("strategy", ["DEFAULT", "SPREAD"])
def test_named_strategies_are_accepted(api, strategy):
    assert where(api, strategy) == api.nodes()[0]["NodeID"]


def test_spread_tasks_run_however_many_there_are(api):
    double = api.remote(lambda x: 2 * x)
    spread = double.options(scheduling_strategy="SPREAD")
    for count in (1, 2, 3, 5, 8, 30, 60):
        refs = [spread.remote(i) for i in range(count)]
        api.wait(refs, timeout=T)
        again = [spread.remote(ref) for ref in refs]
        assert api.get(double.remote(1), timeout=T) == 2
        assert api.get(again, timeout=T) == [4 * i for i in range(count)]
