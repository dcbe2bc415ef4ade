"""The rules of a parameter server, and the arithmetic of a push."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimr.shared.parameter_server import update
from minimr.shared.parameter_server.consistency import (
    Asynchronous,
    Average,
    Gradients,
    Stale,
    Synchronous,
)
from minimr.shared.parameter_server.rounds import Rounds
from minimr.shared.parameter_server.update import apply_update
from minimr.shared.parameter_server.weights import (
    NOTHING,
    Ledger,
    Pulled,
    Reading,
    deal,
)


def array(*numbers: float) -> Any:
    return np.array(numbers, np.float32)


def rounds(consistency: Any, num_workers: int = 2) -> Rounds:
    return Rounds({"w": array(0)}, num_workers, consistency, Gradients(1.0))


def push(server: Rounds, worker: int, value: float = 1.0) -> bool:
    clock = server.clock_of(worker) + 1
    return server.push(worker, clock, {"w": array(value)})


@pytest.mark.parametrize("bound", [0, 1, 3])
def test_a_worker_goes_on_while_it_is_within_the_bound(bound: int) -> None:
    server = rounds(Stale(bound))
    for clock in range(bound + 1):
        assert server.ready(0, {0: clock})
        push(server, 0)
    assert not server.ready(0, {0: bound + 1})
    assert server.laggards(bound + 1) == [1]
    push(server, 1)
    assert server.ready(0, {0: bound + 1})


def test_a_push_that_comes_twice_is_said_to() -> None:
    server = rounds(Asynchronous())
    assert server.push(0, 1, {"w": array(5)})
    assert not server.push(0, 1, {"w": array(5)})
    assert server.stats.duplicates == 1
    assert server.weights["w"] == -5


def test_a_push_of_a_round_that_waits_is_not_taken_twice_either() -> None:
    server = rounds(Synchronous())
    server.push(0, 1, {"w": array(5)})
    server.push(0, 1, {"w": array(7)})
    push(server, 1, 1)
    assert server.weights["w"] == -3


def test_who_was_further_before_a_restart_is_believed() -> None:
    server = rounds(Synchronous())
    server.push(1, 1, {"w": array(8)})  # waits, as it was saved
    assert server.ready(0, {0: 5, 1: 5, 9: 7})  # 9 is not in
    assert server.weights["w"] == -8
    assert server.clocks == {0: 5, 1: 5}
    assert server.newest == 5
    assert not server.push(1, 5, {"w": array(1)})


def test_an_old_clock_takes_nobody_back() -> None:
    server = rounds(Asynchronous())
    for _ in range(3):
        push(server, 1)
    server.ready(0, {0: 0, 1: 1})
    assert server.clock_of(1) == 3


def test_the_last_one_that_leaves_completes_the_round() -> None:
    server = rounds(Synchronous())
    push(server, 0, 4)
    server.leave(0)
    assert server.weights["w"] == 0
    server.leave(1)
    server.leave(1)
    assert server.weights["w"] == -4


def test_published_weights_are_never_written_to() -> None:
    server = rounds(Asynchronous(), 1)
    reading, weights = server.pull(0, NOTHING)
    before = weights["w"].copy()
    push(server, 0)
    assert weights["w"] == before
    assert server.pull(0, reading).weights["w"] != before


def test_a_reading_of_an_earlier_life_counts_for_nothing() -> None:
    server = rounds(Asynchronous(), 1)
    push(server, 0)
    assert server.pull(0, Reading(0, 1)).weights == {}
    server.stats.restarts = 1  # as `load` does
    assert server.pull(0, Reading(0, 1)).weights.keys() == {"w"}


def test_staleness_is_the_updates_between_a_pull_and_its_push() -> None:
    server = rounds(Asynchronous(), 3)
    for worker in (0, 1, 2):
        server.pull(worker, NOTHING)
    for worker in (0, 0, 1, 2):
        push(server, worker)
    assert server.stats.staleness == {0: 1, 1: 1, 2: 1, 3: 1}


def test_the_staleness_of_who_has_left_is_that_of_its_push() -> None:
    server = rounds(Synchronous())
    for _ in range(3):
        for worker in (0, 1):
            server.pull(worker, NOTHING)
            push(server, worker)
    server.pull(0, NOTHING)
    push(server, 0)
    server.leave(0)
    push(server, 1)
    assert server.stats.staleness == {0: 7, 1: 1}


def test_a_worker_that_comes_back_has_read_nothing_yet() -> None:
    server = rounds(Asynchronous())
    for _ in range(3):
        push(server, 1)
    server.pull(0, NOTHING)
    server.leave(0)
    server.join(0, server.newest)
    push(server, 0)  # based on the first weights, for all we know
    assert server.stats.staleness[3] == 1


def test_the_newest_clock_is_not_that_of_who_pushed_last() -> None:
    """A worker that joins begins with the round of the fastest."""
    server = rounds(Asynchronous())
    for _ in range(3):
        push(server, 0)
    push(server, 1)
    assert server.newest == 3


@pytest.mark.parametrize(
    "rule", [Gradients(0.1), Gradients(0.1, 0.9), Average()]
)
@pytest.mark.parametrize("share", [1, 3])
def test_the_blocks_do_not_show(
    rule: Any, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> bytes:
        rng = np.random.default_rng(1)
        old, velocity, *pushes = rng.standard_normal((5, 1000)).astype("f4")
        moved = velocity if getattr(rule, "momentum", 0) else None
        new = apply_update(rule, old, pushes, moved, share)
        return bytes(new.tobytes() + velocity.tobytes())

    whole = run()
    monkeypatch.setattr(update, "BLOCK", 7)
    assert run() == whole


def test_an_array_that_may_not_be_written_to_is_copied() -> None:
    pushed = array(1, 2)
    pushed.flags.writeable = False
    new = apply_update(Gradients(1.0), array(0, 0), [pushed], None)
    assert new.tolist() == [-1, -2]
    assert pushed.tolist() == [1, 2]


@given(
    sizes=st.lists(st.integers(0, 1000), max_size=30),
    servers=st.integers(1, 7),
)
def test_names_are_dealt_by_bytes(sizes: list[int], servers: int) -> None:
    weights = {
        f"w{n}": np.zeros(size, np.float32) for n, size in enumerate(sizes)
    }
    hands = deal(weights, servers)
    assert sorted(chain(*hands)) == sorted(weights)
    loads = [sum(weights[n].size for n in hand) for hand in hands]
    # Graham: what is above the lightest is one name at most.
    assert max(loads) - min(loads) <= max(sizes, default=0)
    assert deal(dict(reversed(weights.items())), servers) == hands


def test_a_ledger_that_travels_has_read_nothing() -> None:
    ledger = Ledger({"a": array(1), "b": array(2)}, 2)
    ledger.clocks[0] = 5
    replies = [
        Pulled(Reading(0, 3), {"b": array(2)}),
        Pulled(Reading(1, 4), {"a": array(1)}),
    ]
    assert list(ledger.merge(None, replies)) == ["a", "b"]
    assert ledger.since(None, True) == [Reading(0, 3), Reading(1, 4)]
    assert ledger.since(None, False) == [NOTHING, NOTHING]
    state = ledger.__getstate__()
    assert (state["clocks"], state["_read"]) == ({}, {})
