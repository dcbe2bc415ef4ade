"""Resources that are reserved together, and what runs in them."""

import importlib
import os

import pytest

DEADLINE_S = 30


@pytest.fixture
def groups(api):
    return importlib.import_module(f"{api.__name__}.util.placement_group")


@pytest.fixture
def new_group(api, groups):
    """Make groups that are removed at the end of a test."""
    made = []

    def new(*args, **kwargs):
        made.append(groups.placement_group(*args, **kwargs))
        return made[-1]

    yield new
    for group in made:
        groups.remove_placement_group(group)


@pytest.fixture
def inside(api):
    strategies = importlib.import_module(
        f"{api.__name__}.util.scheduling_strategies"
    )
    kind = strategies.PlacementGroupSchedulingStrategy

    def make(group, index=-1, capture=None):
        return kind(group, index, capture)

    return make


def test_a_group_is_ready_when_its_bundles_are(api, new_group):
    group = new_group([{"CPU": 1}, {"CPU": 1, "widget": 1}])
    assert api.get(group.ready(), timeout=DEADLINE_S) == group
    assert group.wait(DEADLINE_S)
    assert group.bundle_count == 2
    assert group.bundle_specs[1] == {"CPU": 1, "widget": 1}


def test_what_is_reserved_is_not_free(api, new_group, groups, eventually):
    eventually(lambda: api.available_resources().get("CPU") == 4)
    group = new_group([{"CPU": 3}])
    assert group.wait(DEADLINE_S)
    eventually(lambda: api.available_resources().get("CPU") == 1)
    groups.remove_placement_group(group)
    eventually(lambda: api.available_resources().get("CPU") == 4)


def test_a_group_waits_for_room(api, new_group, groups):
    first, second = new_group([{"CPU": 3}]), new_group([{"CPU": 3}])
    assert first.wait(DEADLINE_S)
    assert not second.wait(0.1)
    groups.remove_placement_group(first)
    assert second.wait(DEADLINE_S)


def test_a_task_runs_in_a_bundle(api, new_group, inside, groups):
    @api.remote(num_cpus=1)
    def where():
        known = api.get_runtime_context().get_placement_group_id()
        return known, groups.get_current_placement_group().id

    group = new_group([{"CPU": 1}, {"CPU": 1}])
    for index in (-1, 0, 1):
        strategy = inside(group, index)
        ref = where.options(scheduling_strategy=strategy).remote()
        known, id = api.get(ref, timeout=DEADLINE_S)
        assert id == group.id
        assert known == (id if isinstance(id, str) else id.hex())


def test_no_more_runs_in_a_bundle_than_it_has(
    api, new_group, inside, gate, mailbox
):
    wait, send = gate.wait, mailbox.send

    @api.remote(num_cpus=1)
    def meet():
        send("here")
        wait()

    group = new_group([{"CPU": 1}])
    strategy = inside(group, 0)
    refs = [
        meet.options(scheduling_strategy=strategy).remote() for _ in range(2)
    ]
    mailbox.receive(1)
    ready, _ = api.wait(refs, num_returns=2, timeout=0.2)
    assert ready == []
    assert mailbox.empty()
    gate.open()
    api.get(refs, timeout=DEADLINE_S)


def test_an_actor_lives_in_a_bundle_and_ends_with_the_group(
    api, new_group, inside, groups, eventually
):
    @api.remote(num_cpus=1)
    class Lodger:
        def where(self):
            return groups.get_current_placement_group().id

    group = new_group([{"CPU": 1}])
    lodger = Lodger.options(scheduling_strategy=inside(group, 0)).remote()
    assert api.get(lodger.where.remote(), timeout=DEADLINE_S) == group.id
    groups.remove_placement_group(group)

    def ended():
        try:
            api.get(lodger.where.remote(), timeout=DEADLINE_S)
        except api.exceptions.RayActorError:
            return True

    eventually(ended)


def test_nested_tasks_are_in_the_group_if_it_captures_them(
    api, new_group, inside, groups
):
    @api.remote(num_cpus=1)
    def inner():
        group = groups.get_current_placement_group()
        return None if group is None else group.id

    @api.remote(num_cpus=1)
    def outer():
        return api.get(inner.remote())

    group = new_group([{"CPU": 2}])
    seen = [
        api.get(
            outer.options(
                scheduling_strategy=inside(group, -1, capture)
            ).remote(),
            timeout=DEADLINE_S,
        )
        for capture in (True, False, None)
    ]
    assert seen == [group.id, None, None]


def test_a_driver_is_in_no_group(api, groups):
    assert groups.get_current_placement_group() is None


def test_a_bundle_has_its_gpus(api, new_group, inside):
    @api.remote(num_cpus=0, num_gpus=1)
    def gpus():
        return os.environ["CUDA_VISIBLE_DEVICES"]

    group = new_group([{"GPU": 1}, {"GPU": 1}])
    seen = {
        api.get(
            gpus.options(scheduling_strategy=inside(group, index)).remote(),
            timeout=DEADLINE_S,
        )
        for index in (0, 1)
    }
    assert seen <= {"0", "1"}
    assert len(seen) >= 1


def test_a_group_has_a_name(api, new_group, groups):
    group = new_group([{"CPU": 1}], name="desk")
    assert group.wait(DEADLINE_S)
    assert groups.get_placement_group("desk") == group
    row = groups.placement_group_table(group)
    assert (row["name"], row["state"]) == ("desk", "CREATED")
    with pytest.raises(ValueError, match="nobody"):
        groups.get_placement_group("nobody")


@pytest.mark.parametrize(
    ("bundles", "options"),
    [
        ([], {}),
        ([{}], {}),
        ([{"CPU": 0}], {}),
        ({"CPU": 1}, {}),
        ([{"CPU": 1}], {"strategy": "NEAR"}),
        ([{"CPU": 1}], {"lifetime": "long"}),
    ],
)
def test_a_group_that_cannot_be_is_refused(groups, bundles, options):
    with pytest.raises(ValueError, match=r".+"):
        groups.placement_group(bundles, **options)


def test_what_fits_into_no_bundle_is_refused(api, new_group, inside):
    @api.remote(num_cpus=2)
    def large():
        pass

    group = new_group([{"CPU": 1}, {"CPU": 1}])
    with pytest.raises(ValueError, match="any bundles"):
        large.options(scheduling_strategy=inside(group)).remote()
    strategy = inside(group, 2)
    with pytest.raises(ValueError, match="index 2 is invalid"):
        large.options(num_cpus=1, scheduling_strategy=strategy).remote()


def test_a_task_that_waits_in_a_removed_group_fails(
    api, groups, inside, gate, mailbox
):
    if api.__name__ == "ray":
        pytest.skip("Ray 2.60 lets it wait for ever")
    wait, send = gate.wait, mailbox.send

    @api.remote(num_cpus=1, max_retries=0)
    def holds_it():
        send("here")
        wait()

    @api.remote(num_cpus=1)
    def waits():
        pass

    group = groups.placement_group([{"CPU": 1}])
    strategy = inside(group)
    holder = holds_it.options(scheduling_strategy=strategy).remote()
    mailbox.receive()
    waiting = waits.options(scheduling_strategy=strategy).remote()
    groups.remove_placement_group(group)
    with pytest.raises(api.exceptions.TaskPlacementGroupRemoved):
        api.get(waiting, timeout=DEADLINE_S)
    with pytest.raises(api.exceptions.RayError):  # it was killed
        api.get(holder, timeout=DEADLINE_S)
