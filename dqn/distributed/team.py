"""The distributed control loop: one GlobalNet, N agents, round after round.

    driver                  │ actors                    │ parameter server
    [1] train.remote() ─────┼─> agents: pull, train, ───┼─> the average of
        get: the progress <─┼── push                    │   the round
    [2] the dead are left   │                           │
        out and replaced ───┼─> new Agent               │ leave, join
    [3] test.remote() ──────┼─> GlobalNet: pull, play <─┼── the weights

Rules:

1. It runs on any module that has Ray's verbs. With the same settings and seed
   the weights are the same to the last bit on every engine: no random number
   and no sum depends on which process is faster.
2. A round is over when every worker has pushed or is dead. So `push` and
   `pull` never wait for long, and an engine may run the agents one after
   another.
3. An agent that dies costs its share of one round, and so does one whose
   connection to the parameter server breaks. Its replacement has the average
   weights, an empty buffer, and other random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dqn.algorithm.network import Weights
from dqn.algorithm.trainer import Progress, Trainer
from dqn.distributed.placement import (
    Place,
    Placement,
    place,
    place_again,
    strategy,
)
from dqn.distributed.sharing import Sharing
from dqn.errors import DQNError
from dqn.runs.checkpoint import Latest
from dqn.settings import Settings
from minimr.interface.parameter_server import (
    ParameterServer,
    ParameterServerError,
)

MAX_LOST_ROUNDS = 3  # in a row, in which all agents have died


# Starts the parameter server of an engine, for this many workers.
MakeServer = Callable[[Weights, int], ParameterServer]


class Team:
    """Trains one network by several agents.

    Runs in: the driver.
    Blocks: until every actor has started.

    Args:
        sharing: the settings, and what the agents share.
        verbs: the module of the engine: `ray`, `minimr`,
            `dqn.distributed.serial_verbs`.
        make_server: starts its parameter server.
        latest: where to continue; None: from the beginning.
        tell: called with a line for the user now and then.
        placement: where the actors go; None: as `place` decides.

    Raises:
        DQNError: the environment cannot be made.
    """

    def __init__(
        self,
        sharing: Sharing,
        verbs: Any,
        make_server: MakeServer,
        latest: Latest | None = None,
        tell: Callable[[str], None] = lambda line: None,
        placement: Placement | None = None,
    ) -> None:
        self._sharing, self._verbs, self._tell = sharing, verbs, tell
        self._settings = settings = sharing.settings
        weights = first_weights(settings) if latest is None else latest.weights
        self.steps = 0 if latest is None else latest.steps
        self.rounds = 0 if latest is None else latest.rounds
        self._lost_rounds = 0
        self._placement = placement or place(
            verbs, settings.num_agents, settings.num_cpus
        )
        if self._placement.note:
            tell(self._placement.note)
        self._server = make_server(weights, sharing.num_workers)
        self._global_net = self._new_global_net()
        self._generations = dict.fromkeys(range(settings.num_agents), 0)
        self._agents = {i: self._new_agent(i) for i in self._generations}
        actors = [self._global_net, *self._agents.values()]
        verbs.get([actor.ready.remote() for actor in actors])

    def train(self) -> Progress:
        """Train for one round.

        Blocks: until every agent and GlobalNet have done their part, or are
        dead.

        Raises:
            DQNError: all agents died in three rounds in a row.
            ParameterServerError: the parameter server is gone.
        """
        # [1] every agent trains, and pushes
        refs = self._sharing.begin_round(
            self._agents, self._global_net, self.steps
        )
        whole, dead = Progress(), {}
        for agent_id, ref in refs.items():
            try:
                whole += self._verbs.get(ref)
            except self._verbs.exceptions.RayActorError:
                dead[agent_id] = "has died"
            except ParameterServerError:  # if it is gone: `leave` says so
                dead[agent_id] = "was cut off from the parameter server"
            if agent_id in dead:
                self._server.leave(agent_id)  # the round goes on without it
        # [2] dead agents are replaced
        self._lost_rounds += 1
        if len(dead) < len(refs):
            self._lost_rounds = 0
        if self._lost_rounds == MAX_LOST_ROUNDS:
            raise DQNError("every agent dies, however often it is replaced")
        for agent_id, how in dead.items():
            self._tell(f"agent {agent_id} {how} and is replaced")
            self._replace_agent(agent_id)
        try:
            whole += self._sharing.end_round(whole, dead, self._global_net)
        except self._verbs.exceptions.RayActorError:
            self._replace_global_net()
        self.steps += whole.steps
        self.rounds += 1
        return whole

    def test(self) -> float:
        """[3] Return GlobalNet's average score in the test games.

        Blocks: until they are played.
        """
        try:
            return float(self._verbs.get(self._global_net.test.remote()))
        except self._verbs.exceptions.RayActorError:
            self._replace_global_net()
            return float(self._verbs.get(self._global_net.test.remote()))

    def latest(self) -> Latest:
        """Return the state of the training. Blocks: for one pull."""
        return Latest(self._server.pull(), self.rounds, self.steps)

    def close(self) -> None:
        """End the actors and the server."""
        for actor in (*self._agents.values(), self._global_net):
            self._verbs.kill(actor)
        self._server.close()

    def _new_global_net(self) -> Any:
        cls, head = self._sharing.global_net, Place(self._placement.head, 0)
        return self._actor(cls, head).remote(self._settings, self._server)

    def _new_agent(self, agent_id: int) -> Any:
        place = self._placement.agents[agent_id]
        return self._actor(self._sharing.agent, place).remote(
            self._settings,
            agent_id,
            self._server,
            self._generations[agent_id],
        )

    def _replace_global_net(self) -> None:
        self._tell("GlobalNet has died and is replaced")
        self._global_net = self._new_global_net()
        self._sharing.global_net_replaced(self._global_net, self._server)

    def _replace_agent(self, agent_id: int) -> None:
        self._verbs.kill(self._agents[agent_id])
        self._generations[agent_id] += 1
        self._placement = place_again(self._verbs, self._placement, agent_id)
        if self._placement.note:
            self._tell(self._placement.note)
        self._agents[agent_id] = self._new_agent(agent_id)
        self._server.join(agent_id)

    def _actor(self, cls: type, place: Place) -> Any:
        return self._verbs.remote(cls).options(
            num_cpus=place.num_cpus,
            scheduling_strategy=strategy(self._verbs, place),
        )


def first_weights(settings: Settings) -> Weights:
    """Return the weights that every agent begins with."""
    trainer = Trainer(settings)
    try:
        return {n: array.copy() for n, array in trainer.dqn.weights().items()}
    finally:
        trainer.close()
