"""The distributed control loop: one GlobalNet, N agents, round after round.

    driver                  │ actors                    │ parameter server
    [1] train.remote() ─────┼─> agents: pull, train, ───┼─> the average of
        get: the progress <─┼── push                    │   the round
    [2] who died is left    │                           │
        out and replaced ───┼─> new Agent               │ leave, join
    [3] test.remote() ──────┼─> GlobalNet: pull, play <─┼── the weights

Rules:

1. It runs on any module that has Ray's verbs. Same settings and seed: the
   same weights, to the last bit, on every engine, for no random number and
   no sum depends on who is faster.
2. A round is over when every worker has pushed or is dead: so a `push` and a
   `pull` never wait for long, and an engine may run the agents one after
   the other.
3. An agent that dies costs its share of one round. Its replacement has the
   weights of all, a buffer of its own to fill, and other random numbers.
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
from minimr.interface.parameter_server import ParameterServer

MAX_LOST_ROUNDS = 3  # in a row, with not one agent left alive


# Starts the parameter server that belongs to an engine, for so many workers.
MakeServer = Callable[[Weights, int], ParameterServer]


class Team:
    """Trains one network by several agents.

    Runs in: the driver.
    Blocks: until every actor has started.

    Args:
        sharing: what to do, and what the agents share.
        verbs: the module of the engine: `ray`, `minimr`,
            `dqn.distributed.serial_verbs`.
        make_server: starts its parameter server.
        latest: where to go on.
        tell: takes a line for the user now and then.
        placement: where the actors go; None: where `place` says.

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
            DQNError: the agents die as fast as they are replaced.
        """
        # [1] every agent trains, and pushes
        refs = self._sharing.begin_round(
            self._agents, self._global_net, self.steps
        )
        whole, dead = Progress(), []
        for agent_id, ref in refs.items():
            try:
                whole += self._verbs.get(ref)
            except self._verbs.exceptions.RayActorError:
                dead.append(agent_id)
                self._server.leave(agent_id)  # the round goes on without it
        # [2] who has died is replaced
        self._lost_rounds += 1
        if len(dead) < len(refs):
            self._lost_rounds = 0
        if self._lost_rounds == MAX_LOST_ROUNDS:
            raise DQNError("every agent dies, however often it is replaced")
        for agent_id in dead:
            self._replace_agent(agent_id)
        try:
            whole += self._sharing.end_round(whole, dead, self._global_net)
        except self._verbs.exceptions.RayActorError:
            self._replace_global_net()
        self.steps += whole.steps
        self.rounds += 1
        return whole

    def test(self) -> float:
        """[3] Let GlobalNet play the test games; give the average score.

        Blocks: until they are played.
        """
        try:
            return float(self._verbs.get(self._global_net.test.remote()))
        except self._verbs.exceptions.RayActorError:
            self._replace_global_net()
            return float(self._verbs.get(self._global_net.test.remote()))

    def latest(self) -> Latest:
        """Give where the training is. Blocks: for one pull."""
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
        self._tell("GlobalNet has died: another one takes its place")
        self._global_net = self._new_global_net()
        self._sharing.global_net_replaced(self._global_net, self._server)

    def _replace_agent(self, agent_id: int) -> None:
        self._tell(f"agent {agent_id} has died: another one takes its place")
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
    """Draw the weights that every agent begins with."""
    trainer = Trainer(settings)
    try:
        return {n: array.copy() for n, array in trainer.dqn.weights().items()}
    finally:
        trainer.close()
