"""The assignment: a DQN by agents on five nodes, one of which dies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.lab import engines
from benchmarks.lab.lab import Lab

from .conftest import NEEDS_ROOT, five_nodes

pytestmark = [NEEDS_ROOT, pytest.mark.timeout(180)]

ROUNDS = 12
QUICK = (
    *("--environment", "CartPole-v1"),
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
    with five_nodes(home) as lab:
        yield lab


def train_with_a_death(
    lab: Lab, model: Path, *options: str, after: int
) -> tuple[int, str]:
    """Train on all nodes; kill one when so many tests are over."""
    command = [sys.executable, "-m", "dqn", "train", "--num-agents", "4"]
    command += [*options, "--checkpoint", str(model)]
    said: list[str] = []
    with subprocess.Popen(
        lab.command("n1", command),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                said.append(line)
                after -= " · round " in line
                if after == 0 and " · round " in line:
                    lab.kill("n4")
            code = process.wait(30)
        finally:
            process.kill()
            lab.heal("n4")
    text = "".join(said)
    assert "has died and is replaced" in text, text
    return code, text


@pytest.mark.parametrize("share", ["weights", "experience"])
@pytest.mark.parametrize("engine", ["minimr", "ray"])
def test_agents_on_five_nodes_train_on_when_a_node_dies(
    engine: str, share: str, lab: Lab, tmp_path: Path
) -> None:
    options = [*QUICK, "--engine", engine, "--share", share]
    options += ["--target-score", "1e9"]  # or it might be over too soon
    if share == "weights":  # without one, it finds the cluster
        options += ["--address", engines.address(lab.plan, engine)]
    model = tmp_path / "model.pth"
    code, text = train_with_a_death(lab, model, *options, after=1)
    assert code == 0, text
    where = engines.address(lab.plan, engine)
    assert f"joined the {engine} cluster at {where}, nodes: 5" in text
    assert f"round {ROUNDS}/{ROUNDS}" in text
    assert "the test average has not reached 1e+09" in text


@pytest.mark.skipif(
    os.environ.get("MINIMR_SLOW") != "1", reason="MINIMR_SLOW=1 runs it"
)
@pytest.mark.timeout(900)
@pytest.mark.parametrize("share", ["weights", "experience"])
@pytest.mark.parametrize("engine", ["minimr", "ray"])
def test_agents_on_five_nodes_learn_to_land_when_a_node_dies(
    engine: str, share: str, lab: Lab, tmp_path: Path
) -> None:
    options = ["--engine", engine, "--share", share]
    model = tmp_path / "model.pth"
    code, text = train_with_a_death(lab, model, *options, after=2)
    assert code == 0, text
    assert "the test average has reached 100" in text


# Puts an array and reads it in a task; tells on which node the driver is.
PROGRAM = """
import numpy as np, minimr
minimr.init()
ref = minimr.put(np.ones(1_000_000))
total = minimr.get(minimr.remote(lambda a: float(a.sum())).remote(ref))
print(minimr.util.get_node_ip_address(), total)
"""


@pytest.mark.parametrize("node", ["n1", "n3"])
def test_a_program_belongs_to_the_node_that_it_runs_in(
    node: str, lab: Lab
) -> None:
    ended = subprocess.run(
        lab.command(node, [sys.executable, "-c", PROGRAM]),
        capture_output=True,
        text=True,
        timeout=60,
    )
    address = lab.plan.node(node).address
    assert ended.stdout == f"{address} 1000000.0\n", ended.stderr
