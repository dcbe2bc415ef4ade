"""A checkpoint: whole, never worse, and of the right network."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dqn.algorithm.trainer import Progress
from dqn.errors import DQNError
from dqn.runs.checkpoint import CheckpointFile, Latest, read
from dqn.runs.learner import Learner
from dqn.runs.run import Log, Run
from dqn.settings import Settings
from tests.unit.dqn.test_trainer import QUICK


def latest_of(value: float) -> Latest:
    learner = Learner(QUICK)
    latest = learner.latest()
    for array in latest.weights.values():
        array[...] = value
    return Latest(latest.weights, int(value), int(10 * value))


def test_a_better_model_replaces_a_worse_one_and_never_the_other_way(
    tmp_path: Path,
) -> None:
    path = tmp_path / "model.pth"
    file = CheckpointFile(path, QUICK)
    kept = []
    for score in (10.0, 30.0, 20.0, 40.0, 35.0):
        file.save(latest_of(score), score)
        found = read(path)
        assert found.latest.rounds == int(score)
        assert np.all(found.best["layers.0.bias"] == found.score)
        kept.append(found.score)
    assert kept == [10, 30, 30, 40, 40]


def test_another_run_does_not_overwrite_a_better_model(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    CheckpointFile(path, QUICK).save(latest_of(50), 50.0)
    CheckpointFile(path, QUICK).save(latest_of(7), 7.0)
    assert read(path).score == 50
    assert read(path).latest.rounds == 7


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.pth"
    file = CheckpointFile(path, QUICK)
    file.save(latest_of(1), 1.0)
    before = path.read_bytes()

    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DQNError, match="No space left"):
        file.save(latest_of(2), 2.0)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.pth"]


def test_a_checkpoint_can_be_read_by_whom_the_user_lets(
    tmp_path: Path,
) -> None:
    (tmp_path / "any").touch()
    CheckpointFile(tmp_path / "model.pth", QUICK).save(latest_of(1), 1.0)
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    CheckpointFile(path, QUICK).save(latest_of(1), 1.0)
    for other in (
        replace(QUICK, hidden=(16, 17)),
        replace(QUICK, environment="LunarLander-v3"),
    ):
        with pytest.raises(DQNError, match="CartPole-v1"):
            CheckpointFile(path, other)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"junk\n", None])
def test_a_file_that_is_no_checkpoint_is_refused(
    content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "model.pth"
    if content is None:
        torch.save({"format": "something else"}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(DQNError, match="not a checkpoint"):
        CheckpointFile(path, QUICK)


def test_a_file_that_cannot_be_written_is_found_out_at_once(
    tmp_path: Path,
) -> None:
    for path in (tmp_path, tmp_path / "no" / "folder.pth"):
        with pytest.raises(DQNError, match="cannot write"):
            CheckpointFile(path, QUICK)
        with pytest.raises(DQNError, match="cannot write"):
            Log(str(path), {})


def test_a_run_that_is_interrupted_can_go_on(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    rounds = 0

    def interrupt(*args: object) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 5:
            raise KeyboardInterrupt

    settings = replace(QUICK, target_score=1e9, max_rounds=8)
    learner = Learner(settings)
    run = Run(
        settings, learner, CheckpointFile(path, settings), show=interrupt
    )
    with pytest.raises(KeyboardInterrupt):
        run.run()
    checkpoint = CheckpointFile(path, settings).checkpoint
    assert checkpoint is not None
    assert checkpoint.latest.rounds == 5
    resumed = Learner(settings, checkpoint.latest)
    for name, array in resumed.latest().weights.items():
        assert np.array_equal(array, learner.latest().weights[name])
    status = Run(settings, resumed).run()
    assert status.round == 8
    assert status.steps == 3 * 80


class Scripted:
    """A learner whose tests have scores that were written down."""

    def __init__(self, scores: list[float]) -> None:
        self.steps = self.rounds = 0
        self._scores = iter(scores)

    def train(self) -> Progress:
        self.rounds += 1
        return Progress(8, 2, (float(self.rounds),), 0.0)

    def test(self) -> float:
        return next(self._scores)

    def latest(self) -> Latest:
        return Latest({}, self.rounds, self.steps)


def test_a_run_ends_with_the_first_test_that_is_good_enough() -> None:
    settings = replace(QUICK, target_score=100, rounds_between_tests=3)
    status = Run(settings, Scripted([10, 99.9, 100, 0])).run()
    assert (status.round, status.test_score) == (9, 100)
    assert (status.steps, status.updates, status.episodes) == (72, 18, 9)


def test_a_run_ends_after_its_rounds_with_a_test() -> None:
    settings = replace(QUICK, max_rounds=7, rounds_between_tests=3)
    status = Run(settings, Scripted([1, 2, 3])).run()
    assert (status.round, status.best_score) == (7, 3)


def test_the_log_has_the_settings_and_a_line_a_test(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    settings = Settings(target_score=20, rounds_between_tests=2)
    Run(settings, Scripted([10, 20]), log=Log(str(path), {"seed": 3})).run()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"seed": 3}
    assert [line["test_score"] for line in lines[1:]] == [10, 20]
    assert [line["round"] for line in lines[1:]] == [2, 4]
    assert lines[-1]["average_score"] == (1 + 2 + 3 + 4) / 4
