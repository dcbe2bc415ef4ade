"""The state of a parameter server, written and read: it goes on the same."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimr.shared.parameter_server import snapshot
from minimr.shared.parameter_server.checkpoint import load
from minimr.shared.parameter_server.consistency import (
    Asynchronous,
    Average,
    Gradients,
    Stale,
    Synchronous,
)
from minimr.shared.parameter_server.rounds import Rounds
from minimr.shared.parameter_server.weights import NOTHING

CONSISTENCIES = [Synchronous(), Stale(1), Stale(float("inf")), Asynchronous()]
UPDATES = [Average(), Gradients(0.1), Gradients(0.5, momentum=0.9)]


def array(*numbers: float) -> Any:
    return np.array(numbers, np.float32)


def start(consistency: Any, update: Any) -> Rounds:
    weights = {"w": array(1, 2), "": array(), "b/\0é": np.array(3, "f")}
    return Rounds(weights, 2, consistency, update)


def push(rounds: Rounds, worker: int, number: float) -> None:
    clock = rounds.clock_of(worker)
    if rounds.ready(worker, {worker: clock}):
        rounds.pull(worker, NOTHING)
        rounds.push(worker, clock + 1, {"w": array(number, -number)})


def copied(rounds: Rounds) -> Rounds:
    file = io.BytesIO()
    file.name = "memory"
    snapshot.write(rounds, file)
    file.seek(0)
    return snapshot.read(file)


@pytest.mark.parametrize("consistency", CONSISTENCIES, ids=str)
@pytest.mark.parametrize("update", UPDATES, ids=str)
def test_a_state_that_was_written_goes_on_to_the_same_bits(
    consistency: Any, update: Any
) -> None:
    @settings(max_examples=20)
    @given(st.lists(st.tuples(st.integers(0, 1), st.integers(-9, 9))))
    def check(pushes: list[tuple[int, int]]) -> None:
        rounds = start(consistency, update)
        for worker, number in pushes:
            push(rounds, worker, number)
        again = copied(rounds)
        for worker, number in [*pushes, (0, 1), (1, 2), (0, 3)]:
            push(rounds, worker, number)
            push(again, worker, number)
        for name in rounds.weights:
            ours, theirs = rounds.weights[name], again.weights[name]
            assert ours.tobytes() == theirs.tobytes()
            assert ours.shape == theirs.shape
        assert rounds.stats == again.stats
        assert rounds.clocks == again.clocks
        assert vars(rounds).keys() == vars(again).keys()

    check()


def test_ids_of_workers_may_be_numbers_of_numpy() -> None:
    rounds = start(Asynchronous(), Average())
    rounds.join(np.int64(7), 0)  # type: ignore[arg-type]
    push(rounds, 7, 1.0)
    assert copied(rounds).clock_of(7) == 1


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("hidden", [False, True], ids=["plain", "in an array"])
def test_a_pickle_in_the_place_of_a_checkpoint_is_not_opened(
    tmp_path: Path, hidden: bool
) -> None:
    bomb, path = Bomb(tmp_path / "exploded"), tmp_path / "server-0.rounds"
    with path.open("wb") as file:
        if hidden:
            np.save(file, np.array([bomb], object), allow_pickle=True)
        else:
            pickle.dump(bomb, file)
    with pytest.raises(ValueError, match=f"{path} is no checkpoint"):
        load(path)
    assert not bomb.folder.exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "7", '{"dict": 7}', '{"Path": {"dict": []}}', "{"]
)
def test_what_is_no_state_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "server-0.rounds"
    with path.open("wb") as file:
        np.save(file, np.frombuffer(text.encode(), np.uint8))
    with pytest.raises(ValueError, match="is no checkpoint"):
        load(path)
