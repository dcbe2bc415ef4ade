"""The assignment: a DQN by agents on five nodes, one of which dies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.lab import engines
from benchmarks.lab.cli import make_plan
from benchmarks.lab.lab import Lab

from .conftest import NAME, NEEDS_ROOT, QUICK_RAY, remains

pytestmark = [NEEDS_ROOT, pytest.mark.timeout(180)]

ROUNDS = 12
QUICK = (
    *("--environment", "CartPole-v1", "--num-agents", "4"),
    *("--num-steps-agents-train", "30", "--batch-size", "16"),
    *("--rounds-between-tests", "2", "--max-rounds", str(ROUNDS)),
)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> None:
    """Take the place of the check after each test: the lab is shared.

    What is left of it, `home` looks for at the end.
    """


@pytest.fixture(scope="module")
def lab(home: str) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUICK_RAY.items():
            patch.setenv(name, value)
        patch.setenv("MINIMR_LAB", str(Path(home).parent))
        lab = Lab(home)
        try:
            lab.up(make_plan(NAME, engine="both", nodes=5))
            yield lab
        finally:
            lab.down()
            assert remains(home) == []


@pytest.mark.parametrize("share", ["weights", "experience"])
@pytest.mark.parametrize("engine", ["minimr", "ray"])
def test_agents_on_five_nodes_train_on_when_a_node_dies(
    engine: str, share: str, lab: Lab, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "dqn", "train", *QUICK]
    command += ["--engine", engine, "--share", share]
    command += ["--address", engines.address(lab.plan, engine)]
    command += ["--checkpoint", str(tmp_path / "model.pth")]
    command += ["--target-score", "1e9"]  # or it might be over too soon
    with subprocess.Popen(
        lab.command("n1", command),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = []
        try:
            for line in process.stdout:
                said.append(line)
                if f"round 2/{ROUNDS}" in line:
                    lab.kill("n4")
            code = process.wait(30)
        finally:
            process.kill()
            lab.heal("n4")
    text = "".join(said)
    assert code == 0, text
    assert "has died: another one takes its place" in text
    assert f"round {ROUNDS}/{ROUNDS}" in text
    assert "the test average has not reached 1e+09" in said[-1]
