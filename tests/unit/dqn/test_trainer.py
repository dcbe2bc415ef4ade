"""What a trainer does round after round, and what a test of it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dqn.algorithm.environment import make
from dqn.algorithm.evaluation import FIRST_TEST_SEED, Examiner
from dqn.algorithm.network import QNetwork
from dqn.algorithm.trainer import Trainer
from dqn.errors import DQNError
from dqn.runs.learner import Learner
from dqn.runs.run import Run
from dqn.settings import Settings
from tests.unit.dqn.scripted import ID

QUICK = Settings(
    environment="CartPole-v1",
    batch_size=16,
    num_steps_agents_train=20,
    num_envs=4,
    hidden=(16, 16),
    learning_starts=40,
    target_update_every=7,
    buffer_size=500,
)


def flat(network: QNetwork) -> torch.Tensor:
    """Give all weights of a network as one vector of their own."""
    return network.flat.clone()


def test_the_target_network_is_a_copy_after_every_so_many_updates() -> None:
    settings = replace(QUICK, num_steps_agents_train=1, updates_per_step=1)
    trainer = Trainer(settings)
    updates, copies = 0, []
    for _ in range(60):
        before = flat(trainer.dqn.target_network)
        updates += trainer.train(0).updates
        if not torch.equal(before, flat(trainer.dqn.target_network)):
            copies.append(updates)
            assert torch.equal(
                flat(trainer.dqn.target_network), flat(trainer.dqn.q_network)
            )
    assert copies == [7, 14, 21, 28, 35, 42, 49]


def test_nothing_is_learned_before_the_buffer_has_enough() -> None:
    trainer = Trainer(replace(QUICK, learning_starts=100, n_step=1))
    before = flat(trainer.dqn.q_network)
    assert trainer.train(0).updates == 0
    assert torch.equal(flat(trainer.dqn.q_network), before)
    assert trainer.train(0).updates == 2 * 16  # from step 25 of 40 on


def test_a_round_is_so_many_steps_or_so_many_games() -> None:
    assert Trainer(QUICK).train(0).steps == 20 * 4
    trainer = Trainer(replace(QUICK, num_epochs_agents_train=6))
    assert len(trainer.train(0).scores) in range(6, 6 + 4)
    assert len(trainer.train(0).scores) in range(6, 6 + 4)


def test_equal_seeds_give_equal_weights() -> None:
    def train(settings: Settings, stream: int) -> np.ndarray:
        trainer = Trainer(settings, (stream,))
        trainer.train(0)
        trainer.train(80)
        return flat(trainer.dqn.q_network).numpy()

    first = train(QUICK, 0)
    assert np.array_equal(train(QUICK, 0), first)
    assert not np.array_equal(train(QUICK, 1), first)
    assert not np.array_equal(train(replace(QUICK, seed=1), 0), first)


@pytest.mark.parametrize(
    "change",
    [{"double": False}, {"n_step": 1}, {"huber": 0.01}, {"gamma": 0.9}],
)
def test_each_setting_changes_what_is_learned(change: dict) -> None:
    trainers = [Trainer(QUICK), Trainer(replace(QUICK, **change))]
    for trainer in trainers:
        trainer.train(0)
        trainer.train(80)
    assert not torch.equal(
        flat(trainers[0].dqn.q_network), flat(trainers[1].dqn.q_network)
    )


def test_epsilon_falls_in_a_line_and_stays() -> None:
    settings = Settings(epsilon_end=0.1, epsilon_steps=100)
    values = [settings.epsilon(steps) for steps in (0, 50, 100, 1000)]
    assert values == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_a_test_is_greedy_and_on_its_own_seeds() -> None:
    network = QNetwork(4, 2, (16, 16))
    network.initialise(0)
    scores = Examiner("CartPole-v1", 5).scores(network)
    environment = make("CartPole-v1")
    for i, score in enumerate(scores):
        obs, _ = environment.reset(seed=FIRST_TEST_SEED + i)
        total, over = 0.0, False
        while not over:
            q = network(torch.from_numpy(obs[None]))
            obs, reward, terminated, truncated, _ = environment.step(
                int(q.argmax())
            )
            total += float(reward)
            over = terminated or truncated
        assert score == total
    assert Examiner("CartPole-v1", 5).average(network) == sum(scores) / 5


def test_cartpole_reaches_195_within_a_minute() -> None:
    settings = Settings(
        environment="CartPole-v1", target_score=195, max_rounds=400
    )
    status = Run(settings, Learner(settings)).run()
    assert status.best_score is not None
    assert status.best_score >= 195
    assert status.cpu_seconds < 60


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_agents": 0},
        {"batch_size": 0},
        {"num_epochs_agents_train": 0},
        {"gamma": 1.5},
        {"seed": -1},
        {"hidden": ()},
        {"n_step": 0},
    ],
)
def test_settings_that_make_no_run_are_refused(wrong: dict) -> None:
    with pytest.raises(DQNError, match=next(iter(wrong))):
        Settings(**wrong)


def test_a_game_that_is_cut_is_worth_more_than_one_that_ends() -> None:
    """The script's games give 1, 2, 3, ..: what is cut would go on."""
    trainer = Trainer(replace(QUICK, environment=ID, n_step=1, num_envs=64))
    trainer.train(0)
    batch = trainer.dqn.buffer.sample(500, np.random.default_rng(0))
    assert set(batch.discounts[batch.actions == 1].tolist()) == {0.0}
    cut = batch.discounts[batch.actions == 2]
    assert cut.numpy() == pytest.approx(np.full(len(cut), 0.99))
