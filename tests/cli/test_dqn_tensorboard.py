"""`--tensorboard DIR`: what TensorBoard finds there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dqn.cli.main import run
from dqn.runs.run import Status
from dqn.runs.tensorboard import Board

QUICK = [
    *("--environment", "CartPole-v1", "--num-steps-agents-train", "10"),
    *("--target-score", "1e9", "--rounds-between-tests", "2"),
]


def scalars(folder: Path) -> dict[str, list[int]]:
    """Read what was written: by name, at which steps."""
    loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_file_loader"
    )
    found: dict[str, list[int]] = {}
    for path in sorted(folder.iterdir()):
        for event in loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(event.step)
    return found


@pytest.mark.parametrize(
    "command",
    [["single"], ["train", "--engine", "serial", "--num-agents", "2"]],
    ids=lambda command: command[0],
)
def test_a_run_is_there_with_every_test_and_every_round(
    command: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    model, board = str(tmp_path / "model.pth"), tmp_path / "board"
    files = ["--checkpoint", model, "--tensorboard", str(board)]
    assert run([*command, *QUICK, *files, "--max-rounds", "4"]) == 0
    found = scalars(board)
    assert found["score/test"] == [2, 4]
    assert found["progress/steps"] == [1, 2, 3, 4]
    assert "settings/text_summary" in found
    more = ["--max-rounds", "6", "--resume"]
    assert run([*command, *QUICK, *files, *more]) == 0
    assert scalars(board)["score/test"] == [2, 4, 6]


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    board = Board(None, {})
    board.show(Status(round=1))
    board.close()
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_cannot_be_written_is_refused_before_the_training(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert run(["single", *QUICK, "--tensorboard", "file/board"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("dqn: cannot write file/board: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "model_checkpoint.pth").exists()


def test_without_tensorboard_it_says_what_to_install(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert run(["single", *QUICK, "--tensorboard", "board"]) == 2
    assert "minimr[tensorboard]" in capsys.readouterr().err
