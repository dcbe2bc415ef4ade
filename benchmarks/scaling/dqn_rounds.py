"""Rounds of DQN, on any engine with actors: an agent a node, its own too.

    driver: EvenTeam ──> agent 0 in n1, agent 1 in n2, ...
    each:   pull ─> play and learn, a part of the same whole ─> push

Rules:

1. N agents take an N-th of the steps in lockstep each, so the steps and
   the updates of a round are those of one agent, within a few.
2. The clock runs while agents train. The team stays from one call to the
   next, until `end`: actors take far longer to load torch than to train.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.scaling.jobs import Check
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

    def counts(self) -> Check:
        """Count what there was until now. Blocks: for the server."""
        pushes = self._server.stats().pushes
        return {"rounds": self.rounds, "steps": self.steps, "pushes": pushes}

    def _agent_class(self) -> type:
        return StandingAgent

    def _place(self) -> Placement:
        # What `Team` leaves free for GlobalNet would be idle: it only tests.
        nodes = [n["NodeID"] for n in self._verbs.nodes() if n["Alive"]]
        number, cpus = self._settings.num_agents, self._settings.num_cpus
        agents = tuple(nodes[i % len(nodes)] for i in range(number))
        return replace(super()._place(), agents=agents, num_cpus=cpus)


_teams: dict[tuple[int, int], EvenTeam] = {}  # {(agents, steps): its team}


def train(
    engine: MapReduce, agents: int, rounds: int, steps: int
) -> dict[str, Any]:
    """Train with an agent a node; `steps` in a round, of all of them."""
    if (agents, steps) not in _teams:
        _teams[agents, steps] = _start(engine, agents, steps)
    team = _teams[agents, steps]
    nodes, before = team.standing(), team.counts()
    start, used = time.perf_counter(), time.process_time()
    updates = sum(team.train().updates for _ in range(rounds))
    seconds = time.perf_counter() - start
    used = time.process_time() - used
    after = team.counts()
    made = {name: after[name] - before[name] for name in after}
    return {
        "seconds": seconds,
        "driver_cpu_seconds": used,
        "check": {"nodes": nodes, **made},
        "updates": updates,
    }


def end(engine: MapReduce) -> None:
    """End the actors, which others would wait for."""
    while _teams:
        _teams.popitem()[1].close()


def _start(engine: MapReduce, agents: int, steps: int) -> EvenTeam:
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
    return EvenTeam(settings, verbs, server)
