"""The distributed DQN: one control loop, and on every engine the same bits."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqn.distributed.agent import Agent
from dqn.distributed.engines import ENGINES, Engine, open_engine
from dqn.distributed.experience import make_team
from dqn.distributed.sharing import AverageWeights
from dqn.distributed.team import MAX_LOST_ROUNDS, Team
from dqn.errors import DQNError
from dqn.settings import SHARE, Settings
from minimr.ladder import LADDER
from tests.quick_dqn import QUICK


@pytest.fixture(scope="session", params=ENGINES)
def dqn_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    pytest.importorskip(LADDER[request.param].verbs or "dqn")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    with open_engine(request.param, num_cpus=2) as engine:
        yield engine


on_processes = pytest.mark.parametrize(
    "dqn_engine", ["minimr", "ray"], indirect=True
)


@contextmanager
def team_of(
    settings: Settings,
    engine: Engine,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[Team]:
    team = make_team(settings, *engine, tell=tell)
    try:
        yield team
    finally:
        team.close()


def train(settings: Settings, engine: Engine, rounds: int = 4) -> Any:
    """Train; give the weights, and what a test of them says."""
    with team_of(settings, engine) as team:
        for _ in range(rounds):
            team.train()
        return team.latest().weights, team.test()


def on_serial(settings: Settings, rounds: int = 4) -> Any:
    with open_engine("serial") as engine:
        return train(settings, engine, rounds)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"num_agents": 4, "num_epochs_agents_train": 3},
        {"share": "experience"},
    ],
    ids=["two agents", "four agents, rounds of games", "experience"],
)
def test_equal_seeds_end_with_the_bits_of_the_serial_loop(
    change: dict[str, Any], dqn_engine: Engine
) -> None:
    settings = replace(QUICK, **change)
    expected, expected_score = on_serial(settings)
    weights, score = train(settings, dqn_engine)
    assert weights.keys() == expected.keys()
    for name, array in weights.items():
        assert array.tobytes() == expected[name].tobytes(), name
    assert score == expected_score


@pytest.mark.parametrize("change", [{"seed": 1}, {"average_optimizer": False}])
def test_other_settings_end_elsewhere(change: dict[str, Any]) -> None:
    weights, _ = on_serial(replace(QUICK, **change))
    expected, _ = on_serial(QUICK)
    assert not np.array_equal(
        weights["q_network.layers.0.weight"],
        expected["q_network.layers.0.weight"],
    )


def test_the_average_is_the_average() -> None:
    pushed: list[dict[str, Any]] = []

    with open_engine("serial") as engine, team_of(QUICK, engine) as team:
        server = team._server
        push = server.push

        def spy(worker: int, update: dict[str, Any]) -> None:
            pushed.append({name: a.copy() for name, a in update.items()})
            push(worker, update)

        server.push = spy  # type: ignore[method-assign]
        for _ in range(3):
            pushed.clear()
            team.train()
            first, second = pushed
            for name, array in team.latest().weights.items():
                mean = (first[name] + second[name]) / 2
                assert np.array_equal(array, mean), name
                assert name.startswith("q_net") is not ("adam" in name)
    assert not np.array_equal(
        first["q_network.layers.0.bias"], second["q_network.layers.0.bias"]
    )


def test_a_resumed_team_goes_on_from_the_weights() -> None:
    with open_engine("serial") as engine:
        with team_of(QUICK, engine) as team:
            team.train()
            latest = team.latest()
        team = make_team(QUICK, *engine, latest)
        for name, array in team.latest().weights.items():
            assert np.array_equal(array, latest.weights[name]), name
        team.train()
        assert (team.rounds, team.steps) == (2, 2 * latest.steps)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> None:
    """Take the place of the check of other tests.

    The cluster replaces the workers that a test has killed.
    """


def kill(verbs: Any, actor: Any) -> None:
    """End an actor, and wait until it answers no more."""

    def ask_until_it_is_dead() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            verbs.get(actor.ready.remote())

    verbs.kill(actor)
    with pytest.raises(verbs.exceptions.RayActorError):
        ask_until_it_is_dead()


@pytest.mark.parametrize("share", SHARE)
def test_whoever_was_killed_is_replaced(
    share: str, dqn_engine: Engine
) -> None:
    lines: list[str] = []
    settings = replace(QUICK, share=share)
    with team_of(settings, dqn_engine, lines.append) as team:
        whole = team.train().steps
        score = team.test()
        kill(dqn_engine.verbs, team._agents[1])
        kill(dqn_engine.verbs, team._global_net)
        assert team.test() == score
        layer = "q_network.layers.0.weight"
        before = team.latest().weights[layer]
        assert team.train().steps == whole // 2
        # the round was over without the one that is dead
        assert not np.array_equal(before, team.latest().weights[layer])
        assert lines[-1].startswith("agent 1 has died")
        assert team.train().steps == whole
        assert team.rounds == 3


def test_a_new_global_net_has_what_the_dead_one_remembered(
    dqn_engine: Engine,
) -> None:
    per_round = QUICK.num_envs * QUICK.num_steps_agents_train
    # too much for one round
    settings = replace(
        QUICK, share="experience", learning_starts=2 * per_round
    )
    with team_of(settings, dqn_engine) as team:
        for _ in range(4):
            updates = team.train().updates
        assert updates > 0
        kill(dqn_engine.verbs, team._global_net)
        team.test()  # finds out
        assert team.train().updates == updates
        kill(dqn_engine.verbs, team._global_net)
        assert team.train().updates == 0
        assert team.train().updates == updates


@pytest.mark.parametrize("share", SHARE)
def test_whoever_was_cut_off_from_the_server_is_replaced(
    share: str, dqn_engine: Engine
) -> None:
    lines: list[str] = []
    settings = replace(QUICK, share=share)
    with team_of(settings, dqn_engine, lines.append) as team:
        whole = team.train().steps
        team._server.leave(1)  # as when its connection ends
        assert team.train().steps == whole // 2
        assert lines[-1].startswith("agent 1 was cut off")
        assert team.train().steps == whole


class Mortal(Agent):
    """Dies in the middle of a round when a file is there to be taken."""

    will = ""

    def train(self, steps_before: int) -> Any:
        progress = self._trainer.train(steps_before)
        try:
            os.unlink(self.will)
        except FileNotFoundError:
            return super().train(steps_before)
        os.kill(os.getpid(), signal.SIGKILL)
        return progress


@on_processes
def test_who_dies_in_mid_round_is_replaced_and_the_round_goes_on(
    dqn_engine: Engine, tmp_path: Path
) -> None:
    class Fatal(Mortal):
        will = str(tmp_path / "will")

    lines: list[str] = []
    team = Team(AverageWeights(QUICK, Fatal), *dqn_engine, tell=lines.append)
    try:
        whole = team.train().steps
        before = team.latest().weights["q_network.layers.0.weight"]
        Path(Fatal.will).touch()
        assert team.train().steps == whole // 2
        assert "has died" in lines[-1]
        after = team.latest().weights["q_network.layers.0.weight"]
        assert not np.array_equal(before, after)
        assert team.train().steps == whole
    finally:
        team.close()


def test_agents_that_always_die_end_the_run() -> None:
    with open_engine("serial") as engine, team_of(QUICK, engine) as team:
        for rounds in range(MAX_LOST_ROUNDS):
            for agent in team._agents.values():
                engine.verbs.kill(agent)
            if rounds < MAX_LOST_ROUNDS - 1:
                assert team.train().steps == 0
        with pytest.raises(DQNError, match="dies"):
            team.train()


def test_an_environment_that_is_not_there_fails_before_any_actor(
    dqn_engine: Engine,
) -> None:
    with pytest.raises(DQNError, match="Nope"):
        make_team(replace(QUICK, environment="Nope-v0"), *dqn_engine)
