"""What agents share in a round, and who does what for it.

    Team: begin_round ─> references to the progress of each agent
          end_round   ─> what GlobalNet has done meanwhile

A team has one way to share. `AverageWeights` is here; `GatherExperience`,
where the agents only play, is in `experience_team.py`.
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
        settings: of the run, as this way needs them.
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
            steps: what all agents have made until now.
        """

    def end_round(
        self, whole: Progress, dead: Collection[int], global_net: Any
    ) -> Progress:
        """Return what GlobalNet has done in the round.

        Blocks: until it has.

        Args:
            whole: what the agents have done.
            dead: the agents that have died in it.
            global_net: the actor.

        Raises:
            RayActorError: of the engine; GlobalNet has died.
        """

    def global_net_replaced(
        self, global_net: Any, server: ParameterServer
    ) -> None:
        """Give a new GlobalNet what the dead one had."""


class AverageWeights:
    """Each agent learns; the server averages what they push.

    Args:
        settings: what to do.
        agent: the class of the agents.
        global_net: the class of what tests the average.
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
        """Let every agent train."""
        return {i: agent.train.remote(steps) for i, agent in agents.items()}

    def end_round(
        self, whole: Progress, dead: Collection[int], global_net: Any
    ) -> Progress:
        """Return nothing: GlobalNet only tests."""
        return Progress()

    def global_net_replaced(
        self, global_net: Any, server: ParameterServer
    ) -> None:
        """Do nothing: the server has all that it needs."""
