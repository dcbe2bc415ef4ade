"""Local mode: the verbs without a cluster, for a debugger and a for loop."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import minimr as ray
from minimr.core.api import spawn
from minimr.core.process import current
from minimr.exceptions import ActorDiedError, RayTaskError


@pytest.fixture(autouse=True)
def local_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in local mode, even if other tests have a cluster running."""
    monkeypatch.setattr(current, "_runtime", None)
    ray.init(local_mode=True)


@ray.remote
def add(left: Any, right: Any = 1) -> Any:
    return left + right


@ray.remote
class Counter:
    def __init__(self, count: int = 0) -> None:
        self.count = count

    def add(self, amount: int = 1) -> int:
        self.count += amount
        return self.count

    @ray.method(num_returns=2)
    def both(self) -> tuple[int, int]:
        return self.count, -self.count

    def fail(self) -> None:
        raise KeyError("lost")


def test_another_system_is_pointed_to_local_mode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(OSError, match="Linux only, not on darwin"):
        spawn.spawn_node(spawn.node_options(1, None, None, None))


def test_a_task_runs_here_and_at_once() -> None:
    ran: list[int] = []
    ref = ray.remote(lambda: ran.append(os.getpid())).remote()
    assert ran == [os.getpid()]
    assert ray.get(ref) is None


def test_references_as_arguments_become_values() -> None:
    assert ray.get(add.remote(add.remote(1), right=ray.put(10))) == 12


def test_references_inside_of_arguments_stay_references() -> None:
    inside = ray.remote(lambda refs: ray.get(refs[0]))
    assert ray.get(inside.remote([ray.put(5)])) == 5


def test_what_is_put_is_a_copy() -> None:
    values = [1, 2]
    ref = ray.put(values)
    values.append(3)
    assert ray.get(ref) == [1, 2]
    assert ray.get(ref) is not ray.get(ref)


def test_an_error_is_raised_by_get_and_not_by_the_call() -> None:
    ref = add.remote(1, "one")
    with pytest.raises(TypeError) as caught:
        ray.get(ref)
    assert isinstance(caught.value, RayTaskError)


def test_a_task_may_have_many_results() -> None:
    halves = ray.remote(lambda: (1, 2)).options(num_returns=2).remote()
    assert ray.get(halves) == [1, 2]


def test_a_generator_gives_references() -> None:
    @ray.remote
    def count(n: int) -> Iterator[int]:
        yield from range(n)

    assert [ray.get(ref) for ref in count.remote(3)] == [0, 1, 2]


def test_everything_is_ready() -> None:
    refs = [add.remote(n) for n in range(3)]
    assert ray.wait(refs, num_returns=2) == (refs[:2], refs[2:])


def test_an_actor_keeps_its_state() -> None:
    counter = Counter.remote(10)
    assert ray.get([counter.add.remote() for _ in range(3)]) == [11, 12, 13]
    assert ray.get(counter.both.remote()) == [13, -13]


def test_a_method_that_raises_leaves_the_actor_alive() -> None:
    counter = Counter.remote()
    with pytest.raises(KeyError, match="lost"):
        ray.get(counter.fail.remote())
    assert ray.get(counter.add.remote()) == 1


def test_arrays_come_back_as_they_were() -> None:
    array = np.arange(10.0)
    assert (ray.get(add.remote(ray.put(array), array)) == 2 * array).all()


def test_named_actors_are_found() -> None:
    Counter.options(name="here").remote(5)
    assert ray.get(ray.get_actor("here").add.remote()) == 6


def test_a_handle_travels() -> None:
    counter = Counter.remote()
    use = ray.remote(lambda handle: ray.get(handle.add.remote(2)))
    assert ray.get(use.remote(counter)) == 2
    assert ray.get(counter.add.remote()) == 3


def test_a_killed_actor_is_dead() -> None:
    counter = Counter.options(name="here").remote()
    ray.kill(counter)
    with pytest.raises(ActorDiedError):
        ray.get(counter.add.remote())
    with pytest.raises(ValueError, match="here"):
        ray.get_actor("here")


def test_a_name_is_taken_once() -> None:
    Counter.options(name="here").remote(5)
    with pytest.raises(ValueError, match="taken"):
        Counter.options(name="here").remote()
    same = Counter.options(name="here", get_if_exists=True).remote()
    assert ray.get(same.add.remote()) == 6


def test_an_attribute_does_not_hide_the_method_of_its_name() -> None:
    class Switch:
        def on(self) -> str:
            self.on = True  # type: ignore[assignment,method-assign]
            return "on"

    switch = ray.remote(Switch).remote()
    assert ray.get([switch.on.remote(), switch.on.remote()]) == ["on", "on"]


def test_the_tables_of_the_cluster_show_this_process() -> None:
    named = Counter.options(name="named").remote()  # type: ignore[attr-defined]
    assert ray.util.list_named_actors() == ["named"]
    assert ray.get(named.add.remote()) == 1
    assert ray.cluster_resources()["CPU"] >= 1
    assert ray.available_resources() == ray.cluster_resources()
    assert [node["pid"] for node in ray.nodes()] == [os.getpid()]
    assert ray.timeline() == []
    here = ray.get_runtime_context()
    assert here.get_node_id() == "local"
    assert here.namespace == "local"
    assert here.get_job_id() == "local"
    assert ray.util.get_node_ip_address() == "127.0.0.1"


def test_a_dynamic_generator_is_left_out() -> None:
    @ray.remote(num_returns="dynamic")
    def numbers() -> Iterator[int]:
        yield from range(3)

    with pytest.raises(NotImplementedError, match="local mode"):
        numbers.remote()
