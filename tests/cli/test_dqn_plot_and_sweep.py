"""`python -m dqn plot` and `sweep`: pictures, tables, and going on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dqn.cli.main import run
from dqn.errors import DQNError
from dqn.runs import curves
from dqn.runs.history import History, read
from dqn.runs.run import Run, Status
from dqn.runs.sweep import VARIED, Sweep, result, table
from dqn.settings import Settings

QUICK = [
    *("--engine", "serial", "--environment", "CartPole-v1"),
    *("--rounds-between-tests", "1", "--max-rounds", "2"),
    *("--target-score", "1e9", "--num-agents", "1,2"),
    *("--batch-size", "4", "--num-epochs-agents-train", "2,1"),
]


@pytest.fixture(scope="module", autouse=True)
def fonts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let matplotlib open the fonts that it never closes."""
    path = tmp_path_factory.mktemp("fonts") / "x.png"
    curves.draw_runs(str(path), [history([1.0])])


def history(scores: list[float], **facts: Any) -> History:
    settings = Settings(num_epochs_agents_train=1)
    tests = [
        asdict(Status(round=10 * i, seconds=2.0 * i, test_score=score))
        for i, score in enumerate(scores, 1)
    ]
    return History("x", {"engine": "e", **asdict(settings), **facts}, tests)


def write(path: Path, run: History, rest: str = "") -> str:
    lines = [json.dumps(line) + "\n" for line in (run.facts, *run.tests)]
    path.write_text("".join(lines) + rest)
    return str(path)


def test_the_scores_of_runs_are_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = [
        write(tmp_path / f"{i}.jsonl", history([-900.0, 50.0 * i, 120.0]))
        for i in range(3)
    ]
    out = tmp_path / "a.png"
    assert run(["plot", *logs, "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    with Image.open(out) as picture:
        assert picture.width == 1300
        assert len(picture.getcolors(1 << 20) or []) > 10


def test_a_run_under_way_is_read_as_far_as_it_is_written(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.jsonl", history([1.0, 2.0]), '{"round": 3')
    assert read(path).series("test_score") == [1.0, 2.0]


def test_a_history_tells_when_a_score_was_first_reached() -> None:
    run = history([10.0, 100.0, 30.0, 200.0])
    assert run.seconds_to(30) == 4.0
    assert run.seconds_to(100) == 4.0
    assert run.seconds_to(200) == 8.0
    assert run.seconds_to(201) is None
    assert run.best == 200.0


def test_a_table_says_what_was_not_reached() -> None:
    runs = [history([10.0, 99.9]), history([10.0, 100.0])]
    rows = list(table([result(each) for each in runs]))[2:]
    assert "| 99.9 | not reached | 4.0 | 20 |" in rows[0]
    assert "| 100.0 | 4.0 | 4.0 | 20 |" in rows[1]


def test_a_sweep_trains_every_combination_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    assert run(["sweep", *QUICK, "--out", str(folder)]) == 0
    said = capsys.readouterr()
    assert "4/4 num_agents 2, batch_size 4" in said.err
    combinations = [(1, 4, 1), (1, 4, 2), (2, 4, 1), (2, 4, 2)]
    content = json.loads((folder / "sweep.json").read_text())
    assert [
        tuple(each[name] for name in VARIED) for each in content["results"]
    ] == combinations
    assert all(each["rounds"] == 2 for each in content["results"])
    assert (folder / "sweep.md").read_text() in said.out
    assert len((folder / "sweep.md").read_text().splitlines()) == 2 + 4
    with Image.open(folder / "sweep.png") as picture:
        assert picture.width == 1300
    assert len([*folder.glob("*.jsonl")]) == 4
    assert not [*folder.glob("*.part")]


def test_a_sweep_that_was_stopped_goes_on_with_the_rest(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran: list[tuple[int, int | None]] = []
    train = Run.run

    def stops(self: Run) -> Status:
        settings = self._settings
        ran.append((settings.num_agents, settings.num_epochs_agents_train))
        if len(ran) == 3:
            raise KeyboardInterrupt
        return train(self)

    monkeypatch.setattr(Run, "run", stops)
    arguments = ["sweep", *QUICK, "--out", str(tmp_path)]
    assert run(arguments) == 130
    assert (tmp_path / "sweep.png").exists()
    assert (
        len(json.loads((tmp_path / "sweep.json").read_text())["results"]) == 2
    )
    assert run(arguments) == 0
    assert ran == [(1, 1), (1, 2), (2, 1), (2, 1), (2, 2)]
    assert "2 of 4 are finished already" in capsys.readouterr().err
    assert run(arguments) == 0  # nothing is left to do
    assert len(ran) == 5


def test_a_sweep_does_not_mix_runs_of_other_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", *QUICK, "--out", str(tmp_path)]
    assert run(arguments) == 0
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    capsys.readouterr()
    assert run([*arguments, "--seed", "5"]) == 2
    said = capsys.readouterr().err
    assert "seed was 0, not 5" in said
    assert said.count("\n") == 1
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_the_limit_of_a_combination_ends_it(tmp_path: Path) -> None:
    settings = Settings(environment="CartPole-v1", max_seconds=1e-9)
    sweep = Sweep(str(tmp_path), settings, ([1], [4], [1]), "serial")
    from dqn.distributed.engines import open_engine

    with open_engine("serial") as engine:
        found = sweep.run(sweep.combinations[0], engine, lambda line: None)
    assert found.rounds == 1
    assert found.best_score is not None


def test_no_time_at_all_is_refused() -> None:
    with pytest.raises(DQNError, match="max_seconds"):
        Settings(max_seconds=0.0)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["plot", "none.jsonl"], "cannot read none.jsonl"),
        (["plot", "broken.jsonl"], "not the log of a run"),
        (["plot", "other.jsonl"], "not the log of a run"),
        (["plot", "numbers.jsonl"], "not the log of a run"),
        (["plot", "empty.jsonl"], "not the log of a run"),
        (["plot", "bytes.jsonl"], "not text"),
        (["plot"], "RUN.jsonl"),
        (["plot", "good.jsonl", "--out", "no/such/a.png"], "cannot write"),
        (["plot", "good.jsonl", "--out", "."], "it is a folder"),
        (["sweep", "--num-agents", "0"], "num_agents is 0"),
        (["sweep", "--num-agents", "1,two"], "'1,two'"),
        (["sweep", "--environment", "Nope-v0"], "Nope"),
        (["sweep", "--out", "good.jsonl"], "cannot write good.jsonl"),
        (["sweep", "--max-seconds", "0"], "max_seconds"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("good.jsonl"), history([1.0]))
    Path("broken.jsonl").write_text("{\n")
    Path("other.jsonl").write_text('{"a": 1}\n')
    Path("numbers.jsonl").write_text("1\n2\n")
    Path("empty.jsonl").write_text("")
    Path("bytes.jsonl").write_bytes(b"\xff\xfe\n")
    before = {*tmp_path.iterdir()}
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert reason in said.err
    assert said.err.count("\n") == 1
    assert {*tmp_path.iterdir()} == before
