"""The other way to share: agents play, GlobalNet learns from all games.

    round r   agent 0 ── plays by the weights of round r-1 ──┐
              agent 1 ── the same ───────────────────────────┤
              GlobalNet ─ learns from the games of r-1       │ references
    round r+1 GlobalNet ─ learns from  <─────────────────────┘

Rules:

1. All work at the same time, a round apart: one core plays while another
   learns. (Nair et al., "Massively Parallel Methods for Deep RL", 2015.)
2. Transitions go from an agent to GlobalNet as an object of the engine; the
   driver only has the reference.
3. GlobalNet is a worker of the parameter server like the agents, and the
   only one that pushes weights. The agents push nothing, but the new weights
   appear only when all have pushed. So the weights that an agent plays by
   never depend on which process is faster.
4. If cores are scarce, the learner has priority: only GlobalNet is on the
   critical path of a round.
5. The driver holds the references of the newest rounds, so that a new
   GlobalNet can get the replay buffer of a dead one.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dqn.algorithm.dqn import DQN, layers_of
from dqn.algorithm.environment import Floats, shape_of
from dqn.algorithm.evaluation import Examiner
from dqn.algorithm.explorer import Explorer
from dqn.algorithm.network import QNetwork, use_one_thread
from dqn.algorithm.replay_buffer import as_rows
from dqn.algorithm.trainer import Progress
from dqn.distributed.sharing import AverageWeights, Sharing
from dqn.distributed.team import MakeServer, Team
from dqn.runs.checkpoint import Latest
from dqn.settings import Settings
from minimr.interface.parameter_server import ParameterServer

NICENESS = 10  # of an agent, above GlobalNet's


@dataclass(frozen=True)
class Experience:
    """The transitions of one agent in one round."""

    rows: Floats | None  # one per transition, in their order; None: none
    steps: int  # in lockstep


class Player:
    """An agent that plays and does not learn.

    Runs in: an actor of any engine. The arguments are those of `Agent`.
    """

    def __init__(
        self,
        settings: Settings,
        agent_id: int,
        server: ParameterServer,
        generation: int = 0,
    ) -> None:
        use_one_thread()
        self._settings, self._agent_id = settings, agent_id
        self._server = server
        self._num_envs = max(1, settings.num_envs // settings.num_agents)
        rng = np.random.default_rng([settings.seed, agent_id, generation])
        self._explorer = Explorer(settings, self._num_envs, rng)
        self._network = QNetwork(*self._explorer.shape, settings.hidden)
        self._progress = Progress()

    def ready(self) -> None:
        """Return once the actor has started."""

    def give_way(self, driver: int) -> None:
        """Run at a lower priority than GlobalNet from now on.

        Args:
            driver: id of the driver's process, which keeps its priority if
                the engine runs the agents in it.
        """
        if os.getpid() != driver:
            os.nice(NICENESS)

    def play(self, steps_before: int) -> Experience:
        """Play one round by the newest weights; return its transitions.

        Blocks: for the round.

        Args:
            steps_before: of all agents until now.
        """
        cpu, settings = time.process_time(), self._settings
        self._network.load(layers_of(self._server.pull(self._agent_id)))
        finished, steps, lived = self._explorer.finished, 0, []
        finished.clear()
        while not settings.is_over(steps, len(finished)):
            at_once = self._num_envs * settings.num_agents
            made = steps_before + steps * at_once
            transitions = self._explorer.step(self._network, made)
            if transitions is not None:
                lived.append(as_rows(transitions))
            steps += 1
        self._server.push(self._agent_id, {})
        self._progress = Progress(
            steps * self._num_envs,
            0,
            tuple(finished),
            time.process_time() - cpu,
        )
        return Experience(np.concatenate(lived) if lived else None, steps)

    def progress(self, played: Experience) -> Progress:
        """Return what the newest round has done.

        Args:
            played: what that has returned; where it raised, so does this.
        """
        return self._progress


class LearningNet:
    """A GlobalNet that learns. Runs in: an actor, on the head."""

    def __init__(self, settings: Settings, server: ParameterServer) -> None:
        use_one_thread()
        self._settings, self._server = settings, server
        shape = shape_of(settings.environment)
        # not the stream of random numbers of any agent
        rng = np.random.default_rng([settings.seed, settings.num_agents])
        self._dqn = DQN(settings, shape, rng)
        self._network = QNetwork(*shape, settings.hidden)
        self._examiner = Examiner(settings.environment, settings.test_games)
        self._is_new = True

    def ready(self) -> None:
        """Return once the actor has started."""

    def learn(self, *lived: Experience) -> Progress:
        """Learn from the round of all agents; push the new weights."""
        cpu, updates = time.process_time(), self._dqn.updates
        worker = self._settings.num_agents
        weights = self._server.pull(worker)
        if self._is_new:
            self._dqn.load(weights)
            self._dqn.copy_to_target()
            self._is_new = False
        self.remember(*lived)
        steps = max((each.steps for each in lived), default=0)
        self._dqn.learn(steps * self._settings.updates_per_step)
        self._server.push(worker, self._dqn.weights())
        return Progress(
            updates=self._dqn.updates - updates,
            cpu_seconds=time.process_time() - cpu,
        )

    def remember(self, *lived: Experience) -> None:
        """Add the transitions of agents to the buffer."""
        for experience in lived:
            if experience.rows is not None:
                self._dqn.buffer.add(experience.rows)

    def test(self) -> float:
        """Play the test games with the newest weights; return the average."""
        self._network.load(layers_of(self._server.pull()))
        return self._examiner.average(self._network)


class GatherExperience:
    """Agents play; GlobalNet learns from their transitions.

    Runs in: the driver. It implements `Sharing`.

    Args:
        settings: of the run.
        verbs: the module of the engine.
        tell: called with a line for the user now and then.
        agent: the class of the agents.
    """

    def __init__(
        self,
        settings: Settings,
        verbs: Any,
        tell: Callable[[str], None] = lambda line: None,
        agent: type = Player,
    ) -> None:
        # only one process learns, so Adam's state need not travel
        self.settings = replace(settings, average_optimizer=False)
        self.agent: type = agent
        self.global_net: type = LearningNet
        self.num_workers = settings.num_agents + 1  # GlobalNet is the last
        self._verbs, self._tell = verbs, tell
        self._played: dict[int, Any] = {}  # {agent: newest Experience}
        self._learning: Any = None  # GlobalNet's Progress in this round
        # the references that GlobalNet got in each of the newest rounds
        self._given: deque[list[Any]] = deque()

    def begin_round(
        self, agents: Mapping[int, Any], global_net: Any, steps: int
    ) -> dict[int, Any]:
        """Start GlobalNet on the last round, and the agents on a new one."""
        lived = [self._played[i] for i in sorted(self._played)]
        self._given.append(lived)
        self._learning = global_net.learn.remote(*lived)
        progress = {}
        for agent_id, agent in agents.items():
            if agent_id not in self._played:
                agent.give_way.remote(os.getpid())
            self._played[agent_id] = agent.play.remote(steps)
            progress[agent_id] = agent.progress.remote(self._played[agent_id])
        return progress

    def end_round(
        self, whole: Progress, dead: Collection[int], global_net: Any
    ) -> Progress:
        """Return what GlobalNet has learned. Blocks: until it has."""
        for agent_id in dead:
            del self._played[agent_id]
        room = self.settings.buffer_size
        while (len(self._given) - 1) * whole.steps > room:
            self._given.popleft()
        try:
            learned = self._verbs.get(self._learning)
        except self._verbs.exceptions.ObjectLostError:
            self._tell("the transitions of an agent are lost with its node")
            learned = self._verbs.get(global_net.learn.remote())
        return learned  # type: ignore[no-any-return]

    def global_net_replaced(
        self, global_net: Any, server: ParameterServer
    ) -> None:
        """Fill the buffer of a new GlobalNet. Blocks: until that is done."""
        worker = self.num_workers - 1
        server.leave(worker)
        server.join(worker)
        for lived in self._given:
            try:
                self._verbs.get(global_net.remember.remote(*lived))
            except self._verbs.exceptions.ObjectLostError:
                continue  # lost with the node of an agent


def make_team(
    settings: Settings,
    verbs: Any,
    make_server: MakeServer,
    latest: Latest | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Team:
    """Return the team that shares what the settings say."""
    sharing: Sharing = AverageWeights(settings)
    if settings.share == "experience":
        sharing = GatherExperience(settings, verbs, tell)
    return Team(sharing, verbs, make_server, latest, tell)
