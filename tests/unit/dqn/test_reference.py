"""The fast DQN makes the updates of the one on the page.

Both compute in double precision here, on numbers that are exact in single
precision: so what differs by more than rounding is a mistake. No replay is
full, for then the two draw by other numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from dqn.algorithm.dqn import DQN
from dqn.algorithm.environment import Shape, Step, make
from dqn.algorithm.n_step import NStepWindow
from dqn.algorithm.network import QNetwork, use_one_thread
from dqn.algorithm.replay_buffer import as_rows
from dqn.algorithm.trainer import Trainer
from dqn.reference import ReferenceDQN, Transition, train
from dqn.settings import Settings

SHAPE = Shape(3, 4)
SETTINGS = Settings(
    batch_size=4, gamma=0.75, hidden=(6, 5), learning_starts=1, huber=0.5
)

SETTINGS_OF_ALL_KINDS = st.builds(
    replace,
    st.just(SETTINGS),
    seed=st.integers(0, 2**16),
    batch_size=st.integers(1, 6),
    gamma=st.sampled_from([0.0, 0.5, 0.75, 1.0]),
    hidden=st.lists(st.integers(1, 8), min_size=1, max_size=3).map(tuple),
    n_step=st.integers(1, 4),
    double=st.booleans(),
    huber=st.sampled_from([0.0, 0.25, 1.0]),
    target_update_every=st.integers(1, 40),
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    use_one_thread()


@contextmanager
def double_precision() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def as_state(network: QNetwork) -> dict[str, torch.Tensor]:
    """Return the weights by the names that they have in a Sequential."""
    return {
        name.removeprefix("layers."): torch.from_numpy(array)
        for name, array in network.weights().items()
    }


def begin_alike(page: ReferenceDQN, fast: DQN) -> None:
    page.q_network.load_state_dict(as_state(fast.q_network))
    page.target_network.load_state_dict(as_state(fast.target_network))


def difference(fast: QNetwork, page: torch.nn.Module) -> float:
    """Return by how much the weight differs that differs most."""
    expected = page.state_dict()
    return max(
        float((tensor - expected[name]).abs().max())
        for name, tensor in as_state(fast).items()
    )


class Pair:
    """Both, with the same weights and the same random numbers to come."""

    def __init__(self, settings: Settings, seed: int = 0) -> None:
        self.settings, self.seed = settings, seed
        self.fast, self.page = (
            cls(settings, SHAPE, np.random.default_rng(seed))
            for cls in (DQN, ReferenceDQN)
        )
        begin_alike(self.page, self.fast)

    def live(self, steps: int) -> None:
        """Have both remember the same steps of one environment."""
        rng = np.random.default_rng(self.seed)
        window = NStepWindow(
            self.settings.n_step, self.settings.gamma, 1, SHAPE.obs_dim
        )
        obs = rng.integers(-8, 8, (steps + 1, 1, SHAPE.obs_dim)) / 8
        for i in range(steps):
            action = int(rng.integers(SHAPE.num_actions))
            reward = int(rng.integers(-16, 16)) / 8
            ends = rng.random(2) < 0.2
            made = window.add(
                obs[i].astype(np.float32),
                np.array([action]),
                Step(
                    obs[i + 1].astype(np.float32),
                    np.array([reward], np.float32),
                    ends[:1],
                    ends[1:],
                ),
            )
            if made is not None:
                self.fast.buffer.add(as_rows(made))
            self.page.replay.append(
                Transition(obs[i, 0], action, reward, obs[i + 1, 0], *ends)
            )

    def learn(self, updates: int) -> None:
        self.fast.learn(updates)
        for _ in range(updates):
            self.page.update()

    def assert_equal(self) -> None:
        assert self.fast.updates == self.page.updates
        assert difference(self.fast.q_network, self.page.q_network) < 1e-9
        fast, page = self.fast.target_network, self.page.target_network
        assert difference(fast, page) < 1e-9


@hypothesis.settings(max_examples=40)
@given(
    SETTINGS_OF_ALL_KINDS, st.lists(st.integers(1, 40), min_size=1, max_size=2)
)
@example(replace(SETTINGS, target_update_every=200), [300, 150])
def test_after_any_updates_both_have_the_same_weights(
    settings: Settings, rounds: Sequence[int]
) -> None:
    with double_precision():
        pair = Pair(settings)
        pair.live(30)
        for updates in rounds:
            pair.learn(updates)
            pair.assert_equal()


@pytest.mark.parametrize("average_optimizer", [True, False])
def test_an_agent_goes_on_from_the_average_of_what_the_settings_say(
    average_optimizer: bool,
) -> None:
    settings = replace(SETTINGS, average_optimizer=average_optimizer)
    with double_precision():
        pairs = [Pair(settings, seed) for seed in (1, 2)]
        for pair in pairs:
            pair.live(30)
            pair.learn(20)
        one, other = (pair.fast.weights() for pair in pairs)
        average = {name: (one[name] + other[name]) / 2 for name in one}
        average_pages([pair.page for pair in pairs], average_optimizer)
        for pair in pairs:
            pair.fast.load(average)
            pair.assert_equal()
            pair.learn(20)
            pair.assert_equal()


def average_pages(pages: Sequence[ReferenceDQN], optimizer: bool) -> None:
    """Give both the average of their weights, and of what Adam remembers."""
    one, other = pages
    for pair in zip(
        one.q_network.parameters(), other.q_network.parameters(), strict=True
    ):
        average(pair)
        states = one.adam.state[pair[0]], other.adam.state[pair[1]]
        for what in ("exp_avg", "exp_avg_sq") if optimizer else ():
            average([state[what] for state in states])


def average(tensors: Sequence[torch.Tensor]) -> None:
    mean = torch.stack([tensor.detach() for tensor in tensors]).mean(0)
    for tensor in tensors:
        tensor.data.copy_(mean)


@pytest.mark.parametrize("every", [7, 20, 200])
def test_the_target_is_copied_after_every_so_many_updates_of_a_long_round(
    every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Pair(replace(SETTINGS, target_update_every=every))
    pair.live(30)
    copies: list[int] = []
    monkeypatch.setattr(
        pair.fast, "copy_to_target", lambda: copies.append(pair.fast.updates)
    )
    for _ in range(2):
        pair.fast.learn(300)
    assert copies == list(range(every, 601, every))


def test_a_whole_run_of_one_environment_is_that_of_the_page() -> None:
    settings = Settings(
        environment="CartPole-v1",
        num_envs=1,
        hidden=(16, 16),
        batch_size=16,
        learning_starts=50,
        num_steps_agents_train=200,
        epsilon_steps=200,
        target_update_every=30,
    )
    trainer = Trainer(settings)
    page = ReferenceDQN(settings, Shape(4, 2), np.random.default_rng([0, 0]))
    begin_alike(page, trainer.dqn)
    trainer.train(0)
    environment = make(settings.environment)
    train(environment, page, settings.num_steps_agents_train)
    environment.close()
    trainer.close()
    assert trainer.dqn.updates == page.updates > 250
    assert difference(trainer.dqn.q_network, page.q_network) < 1e-4
