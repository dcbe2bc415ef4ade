"""The other way to share: agents play, GlobalNet learns from all of it.

    round r   agent 0 ── plays by the weights of round r-1 ──┐
              agent 1 ── the same ───────────────────────────┤
              GlobalNet ─ learns from what was lived in r-1  │ references
    round r+1 GlobalNet ─ learns from  <─────────────────────┘

Rules:

1. All work at the same time, a round apart: so a core plays while another
   learns. (Nair et al., "Massively Parallel Methods for Deep RL", 2015.)
2. Transitions go from an agent to GlobalNet as an object of the engine; the
   driver handles the reference.
3. GlobalNet is a worker of the parameter server like the agents, and the
   only one that pushes weights. The others push nothing: the new weights
   appear when all have, so what an agent plays by never depends on who is
   faster.
4. Who learns goes first where cores are few: agents have time to spare,
   and nobody but GlobalNet makes a round longer.
5. The driver holds the references of the newest rounds: a GlobalNet that
   takes the place of a dead one gets its replay buffer again.
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

NICENESS = 10  # of an agent above that of GlobalNet


@dataclass(frozen=True)
class Experience:
    """What an agent has lived through in a round."""

    rows: Floats | None  # transitions of all steps, in their order
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
        """Answer, as soon as there is somebody to answer."""

    def give_way(self, driver: int) -> None:
        """Take what GlobalNet leaves of a core, from now on.

        Args:
            driver: id of the process that is to stay as it is, also when
                the engine runs everything in it.
        """
        if os.getpid() != driver:
            os.nice(NICENESS)

    def play(self, steps_before: int) -> Experience:
        """Play one round by the newest weights; give what it was.

        Blocks: for the round.

        Args:
            steps_before: what all agents have made until now.
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

    def progress(self) -> Progress:
        """Tell what the newest round was."""
        return self._progress


class LearningNet:
    """A GlobalNet that learns. Runs in: an actor, on the head."""

    def __init__(self, settings: Settings, server: ParameterServer) -> None:
        use_one_thread()
        self._settings, self._server = settings, server
        shape = shape_of(settings.environment)
        # another stream of random numbers than any agent's
        rng = np.random.default_rng([settings.seed, settings.num_agents])
        self._dqn = DQN(settings, shape, rng)
        self._network = QNetwork(*shape, settings.hidden)
        self._examiner = Examiner(settings.environment, settings.test_games)
        self._is_new = True

    def ready(self) -> None:
        """Answer, as soon as there is somebody to answer."""

    def learn(self, *lived: Experience) -> Progress:
        """Learn from a round of all agents; push the new weights."""
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
        """Take what agents have lived through into the buffer."""
        for experience in lived:
            if experience.rows is not None:
                self._dqn.buffer.add(experience.rows)

    def test(self) -> float:
        """Play the test games with the newest weights; give the average."""
        self._network.load(layers_of(self._server.pull()))
        return self._examiner.average(self._network)


class GatherExperience:
    """Agents play; GlobalNet learns from what they lived through.

    Runs in: the driver. A way to share, as `Sharing` says.

    Args:
        settings: what to do.
        verbs: the module of the engine.
        tell: takes a line for the user now and then.
        agent: the class of the agents.
    """

    def __init__(
        self,
        settings: Settings,
        verbs: Any,
        tell: Callable[[str], None] = lambda line: None,
        agent: type = Player,
    ) -> None:
        # Adam stays where the learning is
        self.settings = replace(settings, average_optimizer=False)
        self.agent: type = agent
        self.global_net: type = LearningNet
        self.num_workers = settings.num_agents + 1  # GlobalNet is the last
        self._verbs, self._tell = verbs, tell
        # references to the newest experience {agent: its}, and to the
        # progress of GlobalNet, which learns from those before
        self._played: dict[int, Any] = {}
        self._learning: Any = None
        # what GlobalNet has got in each round, and a new one gets again
        self._given: deque[list[Any]] = deque()

    def begin_round(
        self, agents: Mapping[int, Any], global_net: Any, steps: int
    ) -> dict[int, Any]:
        """Let GlobalNet learn from the last round while agents play one."""
        lived = [self._played[i] for i in sorted(self._played)]
        self._given.append(lived)
        self._learning = global_net.learn.remote(*lived)
        progress = {}
        for agent_id, agent in agents.items():
            if agent_id not in self._played:
                agent.give_way.remote(os.getpid())
            self._played[agent_id] = agent.play.remote(steps)
            progress[agent_id] = agent.progress.remote()
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
            self._tell("what an agent lived through is lost with its node")
            learned = self._verbs.get(global_net.learn.remote())
        return learned  # type: ignore[no-any-return]

    def global_net_replaced(
        self, global_net: Any, server: ParameterServer
    ) -> None:
        """Fill the buffer of a new GlobalNet. Blocks: until it is full."""
        worker = self.num_workers - 1
        server.leave(worker)
        server.join(worker)
        for lived in self._given:
            try:
                self._verbs.get(global_net.remember.remote(*lived))
            except self._verbs.exceptions.ObjectLostError:
                continue  # with the node of an agent


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
