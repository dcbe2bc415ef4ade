"""Every setting of a training run, and where it comes from.

The names of the assignment are kept. The defaults are those that learn
fastest on two cores; docs/dqn.md lists what was tried.
"""

from __future__ import annotations

from dataclasses import dataclass

from dqn.errors import DQNError

SHARE = ("weights", "experience")


@dataclass(frozen=True)
class Settings:
    """What a training run does. Two runs with equal settings are equal.

    Attributes:
        environment: its id in Gymnasium, or `gym:ID` for the frozen gym.
        seed: of all random numbers of the run.
        num_agents: how many train side by side (the assignment's).
        batch_size: transitions per update (the assignment's; Mnih et
            al., "Human-level control ...", Nature 2015, has 32).
        num_epochs_agents_train: games that an agent finishes per round
            (the assignment's); None: `num_steps_agents_train` decides.
        num_steps_agents_train: steps in lockstep per round. Games differ
            in length and steps do not, so nobody waits for a long game.
        target_score: the run ends when a test reaches it,
        max_rounds: or after this many rounds,
        max_seconds: or after this much training, tests not counted.
        rounds_between_tests: a test takes as long as many rounds.
        test_games: greedy games whose average is the score of a test.
        num_cpus: processors that each actor asks its engine for.
        num_envs: environments that an agent steps together (Clemente et
            al., "Efficient Parallel Methods for Deep RL", 2017).
        max_game_steps: training games are cut after this many steps; the
            value of what would have followed still counts ("partial-episode
            bootstrapping": Pardo et al., ICML 2018). So more games begin,
            and no game hovers for long. None: the environment's limit.
        hidden: widths of the hidden layers.
        learning_rate: of Adam (Kingma and Ba, ICLR 2015).
        gamma: how much a reward one step later is worth.
        n_step: rewards in a return before the estimate takes over
            (Hessel et al., "Rainbow", AAAI 2018).
        double: choose the next action by one network and value it by the
            other (van Hasselt et al., AAAI 2016).
        huber: the loss is linear beyond this error (the "error clipping"
            of Mnih et al. 2015).
        reward_scale: rewards are multiplied by it, so that errors are
            about as large as where the loss turns linear.
        target_update_every: updates after which the target network
            becomes a copy (Mnih et al. 2015).
        updates_per_step: updates after each step in lockstep.
        buffer_size: transitions that are remembered. A small buffer forgets
            the games of earlier, worse networks.
        learning_starts: transitions before the first update.
        epsilon_end: share of actions that stay random.
        epsilon_steps: steps of all agents until it is reached.
        share: "weights": each agent learns, and the weights are averaged
            (the assignment's); "experience": agents only play, and
            GlobalNet learns from the transitions of all (Nair et
            al., "Gorila", 2015; Horgan et al., "Ape-X", ICLR 2018). Then
            `num_envs` are divided among the agents.
        average_optimizer: agents also average the moments of Adam.
    """

    environment: str = "LunarLander-v3"
    seed: int = 0
    num_agents: int = 2
    batch_size: int = 64
    num_epochs_agents_train: int | None = None
    num_steps_agents_train: int = 100
    target_score: float = 100.0
    max_rounds: int = 1000
    max_seconds: float | None = None
    rounds_between_tests: int = 10
    test_games: int = 20
    num_cpus: float = 2.0
    num_envs: int = 8
    max_game_steps: int | None = None
    hidden: tuple[int, ...] = (128, 128)
    learning_rate: float = 1e-3
    gamma: float = 0.99
    n_step: int = 3
    double: bool = True
    huber: float = 1.0
    reward_scale: float = 0.1
    target_update_every: int = 200
    updates_per_step: int = 2
    buffer_size: int = 20_000
    learning_starts: int = 1_000
    epsilon_end: float = 0.05
    epsilon_steps: int = 12_000
    share: str = "experience"
    average_optimizer: bool = True

    def __post_init__(self) -> None:
        """Check all settings.

        Raises:
            DQNError: a setting is out of its range.
        """
        for name in _AT_LEAST_ONE:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DQNError(f"{name} is {value}: it must be at least 1")
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise DQNError(f"{name} is negative: {getattr(self, name)}")
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise DQNError(f"max_seconds is {self.max_seconds}: too short")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise DQNError(
                    f"{name} is {getattr(self, name)}: it is a share, "
                    "from 0 to 1"
                )
        if self.share not in SHARE:
            raise DQNError(f"share is {self.share!r}: choose {SHARE}")
        if not self.hidden or min(self.hidden) < 1:
            raise DQNError(f"hidden is {self.hidden}: name one width or more")

    def in_words(self) -> str:
        """Return how the agents train, for the first line of a run."""
        how = {
            "weights": "each learns, and their weights are averaged",
            "experience": "they play, and GlobalNet learns from all games",
        }[self.share]
        agents = "agent" if self.num_agents == 1 else "agents"
        return f"{self.num_agents} {agents} that share {self.share}: {how}"

    def is_over(self, steps: int, games: int) -> bool:
        """Return whether an agent's round is over, after steps and games."""
        if self.num_epochs_agents_train is None:
            return steps >= self.num_steps_agents_train
        return games >= self.num_epochs_agents_train

    def epsilon(self, steps: int) -> float:
        """Return the share of random actions, after steps of all agents."""
        share = min(1.0, steps / self.epsilon_steps)
        return 1.0 + share * (self.epsilon_end - 1.0)


_AT_LEAST_ONE = (
    "num_agents",
    "batch_size",
    "num_epochs_agents_train",
    "num_steps_agents_train",
    "max_rounds",
    "rounds_between_tests",
    "test_games",
    "num_envs",
    "max_game_steps",
    "n_step",
    "target_update_every",
    "updates_per_step",
    "buffer_size",
    "epsilon_steps",
    "learning_starts",
)
_NOT_NEGATIVE = ("seed", "num_cpus", "learning_rate", "huber")
_SHARES = ("gamma", "epsilon_end")
