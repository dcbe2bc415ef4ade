"""Rounds of DQN, on any engine with actors: one agent per node.

    driver: EvenTeam ──> agent 0 in n1, agent 1 in n2, ...
    each:   pull ─> play and learn, a part of the same whole ─> push

Rules:

1. Each of N agents takes an N-th of the steps in lockstep. So the steps and
   the updates of a round are those of one agent, give or take a few.
2. The clock runs while agents train. The team lives from `begin` to `end`:
   actors take far longer to load torch than to train.
3. For the same reason a dead agent is not replaced: the others make rounds
   until all steps are made.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from dqn.algorithm.trainer import Progress
from dqn.distributed.agent import Agent
from dqn.distributed.placement import Place, Placement, place
from dqn.distributed.sharing import AverageWeights
from dqn.distributed.team import Team
from dqn.settings import Settings
from minimr.interface.mapreduce import MapReduce
from minimr.ladder import verbs_of
from ray_impl.parameter_server import ParameterServer

ENVIRONMENTS = 8  # that an agent steps together
TIMEOUT_S = 60.0


class Nobody:
    """In place of GlobalNet, which only tests: this loads no torch."""

    def __init__(self, *settings: Any) -> None:
        pass

    def ready(self) -> None:
        """Return once the actor has started."""


class StandingAgent(Agent):
    """An agent that knows its node."""

    def node(self, verbs: str) -> str:
        """Return the id of its node, by the engine."""
        return str(import_module(verbs).get_runtime_context().get_node_id())


class EvenTeam(Team):
    """A team in which a dead agent is not replaced.

    Runs in: the driver. The arguments are those of `Team`.

    Attributes:
        lost: how many agents have died.
        due: how many pushes the agents have reported.
    """

    lost = due = 0

    def train(self) -> Progress:
        """Train for one round, as `Team.train`."""
        progress = super().train()
        self.due += len(self._agents)  # without those that have died
        return progress

    def standing(self) -> int:
        """Return how many nodes have agents. Blocks: for their answer."""
        name = self._verbs.__name__
        asked = [a.node.remote(name) for a in self._agents.values()]
        return len(set(self._verbs.get(asked)))

    def odd_pushes(self) -> int:
        """Return how many pushes are missing or extra. Blocks: for one ask."""
        more = self._server.stats().pushes - self.due
        return more if more < 0 else max(0, more - self.lost)

    def _replace_agent(self, agent_id: int) -> None:
        del self._agents[agent_id]
        self.lost += 1


_teams: dict[tuple[int, int], EvenTeam] = {}  # {(agents, steps): its team}


def begin(engine: MapReduce, agents: int, rounds: int, steps: int) -> None:
    """Start a team, unless it runs. Blocks: until every actor has started."""
    if (agents, steps) not in _teams:
        _teams[agents, steps] = _start(engine, agents, steps)


def train(
    engine: MapReduce, agents: int, rounds: int, steps: int
) -> dict[str, Any]:
    """Train with one agent per node; `steps` per round, of all agents."""
    begin(engine, agents, rounds, steps)
    team = _teams[agents, steps]
    nodes, before, updates = team.standing(), team.steps, 0
    start, used = time.perf_counter(), time.process_time()
    while team.steps < before + rounds * steps:
        updates += team.train().updates
    seconds = time.perf_counter() - start
    used = time.process_time() - used
    made = min(team.steps - before, rounds * steps)
    odd = team.odd_pushes()
    return {
        "seconds": seconds,
        "driver_cpu_seconds": used,
        "check": {"nodes": nodes, "steps": made, "odd_pushes": odd},
        "updates": updates,
        "reruns": team.lost,
    }


def end(engine: MapReduce) -> None:
    """End the actors: they hold CPUs that others wait for."""
    while _teams:
        _teams.popitem()[1].close()


def _start(engine: MapReduce, agents: int, steps: int) -> EvenTeam:
    verbs = verbs_of(engine)
    settings = Settings(
        num_agents=agents,
        num_steps_agents_train=steps // (agents * ENVIRONMENTS),
        num_cpus=0.5,
        num_envs=ENVIRONMENTS,
        learning_starts=1,  # else more agents would start to learn later
        share="weights",
    )
    server = partial(ParameterServer, api=verbs, timeout_s=TIMEOUT_S)
    return EvenTeam(
        AverageWeights(settings, StandingAgent, Nobody),
        verbs,
        server,
        placement=_evenly(settings, verbs),
    )


def _evenly(settings: Settings, verbs: Any) -> Placement:
    """Return a placement on all nodes, the driver's included.

    The head, which `place` leaves to GlobalNet, would be idle.
    """
    nodes = [node["NodeID"] for node in verbs.nodes() if node["Alive"]]
    number, cpus = settings.num_agents, settings.num_cpus
    agents = tuple(Place(nodes[i % len(nodes)], cpus) for i in range(number))
    return replace(place(verbs, number, cpus), agents=agents)
