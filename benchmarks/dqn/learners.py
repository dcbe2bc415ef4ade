"""The contenders that learn to land against the clock.

    single              one learner in one process
    minimr-2            2 agents on the engine minimr
    ray-4-weights       4 agents on Ray that average weights
    minimr-2-weights-epochs5   2 agents on minimr, each round of 5 games
    sb3                 Stable-Baselines3's DQN

Each run has a process of its own (`benchmarks/common/drivers.py`), and every
process one torch thread.
"""

from __future__ import annotations

import importlib.util
import io
import re
import time
from contextlib import ExitStack, redirect_stderr
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.common.drivers import Contender
from benchmarks.common.timing import Sample
from benchmarks.dqn.course import Course, Plan
from dqn.algorithm.environment import make
from dqn.algorithm.evaluation import Examiner
from dqn.algorithm.network import use_one_thread
from dqn.distributed.engines import ENGINES, open_engine
from dqn.distributed.experience import make_team
from dqn.runs.learner import Learner
from dqn.runs.run import Trains
from dqn.settings import SHARE, Settings

SINGLE, PEER = "single", "sb3"
TEAM = re.compile(
    rf"(?P<engine>{'|'.join(ENGINES)})-(?P<agents>[1-9]\d?)"
    rf"(-(?P<share>{'|'.join(SHARE)}))?(-epochs(?P<epochs>[1-9]\d?))?"
)
DEFAULT = (
    SINGLE,
    *(f"{engine}-{n}" for n in (1, 2, 4) for engine in ("minimr", "ray")),
    PEER,
)
NEEDS = {PEER: "stable_baselines3", "ray": "ray"}

# The settings of RL Zoo for LunarLander (hyperparams/dqn.yml), by the names
# that Stable-Baselines3 gives them.
ZOO = {
    "learning_rate": 6.3e-4,
    "batch_size": 128,
    "buffer_size": 50_000,
    "learning_starts": 0,
    "gamma": 0.99,
    "target_update_interval": 250,
    "train_freq": 4,
    "gradient_steps": -1,
    "exploration_final_eps": 0.1,
    "policy_kwargs": {"net_arch": [256, 256]},
}
ZOO_EXPLORATION_STEPS = 12_000  # 0.12 of its 100,000
NEVER = 10_000_000  # steps; the course ends the run long before


class Ours(Contender):
    """The learner of this project, alone or as a team on an engine."""

    def __init__(self, name: str, plan: Plan, seed: int) -> None:
        self.name, self.plan, self.seed = name, plan, seed

    def start(self) -> None:
        """Start the engine and all actors: the clock does not count it."""
        self._stack = ExitStack()
        found = TEAM.fullmatch(self.name)
        chosen: dict[str, Any] = {
            "environment": self.plan.environment,
            "seed": self.seed,
            "test_games": self.plan.test_games,
        }
        self._learner: Trains
        if found is None:
            learner = Learner(Settings(num_agents=1, **chosen))
            self._stack.callback(learner.close)
            self._learner = learner
            return
        if found["share"]:
            chosen["share"] = found["share"]
        if found["epochs"]:
            chosen["num_epochs_agents_train"] = int(found["epochs"])
        settings = Settings(num_agents=int(found["agents"]), **chosen)
        engine = self._stack.enter_context(open_engine(found["engine"]))
        team = make_team(settings, *engine)
        self._stack.callback(team.close)
        self._learner = team

    def measure(self) -> Sample:
        """Train to the end. Blocks: until then."""
        course = Course(self.plan, self._learner.test)
        seconds, cpu_seconds = 0.0, 0.0
        while course.go_on(seconds, cpu_seconds, self._learner.steps):
            begin = time.perf_counter()
            progress = self._learner.train()
            seconds += time.perf_counter() - begin
            cpu_seconds += progress.cpu_seconds
        return _sample(course)

    def close(self) -> None:
        """End the actors and the engine."""
        self._stack.close()


class Greedy:
    """Any Q-network, as one that plays our test games."""

    def __init__(self, q_net: Any) -> None:
        self._q_net = q_net

    def act(self, obs: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Return the best action of each row."""
        with torch.no_grad():
            return self._q_net(torch.from_numpy(obs)).argmax(1).numpy()


class StableBaselines(Contender):
    """DQN of Stable-Baselines3 (Raffin et al., JMLR 2021).

    Its exploration falls as in RL Zoo's run of 100,000 steps. It may train
    longer, if it has not reached the highest score by then.
    """

    name = PEER

    def __init__(self, name: str, plan: Plan, seed: int) -> None:
        self.plan, self.seed = plan, seed

    def start(self) -> None:
        """Make the model and the test games."""
        use_one_thread()
        plan = self.plan
        self._examiner = Examiner(plan.environment, plan.test_games)
        # It loads the frozen gym, if installed, which prints a warning.
        with redirect_stderr(io.StringIO()):
            from stable_baselines3 import DQN

            self._model = DQN(
                "MlpPolicy",
                make(plan.environment),  # as ours: without the checker
                exploration_fraction=ZOO_EXPLORATION_STEPS / NEVER,
                seed=self.seed,
                device="cpu",
                **ZOO,
            )

    def measure(self) -> Sample:
        """Train to the end. Blocks: until then."""
        player: Any = Greedy(self._model.q_net)
        course = Course(self.plan, lambda: self._examiner.average(player))
        begin, cpu = time.perf_counter(), time.process_time()

        def go_on(*_: Any) -> bool:
            seconds = time.perf_counter() - begin - course.testing_seconds
            used = time.process_time() - cpu - course.testing_cpu_seconds
            return course.go_on(seconds, used, self._model.num_timesteps)

        self._model.learn(NEVER, callback=go_on)
        return _sample(course)

    def close(self) -> None:
        """Close the environments."""
        self._examiner.close()


def contender(name: str, plan: Plan, seed: int) -> Contender:
    """Return the contender of this name, for one run."""
    return (StableBaselines if name == PEER else Ours)(name, plan, seed)


def is_known(name: str) -> bool:
    """Return whether there is a contender of this name."""
    return name in (SINGLE, PEER) or TEAM.fullmatch(name) is not None


def missing(name: str) -> str | None:
    """Return the package that a contender needs and that is missing."""
    needed = NEEDS.get(name.partition("-")[0])
    if needed and importlib.util.find_spec(needed) is None:
        return needed
    return None


def _sample(course: Course) -> Sample:
    return Sample(
        {"training": course.tests[-1].seconds},
        {"tests": [test._asdict() for test in course.tests]},
    )
