"""An environment of Gymnasium as an actor: its state stays in its process.

A simulator cannot be handed from task to task: it has state, and often no
way to pickle it. So it is made in an actor, and stays there. Several play at
the same time, each with a seed.

Watch: only actions go in, and only observations and rewards come out.
From:  Ray 0.2.2's documentation (with OpenAI's Gym).
Next:  a call for every step is slow: which fraction of the time is it? Send
       the policy instead (`play` does), and compare.
"""

import time


def lean(observation):
    """Return the action of a simple policy: push where the pole falls."""
    _, _, angle, speed = observation
    return int(angle + 0.3 * speed > 0)


class Environment:
    """A game, and the seed of the next one."""

    def __init__(self, seed):
        import gymnasium  # here: where the game is

        self.game, self.seed = gymnasium.make("CartPole-v1"), seed

    def reset(self):
        """Begin a game; return what is seen."""
        observation, _ = self.game.reset(seed=self.seed)
        self.seed += 1
        return observation

    def step(self, action):
        """Return what is seen, the reward, and whether it is over."""
        observation, reward, over, cut, _ = self.game.step(action)
        return observation, reward, over or cut

    def play(self, policy):
        """Play a game; return the sum of its rewards."""
        observation, over, total = self.reset(), False, 0.0
        while not over:
            observation, reward, over = self.step(policy(observation))
            total += reward
        return total


def main(ray, full=False, *, environments=2):
    """Return the rewards of all games."""
    games = 50 if full else 3
    actor = ray.remote(Environment)
    actors = [actor.remote(100 * i) for i in range(environments)]
    observation, over, by_steps = ray.get(actors[0].reset.remote()), False, 0.0
    begin = time.perf_counter()
    while not over:  # the driver is the player
        step = actors[0].step.remote(lean(observation))
        observation, reward, over = ray.get(step)
        by_steps += reward
    seconds = time.perf_counter() - begin
    print(f"{by_steps / seconds:9,.0f} steps a second, with a call for each")

    begin = time.perf_counter()
    rewards = ray.get(
        [actor.play.remote(lean) for actor in actors for _ in range(games)]
    )
    seconds = time.perf_counter() - begin
    print(f"{sum(rewards) / seconds:9,.0f}, with a call for each game")
    print(f"{len(rewards)} games, rewards {min(rewards)} to {max(rewards)}")

    assert min(rewards) >= 50, "the policy has not balanced the pole"
    assert Environment(0).play(lean) == by_steps, "here it goes otherwise"
    return [by_steps, *rewards]
