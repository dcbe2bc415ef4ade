"""`python -m dqn play`: what it films, and what it refuses."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dqn.cli.main import run
from dqn.runs.checkpoint import CheckpointFile
from dqn.runs.learner import Learner
from dqn.settings import Settings
from dqn.watch import film
from dqn.watch.film import Gif, Sheet
from dqn.watch.play import Frame, Stage, network_of

CARTPOLE = Settings(environment="CartPole-v1", num_envs=1, hidden=(8,))


@pytest.fixture
def model(tmp_path: Path) -> str:
    learner = Learner(CARTPOLE)
    file = CheckpointFile(path := tmp_path / "model.pth", CARTPOLE)
    file.save(learner.latest(), 10.0)
    learner.close()
    return str(path)


def frames(number: int, game: int = 1) -> list[Frame]:
    """Make a game whose pictures get brighter."""
    return [
        Frame(
            np.full((40, 60, 3), 255 * i // (number - 1), np.uint8),
            game,
            i / 50,
            float(i),
            i == number - 1,
        )
        for i in range(number)
    ]


def test_games_are_filmed_and_their_scores_said(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imageio = pytest.importorskip("imageio.v2")
    pytest.importorskip("imageio_ffmpeg")
    paths = {
        kind: tmp_path / f"film{suffix}"
        for kind, suffix in [("video", ".mp4"), ("gif", ".gif")]
    }
    paths["sheet"] = tmp_path / "film.png"
    files: list[str] = []
    for kind, path in paths.items():
        files += [f"--{kind}", str(path)]
    arguments = ["play", "--checkpoint", model, "--games", "2"]
    assert run([*arguments, "--seed", "7", *files]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("game 1, seed 7: ")
    assert said[1].startswith("game 2, seed 8: ")
    scores = [float(line.split(": ")[1].split()[0]) for line in said[:2]]
    with imageio.get_reader(paths["video"]) as video:
        assert video.get_meta_data()["size"] == (600, 400)
        shown = video.count_frames()
    # a reward a step; the first picture is before it, the last one rests
    rest = 2 * (1 + film.REST_S * 50)
    assert shown == sum(scores) + rest
    with Image.open(paths["gif"]) as gif:
        assert gif.is_animated
    with Image.open(paths["sheet"]) as sheet:
        assert sheet.width == 4 * (film.SHEET_WIDTH + film.SHEET_GAP)
        assert sheet.height == 2 * 3 * (200 + film.SHEET_GAP)
    assert {path.name for path in tmp_path.iterdir()} == {
        "model.pth",
        *(path.name for path in paths.values()),
    }


def test_a_file_is_readable_as_if_it_were_written_directly(
    model: str, tmp_path: Path
) -> None:
    before = os.umask(0o022)
    try:
        path = tmp_path / "a.png"
        run(["play", "--checkpoint", model, "--sheet", str(path)])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("number", [3, 12, 13, 40, 1000])
def test_a_sheet_shows_the_start_the_end_and_even_steps_between(
    number: int, tmp_path: Path
) -> None:
    sheet = Sheet(str(tmp_path / "a.png"), 50)
    for frame in frames(number):
        sheet.add(frame)
    brightness = [
        int(np.asarray(picture)[-1, -1, 0]) for picture in sheet._pictures
    ]
    sheet.close()
    assert len(brightness) == film.SHEET_PICTURES
    assert (brightness[0], brightness[-1]) == (0, 255)
    if number > film.SHEET_PICTURES:
        steps = np.diff(brightness)
        assert steps.min() > 0
        assert steps.max() <= 2.5 * 255 / (film.SHEET_PICTURES - 1)


def test_a_sheet_of_a_long_game_does_not_keep_every_picture(
    tmp_path: Path,
) -> None:
    sheet = Sheet(str(tmp_path / "a.png"), 50)
    most = 0
    for frame in frames(2000):
        sheet.add(frame)
        most = max(most, len(sheet._game))
    sheet.close()
    assert most <= 1 + 8 * film.SHEET_PICTURES


def test_a_gif_runs_as_long_as_the_game_and_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    gif = Gif(str(path), 50)
    for frame in frames(101):
        gif.add(frame)
    gif.save()
    gif.close()
    milliseconds = 0
    with Image.open(path) as image:
        for i in range(image.n_frames):
            image.seek(i)
            milliseconds += image.info["duration"]
    assert milliseconds == pytest.approx(1000 * (2 + film.REST_S), abs=50)


def test_a_game_is_played_by_the_network_to_its_end(model: str) -> None:
    from dqn.runs.checkpoint import read

    network = network_of(read(model), "CartPole-v1")
    stage = Stage("CartPole-v1")
    first, second = ([*stage.games(network, [3])] for _ in range(2))
    (other,) = ([*stage.games(network, [4])],)
    stage.close()
    assert [f.is_last for f in first] == [False] * (len(first) - 1) + [True]
    assert first[-1].score == len(first) - 1
    assert (first[1].image == second[1].image).all()
    assert (first[0].image != other[0].image).any()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--checkpoint", "none.pth"], "cannot read none.pth"),
        (["--checkpoint", __file__], "not a checkpoint"),
        (["--environment", "Nope-v0"], "Nope"),
        (["--environment", "Acrobot-v1"], "network for CartPole-v1"),
        (["--environment", "Pendulum-v1"], "Discrete"),
        (["--sheet", "no/such/folder/a.png"], "cannot write"),
        (["--sheet", "."], "must end in .png"),
        (["--sheet", "folder.png"], "it is a folder"),
        (["--gif", "a.mp4"], "must end in .gif"),
        (["--video", "a.txt"], "must end in .mp4"),
        (["--games", "0"], "games"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(
    arguments: list[str],
    reason: str,
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "--video" in arguments:
        pytest.importorskip("imageio_ffmpeg")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    before = {*tmp_path.iterdir()}
    assert run(["play", "--checkpoint", model, *arguments]) == 2
    said = capsys.readouterr()
    assert reason in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert {*tmp_path.iterdir()} == before


def test_a_film_that_fails_leaves_the_old_one(
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = tmp_path / "a.png"
    old.write_text("old")

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(film.Sheet, "_finish", full)
    assert run(["play", "--checkpoint", model, "--sheet", str(old)]) == 2
    assert "No space left" in capsys.readouterr().err
    assert old.read_text() == "old"
    assert {*tmp_path.iterdir()} == {old, Path(model)}


def test_without_an_encoder_it_says_what_to_install(
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    path = str(tmp_path / "a.mp4")
    assert run(["play", "--checkpoint", model, "--video", path]) == 2
    assert "minimr[video]" in capsys.readouterr().err


def test_the_seed_decides_which_game_is_filmed(
    model: str, tmp_path: Path
) -> None:
    for seed in ("7", "8"):
        path = str(tmp_path / f"{seed}.png")
        arguments = ["--checkpoint", model, "--sheet", path, "--seed", seed]
        assert run(["play", *arguments]) == 0
    one, other = ((tmp_path / f"{s}.png").read_bytes() for s in "78")
    assert one != other
