"""One game of a lander as few numbers: where it was, and what it did.

weights ─> q_network ─> greedy game ─> {"value": .., "path": ..} ─> log, page
"""

from __future__ import annotations

from typing import Any

from dqn.algorithm.environment import make, shape_of
from dqn.algorithm.evaluation import FIRST_TEST_SEED, greedy_game
from dqn.algorithm.network import QNetwork, Weights

EVERY = 2  # of how many steps one is noted
LEG = 18 / 30  # how high a lander stands, in the units of the environment


def flies(environment: str) -> bool:
    """Return whether that is the lander, by its id."""
    return environment.startswith("LunarLander")


class Flights:
    """Plays the first test game with one network after another.

    Args:
        environment: the id of the lander.
        hidden: widths of the hidden layers.
    """

    def __init__(self, environment: str, hidden: tuple[int, ...]) -> None:
        self._environment = make(environment)
        self._network = QNetwork(*shape_of(environment), hidden)

    def fly(self, weights: Weights) -> dict[str, Any]:
        """Play a game.

        Returns: its score as "value"; the seconds between two points; the
            ground as [x, y]; the path as [x, y, angle, action]. All of it is
            in the units of what the network observes, the pad at 0, 0.
        """
        self._network.load(weights)
        moments = [
            *greedy_game(self._environment, self._network, FIRST_TEST_SEED)
        ]
        noted = *moments[:-1:EVERY], moments[-1]
        path = [_point(each.obs, each.action) for each in noted]
        fps = self._environment.metadata["render_fps"]
        return {
            "value": round(moments[-1].score, 1),
            "step_s": EVERY / fps,
            "ground": self._ground(),
            "path": path,
        }

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()

    def _ground(self) -> list[list[float]]:
        """Return the points of the ground, which is drawn below the sky."""
        moon: Any = self._environment.unwrapped
        sky = moon.sky_polys  # each: left, right, above right, above left
        points = [sky[0][0], *(each[1] for each in sky)]
        half_wide, half_high = sky[-1][2][0] / 2, sky[-1][2][1] / 2
        return [
            [
                round(float(x / half_wide - 1), 3),
                round(float((y - moon.helipad_y - LEG) / half_high), 3),
            ]
            for x, y in points
        ]


def _point(obs: Any, action: int) -> list[float]:
    x, y, angle = (round(float(obs[i]), 3) for i in (0, 1, 4))
    return [x, y, angle, action]
