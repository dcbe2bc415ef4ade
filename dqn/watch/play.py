"""Games of a trained network, frame by frame.

    q_network ── best action ──> environment ── image ──> Frame ─> recorders
        ^                            │
        └──────────── obs ───────────┘

There is no exploration: every action is the network's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import numpy.typing as npt

from dqn.algorithm.environment import make, shape_of
from dqn.algorithm.evaluation import greedy_game
from dqn.algorithm.network import QNetwork
from dqn.errors import DQNError
from dqn.runs.checkpoint import Checkpoint

RENDER_MODE = "rgb_array"
FRAMES_PER_SECOND = 30  # of an environment that does not say


class Frame(NamedTuple):
    """What a game looks like after a step."""

    image: npt.NDArray[np.uint8]  # (H, W, 3)
    game: int  # from 1
    seconds: float  # of the game, at its own pace
    score: float  # so far
    is_last: bool  # of its game


class Stage:
    """An environment that is drawn while a network plays in it.

    Args:
        name: the id of the environment.

    Attributes:
        frames_per_second: at which its games have their natural speed.

    Raises:
        DQNError: it cannot be made, or it cannot be drawn.
    """

    def __init__(self, name: str) -> None:
        # pygame draws into memory: it must not look for a screen
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        self._name = name
        self._environment = make(name, render_mode=RENDER_MODE)
        facts = self._environment.metadata
        self.frames_per_second = int(
            facts.get("render_fps") or FRAMES_PER_SECOND
        )

    def games(
        self, network: QNetwork, seeds: Iterable[int]
    ) -> Iterator[Frame]:
        """Yield the frames of a greedy game per seed.

        Raises:
            DQNError: the environment cannot be drawn, or a package for that
                is missing.
        """
        for game, seed in enumerate(seeds, 1):
            yield from self._game(network, game, seed)

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()

    def _game(
        self, network: QNetwork, game: int, seed: int
    ) -> Iterator[Frame]:
        moments = greedy_game(self._environment, network, seed)
        for steps, moment in enumerate(moments):
            seconds = steps / self.frames_per_second
            score, is_over = moment.score, moment.is_over
            yield Frame(self._image(), game, seconds, score, is_over)

    def _image(self) -> npt.NDArray[np.uint8]:
        try:
            image: Any = self._environment.render()
        except (gymnasium.error.Error, ImportError) as error:
            reason = " ".join(str(error).split())
            raise DQNError(f"cannot draw {self._name}: {reason}") from error
        if not isinstance(image, np.ndarray):
            raise DQNError(f"{self._name} has no pictures of its games")
        return image


def network_of(checkpoint: Checkpoint, name: str) -> QNetwork:
    """Return the best network of a checkpoint, for an environment.

    Raises:
        DQNError: the network is for environments of another shape.
    """
    shape = shape_of(name)
    network = QNetwork(*shape, checkpoint.hidden)
    try:
        network.load(checkpoint.best)
    except ValueError as error:
        raise DQNError(
            f"the checkpoint holds a network for {checkpoint.environment}: "
            f"it does not fit {name}, which has {shape.obs_dim} observed "
            f"numbers and {shape.num_actions} actions"
        ) from error
    return network
