"""Who is asked for what in a round, by actors that write it down."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dqn.algorithm.trainer import Progress
from dqn.distributed import serial_verbs as verbs
from dqn.distributed.experience import GatherExperience
from tests.quick_dqn import QUICK

NUM_AGENTS = 2
SETTINGS = replace(
    QUICK, share="experience", num_agents=NUM_AGENTS, buffer_size=100
)


class FakePlayer:
    def __init__(self, name: str, heard: list[str]) -> None:
        self.name, self.heard = name, heard

    def give_way(self, driver: int) -> None:
        self.heard.append(f"{self.name} gives way")

    def play(self, steps_before: int) -> str:
        return f"{self.name} at {steps_before}"

    def progress(self) -> Progress:
        return Progress(steps=30)


class FakeNet:
    def __init__(self, heard: list[str], fails: list[Exception]) -> None:
        self.heard, self.fails = heard, fails

    def learn(self, *lived: str) -> Progress:
        self.heard.append(f"learn {list(lived)}")
        if self.fails:
            raise self.fails.pop(0)
        return Progress(updates=1)

    def remember(self, *lived: str) -> None:
        self.heard.append(f"remember {list(lived)}")


class FakeServer:
    def __init__(self, heard: list[str]) -> None:
        self.heard = heard

    def leave(self, worker: int) -> None:
        self.heard.append(f"worker {worker} leaves")

    def join(self, worker: int) -> None:
        self.heard.append(f"worker {worker} joins")


class Scene:
    """A way to share, among actors that are fakes."""

    def __init__(self, fails: list[Exception] | None = None) -> None:
        self.heard: list[str] = []
        self.sharing = GatherExperience(SETTINGS, verbs, self.heard.append)
        self.agents = {i: self.player(str(i)) for i in range(NUM_AGENTS)}
        self.net = verbs.remote(FakeNet).remote(self.heard, fails or [])

    def player(self, name: str) -> Any:
        return verbs.remote(FakePlayer).remote(name, self.heard)

    def round(self, steps: int, dead: tuple[int, ...] = ()) -> Progress:
        """Run a round; return what GlobalNet has learned in it."""
        self.sharing.begin_round(self.agents, self.net, steps)
        return self.sharing.end_round(Progress(60), dead, self.net)

    def take_heard(self) -> list[str]:
        heard, self.heard[:] = list(self.heard), []
        return heard


def test_what_was_lived_in_a_round_is_learned_in_the_next() -> None:
    scene = Scene()
    assert scene.round(0) == Progress(updates=1)
    assert scene.take_heard() == ["learn []", "0 gives way", "1 gives way"]
    scene.round(60)
    assert scene.take_heard() == ["learn ['0 at 0', '1 at 0']"]


def test_nothing_is_learned_of_an_agent_that_died_and_its_heir_gives_way() -> (
    None
):
    scene = Scene()
    scene.round(0, dead=(1,))
    scene.agents[1] = scene.player("heir")
    scene.take_heard()
    scene.round(30)
    assert scene.take_heard() == ["learn ['0 at 0']", "heir gives way"]
    scene.round(90)
    assert scene.take_heard() == ["learn ['0 at 30', 'heir at 30']"]


def test_a_new_global_net_gets_as_much_as_its_buffer_holds() -> None:
    scene = Scene()
    for number in range(4):  # of 60 steps; the buffer holds 100
        scene.round(60 * number)
    scene.take_heard()
    scene.sharing.global_net_replaced(scene.net, FakeServer(scene.heard))
    assert scene.take_heard() == [
        "worker 2 leaves",
        "worker 2 joins",
        "remember ['0 at 60', '1 at 60']",
        "remember ['0 at 120', '1 at 120']",
    ]


def test_a_round_whose_experience_is_lost_is_learned_without_it() -> None:
    scene = Scene([verbs.ObjectLostError()])
    assert scene.round(0) == Progress(updates=1)
    lost = "the transitions of an agent are lost with its node"
    assert scene.take_heard()[-2:] == [lost, "learn []"]


@pytest.mark.parametrize("before", [[], [verbs.ObjectLostError()]])
def test_a_global_net_that_dies_is_an_error_of_the_round(
    before: list[Exception],
) -> None:
    scene = Scene([*before, verbs.RayActorError()])
    with pytest.raises(verbs.RayActorError):
        scene.round(0)
