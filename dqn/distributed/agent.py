"""An actor: one of the agents that train side by side.

    parameter server ── pull ──> the weights of all
                                    └─> train one round alone ── push ──┐
    parameter server <──────────────────────────────────────────────────┘

Agents share weights only, through the server: each has its own environments,
replay buffer and random numbers.
"""

from __future__ import annotations

from dqn.algorithm.trainer import Progress, Trainer
from dqn.settings import Settings
from minimr.interface.parameter_server import ParameterServer


class Agent:
    """Trains on its own between two synchronisations.

    Runs in: an actor of any engine.

    Args:
        settings: of the run.
        agent_id: its number, also as a worker of the server.
        server: a client of the parameter server.
        generation: how many agents of this number have died before it.
    """

    def __init__(
        self,
        settings: Settings,
        agent_id: int,
        server: ParameterServer,
        generation: int = 0,
    ) -> None:
        self._agent_id = agent_id
        self._server = server
        self._trainer = Trainer(
            settings, (agent_id, generation), settings.num_agents
        )
        self._is_new = True

    def ready(self) -> None:
        """Return once the actor has started."""

    def train(self, steps_before: int) -> Progress:
        """Pull the average weights, train one round, push the new weights.

        Blocks: for the round, and for any agent that is a round behind.

        Args:
            steps_before: of all agents until now.
        """
        self._trainer.dqn.load(self._server.pull(self._agent_id))
        if self._is_new:
            self._trainer.dqn.copy_to_target()
            self._is_new = False
        progress = self._trainer.train(steps_before)
        self._server.push(self._agent_id, self._trainer.dqn.weights())
        return progress
