"""The page of a lab: its buttons end nodes, bring them back, and add one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.lab import cgroups, show
from benchmarks.lab.cli import make_plan
from benchmarks.lab.lab import Lab
from benchmarks.lab.show import LabStage
from lecture.stage import PressError

from .conftest import NAME, NEEDS_ROOT, remains

pytestmark = [NEEDS_ROOT, pytest.mark.timeout(120)]
T = 60


@pytest.fixture
def stage(home: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabStage]:
    monkeypatch.setenv("MINIMR_LAB", str(Path(home).parent))
    lab = Lab(home)
    try:
        lab.up(make_plan(NAME, engine="minimr", nodes=2))
        stage = LabStage(lab, "minimr")
        yield stage
        stage.close()
    finally:
        lab.down()
    assert remains(home) == []


def await_nodes(stage: LabStage, states: list[str]) -> None:
    until = time.monotonic() + T
    while True:
        found = [node["state"] for node in stage.look()[0].of("node")]
        if sorted(found) == states:
            return
        assert time.monotonic() < until, found
        time.sleep(0.05)  # nobody tells a page


def offered(stage: LabStage, node: str) -> list[str]:
    return [b.verb for b in stage.buttons() if b.target == node]


def test_a_node_is_killed_healed_and_joined_by_another(
    stage: LabStage,
) -> None:
    await_nodes(stage, ["ALIVE", "ALIVE"])
    assert offered(stage, "n1") == []  # the head
    assert offered(stage, "n2") == ["kill", "cut", "slow"]
    with pytest.raises(PressError, match="--cpu-share"):
        stage.press("slow", "n2")
    assert stage.press("kill", "n2") == "n2 killed"
    await_nodes(stage, ["ALIVE", "DEAD"])
    assert offered(stage, "n2") == ["heal"]
    stage.press("heal", "n2")
    await_nodes(stage, ["ALIVE", "ALIVE", "DEAD"])
    assert stage.press("add", "a node") == "n3 has joined"
    await_nodes(stage, ["ALIVE", "ALIVE", "ALIVE", "DEAD"])
    told = [line["text"] for line in stage.look()[0].of("story")]
    assert told[-3:] == ["n2 killed", "n2 is back", "n3 has joined"]
    assert len(stage.state()["nodes"]) == 4


def test_a_job_begins_and_its_end_is_told(
    stage: LabStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.lab.show.NAPS", 4)
    monkeypatch.setattr("benchmarks.lab.show.NAP_S", 0.01)
    (job,) = (b for b in stage.buttons() if b.verb == "run")
    assert stage.press(*job[:2]) == "4 naps have begun"
    until = time.monotonic() + T
    while not any(b.verb == "run" for b in stage.buttons()):
        assert time.monotonic() < until
        stage.look()
    told = [line["text"] for line in stage.look()[0].of("story")]
    assert told[-1].startswith("the naps are over, after ")


def quotas(lab: Lab) -> dict[str, list[str]]:
    """Return what limits the CPU of each node: {name: texts of the kernel}."""
    groups, found = cgroups.find(), dict[str, list[str]]()
    for node in lab.plan.all():
        folder = groups.folders(lab.plan.name, node.name)[0]
        files = sorted(groups.quota(folder, None))
        found[node.name] = [file.read_text() for file in files]
    return found


def test_a_node_that_is_slow_stays_so_while_others_are_healed_and_join(
    home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMR_LAB", str(Path(home).parent))
    monkeypatch.setattr(show, "Team", lambda lab, engine: None)
    plan = make_plan(NAME, engine="none", nodes=3, cpu_share=0.5)
    if plan.cpu_share is None:
        pytest.skip(plan.in_words())
    lab = Lab(home)
    try:
        lab.up(plan)
        stage, before = LabStage(lab, "minimr"), quotas(lab)
        assert before["n2"] == before["n3"]
        for node in ("n2", "n3"):
            assert stage.press("slow", node) == f"{node} is slow"
        slow = quotas(lab)["n2"]
        assert slow != before["n2"]
        assert stage.press("heal", "n3") == "n3 is back"
        assert stage.press("add", "a node") == "n4 has joined"
        whole = {**before, "n4": before["n3"]}
        assert quotas(lab) == {**whole, "n2": slow}
        assert stage.press("heal", "n2") == "n2 is back"
        assert quotas(lab) == whole
    finally:
        lab.down()
    assert remains(home) == []
