"""The buttons of a lab's page, without a lab: what each asks of it."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.lab import show
from benchmarks.lab.plan import LabError
from lecture.stage import PressError


class Node:
    def __init__(self, name: str) -> None:
        self.name = name


class FakePlan:
    def __init__(self) -> None:
        self.nodes = 3

    def all(self) -> list[Node]:
        return [Node(f"n{number + 1}") for number in range(self.nodes)]


class FakeLab:
    """A lab that notes what it is asked."""

    def __init__(self) -> None:
        self.plan, self.asked = FakePlan(), list[tuple[str, str]]()
        self.refuses: set[str] = set()

    def __getattr__(self, verb: str) -> Any:
        def ask(node: str) -> None:
            if verb in self.refuses:
                raise LabError(f"{node} has no share of the CPU to take from")
            self.asked.append((verb, node))

        return ask


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> show.LabStage:
    monkeypatch.setattr(show, "Team", lambda lab, engine: None)
    return show.LabStage(FakeLab(), "minimr")  # type: ignore[arg-type]


def offered(stage: show.LabStage, node: str) -> list[str]:
    return [b.verb for b in stage.buttons() if b.target == node]


@pytest.mark.parametrize(
    ("verb", "told"),
    [("cut", "n2 cut off"), ("kill", "n2 killed"), ("slow", "n2 is slow")],
)
def test_a_node_that_is_hurt_can_only_be_healed(
    stage: show.LabStage, verb: str, told: str
) -> None:
    assert offered(stage, "n2") == ["kill", "cut", "slow"]
    assert stage.press(verb, "n2") == told
    assert offered(stage, "n2") == ["heal"]
    assert offered(stage, "n3") == ["kill", "cut", "slow"]
    assert stage.press("heal", "n2") == "n2 is back"
    assert offered(stage, "n2") == ["kill", "cut", "slow"]
    asked = stage._lab.asked  # type: ignore[attr-defined]
    assert asked == [(verb, "n2"), ("heal", "n2")]


def test_what_a_lab_refuses_is_said_and_hurts_nobody(
    stage: show.LabStage,
) -> None:
    stage._lab.refuses.add("slow")  # type: ignore[attr-defined]
    with pytest.raises(PressError, match="no share of the CPU"):
        stage.press("slow", "n2")
    assert offered(stage, "n2") == ["kill", "cut", "slow"]


def test_the_node_of_the_head_has_no_buttons(stage: show.LabStage) -> None:
    assert offered(stage, "n1") == []
    with pytest.raises(PressError, match="nothing to cut"):
        stage.press("cut", "n1")
