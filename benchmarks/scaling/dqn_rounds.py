"""Rounds of DQN, on any engine with actors: an agent a node, its own too.

    driver: EvenTeam ──> agent 0 in n1, agent 1 in n2, ...
    each:   pull ─> play and learn, a part of the same whole ─> push

Rules:

1. N agents take an N-th of the steps in lockstep each, so the steps and
   the updates of a round are those of one agent, within a few.
2. The clock runs while agents train. Actors that start, load torch and
   train a first round are before it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from dqn.agent import Agent
from dqn.placement import Placement
from dqn.settings import Settings
from dqn.team import Team
from minimr.engines import VERBS
from minimr.interface import MapReduce
from ray_impl.parameter_server import ParameterServer

ENVIRONMENTS = 8  # that an agent steps together
TIMEOUT_S = 60.0


class StandingAgent(Agent):
    """An agent that can tell where it stands."""

    def node(self, verbs: str) -> str:
        """Give the id of its node, from the engine itself."""
        return str(import_module(verbs).get_runtime_context().get_node_id())


class EvenTeam(Team):
    """A team with agents on all nodes, also on the driver's.

    Runs in: the driver. The arguments are those of `Team`.
    """

    def standing(self) -> int:
        """Count the nodes that agents stand on. Blocks: for their answer."""
        name = self._verbs.__name__
        asked = [a.node.remote(name) for a in self._agents.values()]
        return len(set(self._verbs.get(asked)))

    def pushes(self) -> int:
        """Tell how many pushes the parameter server has counted."""
        return self._server.stats().pushes

    def _agent_class(self) -> type:
        return StandingAgent

    def _place(self) -> Placement:
        # What `Team` leaves free for GlobalNet would be idle: it only tests.
        nodes = [n["NodeID"] for n in self._verbs.nodes() if n["Alive"]]
        number, cpus = self._settings.num_agents, self._settings.num_cpus
        agents = tuple(nodes[i % len(nodes)] for i in range(number))
        return replace(super()._place(), agents=agents, num_cpus=cpus)


def train(
    engine: MapReduce, agents: int, rounds: int, steps: int
) -> dict[str, Any]:
    """Train with an agent a node; `steps` in a round, of all of them."""
    verbs = import_module(VERBS.get(engine.name, engine.name))
    settings = Settings(
        num_agents=agents,
        num_steps_agents_train=steps // (agents * ENVIRONMENTS),
        num_cpus=1.0,  # all that a node has: two agents do not fit
        num_envs=ENVIRONMENTS,
        learning_starts=1,  # or more agents would learn later
        share="weights",
    )
    server = partial(ParameterServer, api=verbs, timeout_s=TIMEOUT_S)
    start = time.perf_counter()
    team = EvenTeam(settings, verbs, server)
    try:
        nodes = team.standing()
        team.train()  # torch has something to load at the first update
        startup = time.perf_counter() - start
        start, used = time.perf_counter(), time.process_time()
        updates = sum(team.train().updates for _ in range(rounds))
        return {
            "seconds": time.perf_counter() - start,
            "driver_cpu_seconds": time.process_time() - used,
            "check": {
                "nodes": nodes,
                "rounds": team.rounds,
                "steps": team.steps,
                "pushes": team.pushes(),
            },
            "updates": updates,
            "startup_seconds": startup,
        }
    finally:
        team.close()
