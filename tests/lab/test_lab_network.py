"""Both engines on five nodes: exact over the network, and after faults."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab.ground import Usage
from benchmarks.lab.lab import Lab
from benchmarks.lab.plan import LabError
from benchmarks.lab.team import CLUSTERS, Team

from .conftest import NEEDS_ROOT, five_nodes

pytestmark = [NEEDS_ROOT, pytest.mark.timeout(180)]

RUNGS = list(CLUSTERS)
TEXTS = [f"the lab the node {word} {word * 2}" for word in "abcdefgh" * 8]
EXPECTED = Counter(" ".join(TEXTS).split())
SILENCE_S = 3.0
ANSWER_S = 30.0


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> None:
    """Take the place of the check after each test: the lab is shared.

    What is left of it, `home` looks for at the end.
    """


@pytest.fixture(scope="module")
def lab(home: str) -> Iterator[Lab]:
    with five_nodes(home, cpu_share=0.9, bandwidth="1gbit") as lab:
        yield lab


@pytest.fixture(scope="module")
def teams(lab: Lab) -> Iterator[dict[str, Team]]:
    with ExitStack() as stack:
        teams = {}
        for rung in RUNGS:
            teams[rung] = team = Team(lab, rung, SILENCE_S)
            stack.callback(team.close)
        for team in teams.values():
            team.await_nodes()
        yield teams


def test_up_on_a_lab_that_is_up_does_nothing(lab: Lab) -> None:
    before = lab.usage()
    assert lab.up(lab.plan) is False
    after = lab.usage()
    assert {n: u.commands for n, u in before.items()} == {
        n: u.commands for n, u in after.items()
    }


def test_every_node_runs_both_engines(lab: Lab) -> None:
    for used in lab.usage().values():
        assert any("raylet" in command for command in used.commands)
        assert any("minimr.core.node.main" in c for c in used.commands)


@pytest.mark.parametrize("rung", RUNGS)
def test_words_counted_over_the_network_are_exact(
    lab: Lab, teams: dict[str, Team], rung: str
) -> None:
    before = lab.usage()
    answer = count(teams[rung])
    assert answer["counts"] == EXPECTED
    after = lab.usage()
    for node, used in after.items():
        assert sent(used) > sent(before[node]), f"{node} sent nothing"
        assert used.cpu_seconds > before[node].cpu_seconds


def sent(used: Usage) -> int:
    assert used.sent_bytes is not None
    return used.sent_bytes


def count(team: Team) -> Any:
    return team.ask("tests.lab.jobs:count", ANSWER_S, texts=TEXTS)


@pytest.fixture(scope="module")
def after_kill(
    lab: Lab, teams: dict[str, Team], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    return disaster(lab, teams, tmp_path_factory.mktemp("kill"), "kill", "n5")


@pytest.fixture(scope="module")
def after_cut(
    after_kill: dict[str, Any],
    lab: Lab,
    teams: dict[str, Team],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    return disaster(lab, teams, tmp_path_factory.mktemp("cut"), "cut", "n4")


def disaster(
    lab: Lab, teams: dict[str, Team], folder: Path, verb: str, node: str
) -> dict[str, Any]:
    """Let a job of each rung be in the middle of a task in that node."""
    for rung, team in teams.items():
        (folder / rung).mkdir()
        until_stuck(team, folder / rung, node)
    getattr(lab, verb)(node)
    answers: dict[str, Any] = {}
    for rung, team in teams.items():
        try:
            answers[rung] = team.receive(ANSWER_S)
        except LabError as error:  # the test of this rung tells
            answers[rung] = error
    return answers


def until_stuck(team: Team, place: Path, node: str) -> None:
    """Begin jobs until a task of one is in that node, and stays there."""
    until = time.monotonic() + ANSWER_S
    args = {"texts": TEXTS, "folder": str(place), "node": node}
    team.send("tests.lab.jobs:count", **args)
    while not (place / "stuck").exists():
        assert time.monotonic() < until, f"no task got to {node}"
        if team.answered(0.01):  # the node got no task, or one
            check_counts(team.receive(0))
            team.send("tests.lab.jobs:count", **args)


def check_counts(answer: Any) -> None:
    if isinstance(answer, Exception):
        raise answer
    assert answer["counts"] == EXPECTED


def check(answer: Any) -> None:
    check_counts(answer)
    assert answer["reruns"] >= 1


@pytest.mark.parametrize("rung", RUNGS)
def test_a_node_that_is_killed_in_the_middle_changes_no_count(
    after_kill: dict[str, Any], rung: str
) -> None:
    check(after_kill[rung])


@pytest.mark.parametrize("rung", RUNGS)
def test_a_node_that_is_cut_off_in_the_middle_changes_no_count(
    after_cut: dict[str, Any], rung: str
) -> None:
    check(after_cut[rung])


def test_a_killed_node_comes_back_and_works(
    after_cut: dict[str, Any], lab: Lab, teams: dict[str, Team]
) -> None:
    assert lab.usage()["n5"].commands == ()
    assert sorted(lab.heal("n5")) == ["minimr", "ray"]
    team = teams["sockets"]
    team.join()
    assert count(team)["counts"] == EXPECTED
