"""A `get` that takes too long says what it waits for."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

import minimr as ray
from minimr.core.process import runtime
from minimr.exceptions import GetTimeoutError

pytestmark = pytest.mark.usefixtures("one_cpu")
SHORT_S = 0.5  # to see that something is not there
T = 60


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> None:
    """Take the place of the check after each test: the cluster is shared."""


@ray.remote
class Holder:
    def ready(self) -> bool:
        return True

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@ray.remote
def work(*args: Any) -> int:
    return len(args)


@ray.remote
def nap(seconds: float) -> None:
    time.sleep(seconds)


@pytest.fixture
def full() -> Iterator[None]:
    """Let an actor have the only CPU, for as long as a test takes."""
    holder = Holder.options(num_cpus=1).remote()
    ray.get(holder.ready.remote(), timeout=T)
    yield
    ray.kill(holder)
    ray.get(work.remote(), timeout=T)


def late(refs: Any) -> str:
    with pytest.raises(GetTimeoutError) as caught:
        ray.get(refs, timeout=SHORT_S)
    return str(caught.value)


@pytest.mark.usefixtures("full")
def test_a_task_without_a_worker_says_what_it_asks_for() -> None:
    refs = [ray.put(1), work.remote()]
    text = late(refs)
    assert "1 of 2 objects are not there yet" in text
    assert "work() waits for a worker with {CPU: 1}" in text
    ray.cancel(refs[1])


@pytest.mark.usefixtures("full")
def test_a_task_whose_input_is_not_there_names_it() -> None:
    inner = nap.remote(0)
    text = late(work.remote(work.remote(inner)))
    expected = "work() waits for an argument: " * 2 + "nap() waits for a"
    assert expected in text
    ray.cancel(inner)


@pytest.mark.usefixtures("full")
def test_a_long_chain_of_inputs_is_cut() -> None:
    ref = first = work.remote()
    for _ in range(2000):
        ref = work.remote(ref)
    assert late(ref).endswith("waits for an argument: ...")
    ray.cancel(first)


@pytest.mark.usefixtures("full")
def test_a_call_of_an_actor_without_a_place_says_so() -> None:
    actor = Holder.options(num_cpus=1).remote()
    assert "Holder.ready() waits for its actor" in late(actor.ready.remote())
    ray.kill(actor)  # the error's frames still have a handle


def test_a_task_that_runs_says_where() -> None:
    ref = nap.remote(3 * SHORT_S)
    assert "nap() runs in the worker at 127.0.0.1:" in late(ref)
    ray.get(ref, timeout=T)


def test_a_call_behind_another_waits_for_its_turn() -> None:
    actor = Holder.remote()
    ray.get(actor.ready.remote(), timeout=T)
    actor.sleep.remote(3 * SHORT_S)
    ref = actor.ready.remote()
    assert "Holder.ready() waits for its turn" in late(ref)
    ray.get(ref, timeout=T)


def test_a_borrowed_object_is_its_owners() -> None:
    @ray.remote
    def borrow(refs: list[Any]) -> str:
        try:
            ray.get(refs[0], timeout=0.1)
        except GetTimeoutError as error:
            return str(error)
        return "it is there"

    actor = Holder.remote()
    ref = actor.sleep.remote(3 * SHORT_S)
    assert "owns it" in ray.get(borrow.remote([ref]), timeout=T)
    ray.get(ref, timeout=T)


@pytest.mark.usefixtures("full")
def test_a_wait_without_end_warns_when_nothing_runs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runtime, "PATIENCE_S", SHORT_S / 4)
    ref = work.remote()
    with caplog.at_level(logging.WARNING):
        assert ray.wait([ref], timeout=SHORT_S)[1] == [ref]
    ray.cancel(ref)
    first, *more = [record.getMessage() for record in caplog.records]
    assert "work() waits for a worker with {CPU: 1}" in first
    assert "Free: " in first
    assert "CPU: 0" in first
    assert len(more) < 2  # each after twice the time


def test_a_wait_for_what_runs_does_not_warn(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runtime, "PATIENCE_S", SHORT_S / 8)
    with caplog.at_level(logging.WARNING):
        ray.get([nap.remote(SHORT_S), nap.remote(0)], timeout=T)
    assert caplog.records == []
