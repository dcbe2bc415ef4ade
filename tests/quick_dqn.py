"""The settings of a DQN that takes a moment, for tests of engines."""

from dqn.settings import Settings

QUICK = Settings(
    environment="CartPole-v1",
    num_agents=2,
    num_cpus=0.5,
    share="weights",
    batch_size=16,
    num_steps_agents_train=30,
    num_envs=4,
    hidden=(16, 16),
    learning_starts=40,
    target_update_every=25,
    test_games=3,
)
