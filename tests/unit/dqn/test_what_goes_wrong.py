"""Environments and files that are not as they should be."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from dqn.algorithm import environment
from dqn.algorithm.environment import limit_of, make
from dqn.algorithm.evaluation import Examiner
from dqn.algorithm.network import QNetwork
from dqn.errors import DQNError
from dqn.runs.checkpoint import CheckpointFile, read
from dqn.runs.learner import Learner
from dqn.runs.run import Log, Run
from tests.quick_dqn import QUICK
from tests.unit.dqn.test_checkpoint import Scripted

SETTINGS = replace(QUICK, rounds_between_tests=1, max_rounds=3)


class Odd(gymnasium.Env[Any, Any]):
    """Never ends, and from its step number `bad_from` on gives no number."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)
    bad_from = math.inf
    where = "reward"

    def reset(self, **options: Any) -> Any:
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        odd = self.where if self.steps >= self.bad_from else ""
        obs = np.full(2, math.nan if odd == "obs" else 0.0, np.float32)
        reward = math.nan if odd == "reward" else 1.0
        return obs, reward, False, False, {}


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    gymnasium.register("Odd-v0", entry_point=Odd)
    monkeypatch.setattr(environment, "MAX_GAME_STEPS", 50)
    yield "Odd-v0"
    del gymnasium.registry["Odd-v0"]


def test_a_game_without_an_end_is_cut_and_that_is_said(odd: str) -> None:
    assert limit_of(odd).startswith("Odd-v0 has no limit of steps")
    assert limit_of("CartPole-v1") == ""
    examiner = Examiner(odd, 2)
    assert examiner.scores(QNetwork(2, 2, (8,))) == [50.0, 50.0]
    examiner.close()


def test_rounds_of_games_end_without_an_end(odd: str) -> None:
    settings = replace(SETTINGS, environment=odd, num_epochs_agents_train=2)
    learner = Learner(settings)
    assert len(learner.train().scores) >= 2
    learner.close()


@pytest.mark.parametrize("where", ["reward", "obs"])
def test_what_is_no_number_stops_the_training_and_names_the_step(
    where: str, odd: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Odd, "where", where)
    settings = replace(SETTINGS, environment=odd, max_rounds=9)
    learner = Learner(settings)
    path = tmp_path / "model.pth"
    run = Run(settings, learner, CheckpointFile(path, settings))
    run._round()
    run._test()
    monkeypatch.setattr(Odd, "bad_from", 1)
    with pytest.raises(DQNError, match=r"of nan at step \d+ of its games"):
        run.run()
    learner.close()
    kept = read(path)
    assert kept.score == 50.0
    assert all(np.isfinite(w).all() for w in kept.latest.weights.values())


def test_weights_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    settings = replace(SETTINGS, learning_rate=1e30, huber=1e30, max_rounds=50)
    path = tmp_path / "model.pth"
    learner = Learner(settings)
    file = CheckpointFile(path, settings)
    file.save(learner.latest(), 1.0)
    with pytest.raises(DQNError, match=r"not finite after \d+"):
        Run(settings, learner, file).run()
    learner.close()
    kept = read(path)
    assert kept.score >= 1.0
    assert all(np.isfinite(w).all() for w in kept.latest.weights.values())


def test_a_score_of_nan_is_never_the_best(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    settings = replace(SETTINGS, target_score=100.0)
    learner = Scripted([math.nan, 3.0, math.nan])
    run = Run(settings, learner, CheckpointFile(path, settings))
    assert run.run().best_score == 3.0
    assert read(path).score == 3.0


def some_file(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    path = tmp_path / "model.pth"
    learner = Learner(SETTINGS)
    CheckpointFile(path, SETTINGS).save(learner.latest(), 1.0)
    learner.close()
    return path, torch.load(path, weights_only=True)


@pytest.mark.parametrize(
    "key", ["environment", "hidden", "best", "score", "latest"]
)
def test_a_checkpoint_with_a_missing_key_is_a_line(
    key: str, tmp_path: Path
) -> None:
    path, content = some_file(tmp_path)
    del content[key]
    torch.save(content, path)
    with pytest.raises(DQNError, match=f"lacks '{key}'"):
        read(path)
    content[key] = None
    torch.save(content, path)
    if key != "environment":  # whose name may be anything
        with pytest.raises(DQNError, match="wrong type"):
            read(path)


def test_a_checkpoint_with_an_empty_latest_is_a_line(tmp_path: Path) -> None:
    path, content = some_file(tmp_path)
    content["latest"] = {}
    torch.save(content, path)
    with pytest.raises(DQNError, match="lacks 'weights'"):
        read(path)


def test_a_full_disk_does_not_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, told = tmp_path / "model.pth", []
    full = [True, True, False]  # at each test

    def written(*args: Any) -> None:
        if full.pop(0):
            raise DQNError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr("dqn.runs.checkpoint._write", written)
    run = Run(
        SETTINGS,
        Scripted([3.0, 2.0, 1.0]),
        CheckpointFile(path, SETTINGS),
        tell=told.append,
    )
    assert run.run().round == 3
    assert len(told) == 2
    assert "No space left" in told[0]
    assert "tried again after the next test" in told[0]


def test_a_disk_that_stays_full_is_an_error_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(*args: Any) -> None:
        raise DQNError("cannot write: No space left on device")

    monkeypatch.setattr("dqn.runs.checkpoint._write", written)
    file = CheckpointFile(tmp_path / "model.pth", SETTINGS)
    run = Run(SETTINGS, Scripted([3.0, 2.0, 1.0]), file)
    with pytest.raises(DQNError, match="No space left"):
        run.run()
    assert run.status.round == 3


def test_a_log_on_a_full_disk_has_all_lines_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    log = Log(str(path), {"seed": 1})
    real = Path.open
    full = [True, False, False]

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *exc_info: object) -> None:
            self.file.close()

        def tell(self) -> int:
            return int(self.file.tell())

        def write(self, text: str) -> None:
            self.file.write(text[:5])
            raise OSError(errno.ENOSPC, "No space left on device")

    def opened(self: Path, *args: Any, **kwargs: Any) -> Any:
        file = real(self, *args, **kwargs)
        if self == path and args == ("a",):
            return Full(file) if full.pop(0) else file
        return file

    monkeypatch.setattr(Path, "open", opened)
    run = Run(SETTINGS, Scripted([3.0, 2.0, 1.0]), log=log)
    run.run()
    assert len(path.read_text().splitlines()) == 4


def test_an_environment_with_a_limit_keeps_its_own() -> None:
    made = make("CartPole-v1")
    assert made.spec is not None
    assert made.spec.max_episode_steps == 500
    made.close()
