"""Actors found by name: get_actor, get_if_exists, namespaces."""

import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


@pytest.fixture(scope="module")
def box_class(api):
    @api.remote
    class Box:
        def __init__(self, value=None):
            self.value = value

        def read(self):
            return self.value

        def write(self, value):
            self.value = value

    return Box


def test_a_named_actor_is_found_by_its_name(api, box_class):
    box = box_class.options(name="found").remote("inside")
    again = api.get_actor("found")
    assert api.get(again.read.remote(), timeout=T) == "inside"
    assert api.get(box.read.remote(), timeout=T) == "inside"


def test_a_task_finds_an_actor_by_its_name(api, box_class):
    box = box_class.options(name="from a task").remote("inside")

    @api.remote
    def find():
        return api.get(api.get_actor("from a task").read.remote())

    assert api.get(find.remote(), timeout=T) == "inside"
    api.kill(box)


def test_a_name_taken_by_a_living_actor_is_refused(api, box_class):
    box = box_class.options(name="taken").remote()
    api.get(box.read.remote(), timeout=T)
    taken = api.exceptions.ActorAlreadyExistsError
    with pytest.raises(taken, match="taken"):
        box_class.options(name="taken").remote()


def test_get_if_exists_gives_the_actor_that_is_there(api, box_class):
    options = {"name": "shared", "get_if_exists": True}
    first = box_class.options(**options).remote("first")
    second = box_class.options(**options).remote("second")
    assert api.get(second.read.remote(), timeout=T) == "first"
    api.get(first.write.remote("new"), timeout=T)
    assert api.get(second.read.remote(), timeout=T) == "new"


def test_get_if_exists_needs_a_name(box_class):
    with pytest.raises(ValueError, match="name"):
        box_class.options(get_if_exists=True).remote()


def test_an_unknown_name_is_a_value_error(api):
    with pytest.raises(ValueError, match="nobody"):
        api.get_actor("nobody")


@pytest.mark.parametrize("name", ["", None])
def test_an_empty_name_is_a_value_error(api, name):
    with pytest.raises(ValueError, match="non-empty"):
        api.get_actor(name)


def test_the_name_of_a_killed_actor_is_free_again(api, box_class, eventually):
    box = box_class.options(name="reused").remote("old")
    api.get(box.read.remote(), timeout=T)
    api.kill(box)

    def is_free():
        try:
            api.get_actor("reused")
        except ValueError:
            return True
        return False

    eventually(is_free)
    box = box_class.options(name="reused").remote("new")
    found = api.get_actor("reused")
    assert api.get(found.read.remote(), timeout=T) == "new"
    del box


def test_a_named_actor_goes_with_its_last_handle(api, box_class, eventually):
    box = box_class.options(name="short-lived").remote()
    api.get(box.read.remote(), timeout=T)
    del box

    def is_free():
        try:
            api.get_actor("short-lived")
        except ValueError:
            return True
        return False

    eventually(is_free)


def test_namespaces_keep_names_apart(api, box_class):
    here = box_class.options(name="same").remote("here")
    there = box_class.options(name="same", namespace="other").remote("there")
    values = [
        api.get(api.get_actor("same").read.remote(), timeout=T),
        api.get(api.get_actor("same", "other").read.remote(), timeout=T),
        api.get(api.get_actor("same", "suite").read.remote(), timeout=T),
    ]
    assert values == ["here", "there", "here"]
    del here, there


def test_list_named_actors_knows_the_names_of_this_namespace(api, box_class):
    box = box_class.options(name="listed").remote()
    other = box_class.options(name="unlisted", namespace="other").remote()
    names = api.util.list_named_actors()
    assert "listed" in names
    assert "unlisted" not in names
    everywhere = api.util.list_named_actors(all_namespaces=True)
    assert {"name": "unlisted", "namespace": "other"} in everywhere
    del box, other


def test_the_name_must_be_a_string(box_class):
    with pytest.raises(TypeError, match="name"):
        box_class.options(name=5).remote()


def test_a_name_is_free_as_soon_as_its_last_handle_is_gone(api, box_class):
    for _ in range(5):
        box = box_class.options(name="again").remote()
        api.get(box.__ray_ready__.remote())
        del box
