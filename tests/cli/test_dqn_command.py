"""`python -m dqn`: what it says, leaves behind and refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dqn.cli.main import run
from dqn.runs.checkpoint import read
from tests.cli.running import DEADLINE_S, ROOT, environment

QUICK = ["--environment", "CartPole-v1", "--num-steps-agents-train", "10"]


def test_a_run_says_how_it_went_and_writes_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, log = str(tmp_path / "model.pth"), tmp_path / "run.jsonl"
    files = ["--checkpoint", model, "--log", str(log)]
    rounds = ["--max-rounds", "4", "--rounds-between-tests", "2"]
    assert run(["single", *QUICK, *files, *rounds]) == 0
    said = capsys.readouterr()
    assert "320 steps" in said.out
    assert "best test" in said.out
    assert said.err.count("round 2/4") == said.err.count("round 4/4") == 1
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0]["engine"] == "single"
    assert [line["round"] for line in lines[1:]] == [2, 4]
    assert read(model).latest.rounds == 4
    more = ["--max-rounds", "6", "--resume"]
    assert run(["single", *QUICK, *files, *more]) == 0
    assert "480 steps" in capsys.readouterr().out
    assert read(model).latest.rounds == 6
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["round"] for line in lines[1:]] == [2, 4, 6]
    for count in ("steps", "seconds", "cpu_seconds", "episodes"):
        before, then = (line[count] for line in lines[2:])
        assert then > before > 0, count  # it went on from there


@pytest.mark.parametrize(
    ("share", "steps"),
    [("weights", "320 steps"), ("experience", "160 steps")],
)
def test_agents_train_on_an_engine(
    share: str,
    steps: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = ["--checkpoint", str(tmp_path / "model.pth"), "--share", share]
    team = ["--engine", "serial", "--num-agents", "2", "--max-rounds", "2"]
    assert run(["train", *QUICK, *files, *team]) == 0
    assert steps in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--environment", "Nope-v0"], "Nope"),
        (["--environment", "Pendulum-v1"], "Discrete"),
        (["--num-agents", "0"], "num_agents"),
        (["--batch-size", "0"], "batch-size"),
        (["--engine", "none"], "engine"),
        (["--checkpoint", "no/such/folder/model.pth"], "cannot write"),
        (["--log", "no/such/folder/run.jsonl"], "cannot write"),
        (["--resume"], "no checkpoint"),
        (["--checkpoint", __file__], "not a checkpoint"),
    ],
)
def test_bad_input_gets_one_line_and_code_2(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["train", "--engine", "serial", *arguments]) == 2
    said = capsys.readouterr()
    assert reason in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_ctrl_c_saves_how_far_it_had_come(tmp_path: Path) -> None:
    model = tmp_path / "model.pth"
    arguments = ["train", "--engine", "serial", *QUICK]
    arguments += ["--rounds-between-tests", "3", "--target-score", "1e9"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dqn", *arguments, "--checkpoint", model],
        env=environment(tmp_path),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process, process.stderr as lines:
        assert any("round 3/" in line for line in lines)  # it is under way
        process.send_signal(signal.SIGINT)
        rest = lines.read()
        assert process.wait(DEADLINE_S) == 130
    assert "interrupted" in rest
    assert "Traceback" not in rest
    assert read(model).latest.rounds >= 3
