"""What every rung of the parameter server does."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minimr.interface.parameter_server import ParameterServerError
from minimr.shared.parameter_server.consistency import (
    Asynchronous,
    Average,
    Gradients,
    Stale,
)
from tests.contract.servers import (
    TIMEOUT_S,
    Rung,
    array,
    on_servers,
    only_on,
    same,
)

TOO_LATE = "has waited 0 s for worker"
ZERO = {"w": array(0, 0)}


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def result(future: Future[Any]) -> Any:
    return future.result(TIMEOUT_S)


def test_weights_of_any_shape_and_name_come_back(rung: Rung) -> None:
    weights = {
        "layer/0.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "scalar": np.float32(3) * np.ones((), np.float32).reshape(()),
        "empty": np.zeros((0, 4), np.float32),
        "ünïcode\n": np.ones((1, 1, 1), np.float32),
        "file": np.full(100_000, np.pi, np.float32),
    }
    weights["scalar"] = np.asarray(weights["scalar"])
    server = rung.begin(weights, 1)
    assert same(server.pull(), weights)
    doubled = {name: np.asarray(2 * a) for name, a in weights.items()}
    server.push(0, doubled)
    assert same(server.pull(0), doubled)


def test_an_array_that_is_not_contiguous_is_pushed_as_it_reads(
    rung: Rung,
) -> None:
    server = rung.begin({"w": np.zeros((3, 2), np.float32)}, 1)
    transposed = np.arange(6, dtype=np.float32).reshape(2, 3).T
    server.push(0, {"w": transposed})
    assert same(server.pull(), {"w": np.ascontiguousarray(transposed)})


def test_what_is_pulled_belongs_to_the_caller(rung: Rung) -> None:
    server = rung.begin({"w": array(1, 2)}, 1)
    server.pull()["w"][:] = 7
    assert same(server.pull(), {"w": array(1, 2)})


def test_what_was_pushed_is_the_callers_again(rung: Rung) -> None:
    server = rung.begin(ZERO, 2)
    mine = array(1, 2)
    server.push(0, {"w": mine})
    mine[:] = 100
    server.push(1, {"w": array(3, 4)})
    assert same(server.pull(), {"w": array(2, 3)})


def test_a_round_is_the_mean_of_its_gradients(rung: Rung) -> None:
    server = rung.begin(ZERO, 2, update=Gradients(0.5))
    server.push(1, {"w": array(4, 0)})
    assert same(server.pull(), ZERO)  # the round is not complete
    server.push(0, {"w": array(0, 8)})
    assert same(server.pull(), {"w": array(-1, -2)})
    assert server.stats().rounds == 1


def test_one_array_may_be_pushed_under_many_names(rung: Rung) -> None:
    weights = {name: array(0) for name in "abcd"}
    server = rung.begin(weights, 2, update=Gradients(1))
    for worker in range(2):
        server.pull(worker)
    gradient = array(-6)
    with ThreadPoolExecutor(2) as pool:
        update = dict.fromkeys(weights, gradient)
        pushed = [pool.submit(server.push, w, update) for w in range(2)]
        for future in pushed:
            result(future)
    assert same(server.pull(), {name: array(6) for name in weights})


def test_momentum_is_kept_on_the_server(rung: Rung) -> None:
    server = rung.begin(ZERO, 1, update=Gradients(1.0, momentum=0.5))
    for _ in range(3):
        server.push(0, {"w": array(1, 2)})
    # v = 1, 1.5, 1.75
    assert same(server.pull(), {"w": array(-4.25, -8.5)})


def test_a_round_is_folded_in_the_order_of_the_workers(rung: Rung) -> None:
    # 2**24 + 1 is no float32: what comes first decides what is left of 1.
    server = rung.begin({"w": array(0)}, 3)
    for worker, value in [(2, -(2.0**24)), (0, 2.0**24), (1, 1.0)]:
        server.push(worker, {"w": array(value)})
    assert same(server.pull(), {"w": array(0)})
    for worker, value in [(1, -(2.0**24)), (2, 1.0), (0, 2.0**24)]:
        server.push(worker, {"w": array(value)})
    assert same(server.pull(), {"w": array(1) / np.float32(3)})


def test_a_worker_may_push_some_of_the_weights(rung: Rung) -> None:
    server = rung.begin({"a": array(0), "b": array(0), "c": array(0)}, 2)
    server.push(0, {"a": array(2), "b": array(4)})
    server.push(1, {"b": array(8)})
    expected = {"a": array(2), "b": array(6), "c": array(0)}
    assert same(server.pull(), expected)


def test_only_what_has_changed_is_sent_on_request(rung: Rung) -> None:
    server = rung.begin({"a": array(0), "b": array(0)}, 1)
    assert server.pull(0, changed_only=True).keys() == {"a", "b"}
    server.push(0, {"b": array(3)})
    assert same(server.pull(0, changed_only=True), {"b": array(3)})
    assert server.pull(0, changed_only=True) == {}
    assert server.pull(changed_only=True).keys() == {"a", "b"}
    assert server.pull(0).keys() == {"a", "b"}


def test_a_synchronous_reader_waits_for_all(rung: Rung) -> None:
    server = rung.begin(ZERO, 2, timeout_s=0)
    server.push(0, {"w": array(2, 2)})
    with pytest.raises(ParameterServerError, match=TOO_LATE + " 1"):
        server.pull(0)
    with pytest.raises(ParameterServerError, match=TOO_LATE + " 1"):
        server.push(0, {"w": array(2, 2)})
    server.push(1, {"w": array(4, 4)})
    assert same(server.pull(0), {"w": array(3, 3)})


def test_a_reader_that_waits_goes_on_when_the_last_has_pushed(
    rung: Rung, threads: ThreadPoolExecutor
) -> None:
    server = rung.begin(ZERO, 3)
    server.push(0, {"w": array(3, 3)})
    waiting = threads.submit(server.pull, 0)
    server.push(1, {"w": array(6, 6)})
    server.push(2, {"w": array(0, 0)})
    assert same(result(waiting), {"w": array(3, 3)})


def test_a_stale_reader_is_at_most_the_bound_ahead(rung: Rung) -> None:
    server = rung.begin(ZERO, 2, Stale(2), Gradients(1.0), timeout_s=0)
    for clock in range(3):
        # Its own pushes show at once: nothing waits for a round.
        assert same(server.pull(0), {"w": array(-clock, 0)})
        server.push(0, {"w": array(1, 0)})
    with pytest.raises(ParameterServerError, match=TOO_LATE):
        server.pull(0)
    server.push(1, {"w": array(0, 1)})
    assert same(server.pull(0), {"w": array(-3, -1)})
    assert server.stats().lead == Counter({0: 1, 1: 1, 2: 2})


def test_an_asynchronous_worker_never_waits(rung: Rung) -> None:
    server = rung.begin(ZERO, 2, Asynchronous(), Average(), timeout_s=0)
    server.pull(1)
    for _ in range(3):
        server.pull(0)
        server.push(0, {"w": array(8, 16)})
    # Each moves the average half of the way, for there are two.
    assert same(server.pull(), {"w": array(7, 14)})
    server.push(1, {"w": array(7, 14)})
    stats = server.stats()
    assert stats.staleness == Counter({0: 3, 3: 1})
    assert stats.rounds == stats.pushes == 4


def test_pushes_pulls_and_bytes_are_counted(rung: Rung) -> None:
    server = rung.begin({"a": array(0, 0), "b": array(0)}, 1)
    server.pull(0)
    server.push(0, {"a": array(1, 1)})
    server.pull(0, changed_only=True)
    stats = server.stats()
    assert (stats.pushes, stats.pulls, stats.rounds) == (1, 2, 1)
    assert (stats.pushed_bytes, stats.pulled_bytes) == (8, 12 + 8)


def test_who_leaves_is_not_waited_for(
    rung: Rung, threads: ThreadPoolExecutor
) -> None:
    server = rung.begin(ZERO, 3)
    server.push(0, {"w": array(2, 2)})
    server.push(1, {"w": array(4, 4)})
    waiting = threads.submit(server.pull, 0)
    server.leave(2)
    assert same(result(waiting), {"w": array(3, 3)})
    with pytest.raises(ParameterServerError, match=r"join\(2\)"):
        server.push(2, ZERO)


def test_what_a_worker_has_pushed_counts_after_it_has_left(
    rung: Rung,
) -> None:
    server = rung.begin(ZERO, 2)
    server.push(0, {"w": array(2, 2)})
    server.leave(0)
    server.push(1, {"w": array(4, 4)})
    assert same(server.pull(1), {"w": array(3, 3)})


def test_who_joins_begins_with_the_next_round(rung: Rung) -> None:
    server = rung.begin(ZERO, 2, timeout_s=0)
    server.push(0, {"w": array(2, 2)})
    server.join(7)
    with pytest.raises(ParameterServerError, match=TOO_LATE + " 1"):
        server.pull(7)
    server.push(1, {"w": array(4, 4)})
    assert same(server.pull(7), {"w": array(3, 3)})
    server.push(0, ZERO)
    server.push(1, ZERO)
    with pytest.raises(ParameterServerError, match=TOO_LATE + " 7"):
        server.pull(0)
    server.push(7, {"w": array(3, 3)})
    assert same(server.pull(0), {"w": array(1, 1)})


def test_a_worker_that_nobody_knows_is_told_to_join(rung: Rung) -> None:
    server = rung.begin(ZERO, 1)
    with pytest.raises(ParameterServerError, match=r"join\(5\)"):
        server.pull(5)


@pytest.mark.parametrize(
    ("update", "error", "text"),
    [
        ({"v": array(1, 2)}, KeyError, "no weights have the name 'v'"),
        ({"w": array(1)}, ValueError, r"\(1,\).*have \(2,\)"),
        ({"w": array(1, 2)[:, None]}, ValueError, "shape"),
        ({"w": np.ones(2)}, TypeError, r"float64.*astype\(np.float32\)"),
        ({"w": np.ones(2, ">f4")}, TypeError, ">f4"),
        ({"w": [1.0, 2.0]}, TypeError, "list, not a NumPy array"),
        ({3: array(1, 2)}, TypeError, "name of weights is a string"),
    ],
)
def test_an_update_that_does_not_fit_is_refused(
    rung: Rung, update: Any, error: type[Exception], text: str
) -> None:
    server = rung.begin(ZERO, 1)
    with pytest.raises(error, match=text):
        server.push(0, {**ZERO, **update})
    server.push(0, {"w": array(1, 2)})  # nothing of it was counted
    assert same(server.pull(0), {"w": array(1, 2)})
    assert server.stats().pushes == 1


@only_on("serial", "sockets")
def test_weights_of_another_type_are_refused_at_the_start(
    rung: Rung,
) -> None:
    with pytest.raises(TypeError, match="float64"):
        rung.open({"w": np.ones(2)}, 1)


def test_a_push_of_nothing_is_refused(rung: Rung) -> None:
    server = rung.begin(ZERO, 1)
    with pytest.raises(TypeError, match=r"a dict .* not a NoneType"):
        server.push(0, None)
    server.push(0, {"w": array(1, 2)})
    assert same(server.pull(0), {"w": array(1, 2)})


@only_on("serial", "sockets")
@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_numbers_that_are_none_are_refused_where_that_is_asked_for(
    rung: Rung, bad: str
) -> None:
    with rung.open(ZERO, 1, refuse_nan=True) as server:
        with pytest.raises(ValueError, match=rf"'w' holds {bad} at \(1,\)"):
            server.push(0, {"w": array(1, float(bad))})
        server.push(0, {"w": array(1, 2)})
        assert same(server.pull(0), {"w": array(1, 2)})
        assert server.stats().pushes == 1


@pytest.mark.parametrize("bound", [-1, float("nan")])
def test_a_bound_that_nobody_can_keep_is_refused(bound: float) -> None:
    with pytest.raises(ValueError, match="nobody can be that far ahead"):
        Stale(bound)


@only_on("serial", "sockets")
def test_there_is_at_least_one_server(rung: Rung) -> None:
    with pytest.raises(ValueError, match="0 servers"):
        rung.open(ZERO, 1, num_servers=0)


@on_servers
def test_a_push_that_is_sent_again_counts_once(rung: Rung) -> None:
    server: Any = rung.begin(ZERO, 1, update=Gradients(1.0))
    server.push(0, {"w": array(1, 1)})
    server._ledger.clocks[0] -= 1  # as if no answer had come
    server.push(0, {"w": array(1, 1)})
    server.push(0, {"w": array(1, 1)})
    assert same(server.pull(), {"w": array(-2, -2)})
    stats = server.stats()
    assert (stats.pushes, stats.duplicates) == (2, 1)


@on_servers
def test_a_client_may_be_made_anew_for_each_call(rung: Rung) -> None:
    server = rung.begin(ZERO, 1, update=Gradients(1.0))
    for _ in range(3):
        client = pickle.loads(pickle.dumps(server))
        client.push(0, {"w": array(1, 2)})
        del client
    assert same(server.pull(0), {"w": array(-3, -6)})


@only_on("serial")
def test_weights_in_one_process_do_not_travel(rung: Rung) -> None:
    with pytest.raises(TypeError, match="one process"):
        pickle.dumps(rung.begin(ZERO, 1))


@only_on("serial")
def test_a_checkpoint_is_not_written_where_nothing_is_replaced(
    rung: Rung, tmp_path: Path
) -> None:
    rung.open(ZERO, 1, checkpoint=tmp_path / "none").push(0, ZERO)
    assert not (tmp_path / "none").exists()
