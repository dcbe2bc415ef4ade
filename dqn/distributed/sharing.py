"""The ways to share in a round: what agents and GlobalNet do in each.

    Team: begin_round ─> references to the progress of each agent
          end_round   ─> what GlobalNet has done meanwhile

A team has one way to share. `AverageWeights` is here; `GatherExperience`,
where the agents only play, is in `experience.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from dqn.algorithm.trainer import Progress
from dqn.distributed.agent import Agent
from dqn.distributed.global_net import GlobalNet
from dqn.settings import Settings
from minimr.interface.parameter_server import ParameterServer


class Sharing(Protocol):
    """A way to share. Runs in: the driver.

    Attributes:
        settings: of the run, adapted to this way.
        agent: the class of the actors that play.
        global_net: the class of the actor that tests.
        num_workers: how many push in a round of the parameter server.
    """

    settings: Settings
    agent: type
    global_net: type
    num_workers: int

    def begin_round(
        self, agents: Mapping[int, Any], global_net: Any, steps: int
    ) -> dict[int, Any]:
        """Start every actor; return references to the agents' progress.

        Args:
            agents: by their numbers.
            global_net: the actor.
            steps: of all agents until now.
        """

    def end_round(
        self, whole: Progress, dead: Collection[int], global_net: Any
    ) -> Progress:
        """Return what GlobalNet has done in the round.

        Blocks: until it has.

        Args:
            whole: what the agents have done.
            dead: the agents that have died in the round.
            global_net: the actor.

        Raises:
            RayActorError: the engine's; GlobalNet has died.
        """

    def global_net_replaced(
        self, global_net: Any, server: ParameterServer
    ) -> None:
        """Bring a new GlobalNet to the state of the dead one."""


class AverageWeights:
    """Each agent learns; the server averages what they push.

    Args:
        settings: of the run.
        agent: the class of the agents.
        global_net: the class of the actor that tests the average.
    """

    def __init__(
        self,
        settings: Settings,
        agent: type = Agent,
        global_net: type = GlobalNet,
    ) -> None:
        self.settings = settings
        self.agent, self.global_net = agent, global_net
        self.num_workers = settings.num_agents

    def begin_round(
        self, agents: Mapping[int, Any], global_net: Any, steps: int
    ) -> dict[int, Any]:
        """Start a round of every agent."""
        return {i: agent.train.remote(steps) for i, agent in agents.items()}

    def end_round(
        self, whole: Progress, dead: Collection[int], global_net: Any
    ) -> Progress:
        """Return no progress: GlobalNet only tests."""
        return Progress()

    def global_net_replaced(
        self, global_net: Any, server: ParameterServer
    ) -> None:
        """Do nothing: the server has all that it needs."""
