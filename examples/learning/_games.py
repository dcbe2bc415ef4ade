"""Two games with two actions, and what a network sees of them: shared here."""

import numpy as np

# Where Pong keeps these in its 128 bytes of memory.
BALL_X, BALL_Y, MINE, THEIRS = 49, 54, 51, 50
NOTHING, UP, DOWN = 0, 2, 3


class CartPole:
    """A pole on a cart, which is pushed to the right or to the left."""

    INPUTS, GOAL = 5, 450

    def __init__(self):
        import gymnasium

        self.game = gymnasium.make("CartPole-v1")

    def reset(self, seed):
        """Begin a game; return what is seen."""
        return np.append(self.game.reset(seed=seed)[0], 1.0)

    def step(self, right):
        """Return what is seen, the reward, and whether it is over."""
        x, _, fallen, cut, _ = self.game.step(int(right))
        return np.append(x, 1.0), -1.0 if fallen else 0.0, fallen or cut

    def score(self, rewards):
        """Return how long the pole stood."""
        return len(rewards)


class Pong:
    """Pong of the Atari 2600, with a paddle that is moved up or down."""

    INPUTS, GOAL = 8, 0
    BUTTONS = UP, DOWN, NOTHING

    def __init__(self):
        import ale_py
        import gymnasium

        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        gymnasium.register_envs(ale_py)
        self.game = gymnasium.make(
            "ALE/Pong-v5", obs_type="ram", repeat_action_probability=0.0
        )

    def reset(self, seed):
        """Begin a game; return what is seen."""
        self.ball = np.zeros(2)
        return self.seen(self.game.reset(seed=seed)[0])

    def seen(self, memory):
        """Return where everything is, and where the ball goes."""
        ball = memory[[BALL_X, BALL_Y]] / 128
        moved, self.ball = 10 * (ball - self.ball), ball
        mine, theirs = memory[[MINE, THEIRS]] / 128
        return np.array(
            [*ball - 1, *moved, mine - 1, theirs - 1, 5 * (ball[1] - mine), 1]
        )

    def step(self, up):
        """Return what is seen, the reward, and whether it is over."""
        return self.press(0 if up else 1)

    def press(self, button):
        """The same, of one of the three buttons."""
        x, reward, over, cut, _ = self.game.step(self.BUTTONS[button])
        return self.seen(x), reward, over or cut

    def score(self, rewards):
        """Return the points that were won less those that were lost."""
        return sum(rewards)


GAMES = {"cartpole": CartPole, "pong": Pong}
