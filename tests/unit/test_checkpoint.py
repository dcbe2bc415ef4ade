"""A checkpoint that cannot be written ends nobody."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from minimr.shared.parameter_server import checkpoint
from minimr.shared.parameter_server.checkpoint import Checkpoint, load
from minimr.shared.parameter_server.consistency import Average, Synchronous
from minimr.shared.parameter_server.rounds import Rounds


def rounds_of(number: float) -> Rounds:
    weights = {"w": np.full(2, number, np.float32)}
    return Rounds(weights, 1, Synchronous(), Average())


def test_a_save_that_fails_is_said_once_and_tried_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "server-0.rounds"
    monkeypatch.setattr(checkpoint, "RETRY_S", 0.0)
    kept = Checkpoint(path, 0.0)
    kept.save(rounds_of(1))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(os, "fsync", full)
        for _ in range(3):
            kept.changed(rounds_of(2))
    assert caplog.text.count("No space left on device") == 1
    assert "This server goes on" in caplog.text
    assert os.listdir(tmp_path) == [path.name]
    assert load(path).weights["w"].tolist() == [1, 1]
    assert kept.due_in() == 0.0
    kept.save_if_due(rounds_of(3))
    assert "is written again" in caplog.text
    assert load(path).weights["w"].tolist() == [3, 3]
    assert kept.due_in() is None


def test_who_has_left_is_saved_at_once(tmp_path: Path) -> None:
    """Or the next server waits for somebody who never comes."""
    path = tmp_path / "server-0.rounds"
    kept = Checkpoint(path, 3600.0)
    weights = {"w": np.zeros(2, np.float32)}
    rounds = Rounds(weights, 2, Synchronous(), Average())
    kept.save(rounds)
    rounds.push(1, 1, {"w": np.ones(2, np.float32)})
    kept.changed(rounds)
    assert load(path).clocks == {0: 0, 1: 0}  # that may be lost
    rounds.leave(0)
    kept.changed(rounds)
    assert load(path).clocks == {1: 1}


def test_a_draft_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    path = tmp_path / "server-0.rounds"
    path.with_name(path.name + ".draft").symlink_to(tmp_path / "theirs")
    Checkpoint(path, 0.0).save(rounds_of(1))
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert load(path).weights["w"].tolist() == [1, 1]
