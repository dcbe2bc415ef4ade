"""Agents on other nodes than GlobalNet: the bits are those of a for loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import minimr
from dqn.distributed.agent import Agent
from dqn.distributed.engines import Engine, open_engine
from dqn.distributed.experience import GatherExperience, Player
from dqn.distributed.sharing import AverageWeights, Sharing
from dqn.distributed.team import Team
from dqn.settings import Settings
from tests.faults.core.cluster import Nodes, T
from tests.quick_dqn import QUICK

NUM_NODES = 3
SETTINGS = replace(QUICK, num_cpus=1.0)  # an agent a node


@pytest.fixture(scope="module")
def nodes() -> Iterator[Engine]:
    """Start a head, where the driver is, and two more nodes."""
    nodes = Nodes(1, NUM_NODES)
    try:
        address = "{}:{}".format(*nodes.head)
        with open_engine("minimr", address=address) as engine:
            yield engine
    finally:
        nodes.close()


class Telling:
    """Tells where it is."""

    def node(self) -> str:
        return str(minimr.get_runtime_context().get_node_id())


class TellingAgent(Telling, Agent):
    pass


class TellingPlayer(Telling, Player):
    pass


def trained(settings: Settings, engine: Engine) -> tuple[Any, list[str]]:
    """Train; give the weights, and the node of each agent."""
    sharing: Sharing = AverageWeights(settings, TellingAgent)
    if settings.share == "experience":
        sharing = GatherExperience(settings, engine.verbs, agent=TellingPlayer)
    team = Team(sharing, *engine)
    try:
        for _ in range(4):
            team.train()
        weights = team.latest().weights
        if engine.verbs is not minimr:
            return weights, []
        where = [agent.node.remote() for agent in team._agents.values()]
        return weights, minimr.get(where, timeout=T)
    finally:
        team.close()


@pytest.mark.parametrize("share", ["weights", "experience"])
def test_agents_on_other_nodes_end_with_the_bits_of_the_serial_loop(
    share: str, nodes: Engine
) -> None:
    settings = replace(SETTINGS, share=share)
    with open_engine("serial") as engine:
        expected, _ = trained(settings, engine)
    weights, where = trained(settings, nodes)
    head = minimr.get_runtime_context().get_node_id()
    assert len({head, *where}) == NUM_NODES
    assert weights.keys() == expected.keys()
    for name, array in weights.items():
        assert array.tobytes() == expected[name].tobytes(), name
