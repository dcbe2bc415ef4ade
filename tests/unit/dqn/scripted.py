"""An environment that follows a script: `tests.unit.dqn.scripted:Script-v0`.

Its observation is the number of the step; action 1 ends the game, action 2
lets the clock run out, action 0 goes on; the reward is the number of the
step as well.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

ID = "tests.unit.dqn.scripted:Script-v0"
GO_ON, END_GAME, END_CLOCK = 0, 1, 2
Obs = np.ndarray[Any, np.dtype[np.float32]]


class Script(gymnasium.Env[Obs, np.int64]):
    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-1, 1e6, (1,))
        self.action_space = gymnasium.spaces.Discrete(3)
        self._step = 0

    def reset(
        self, *, seed: int | None = None, options: Any = None
    ) -> tuple[Obs, dict[str, Any]]:
        super().reset(seed=seed)
        self._step = 0
        return np.zeros(1, np.float32), {}

    def step(
        self, action: np.int64
    ) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        self._step += 1
        return (
            np.array([self._step], np.float32),
            float(self._step),
            bool(action == END_GAME),
            bool(action == END_CLOCK),
            {},
        )


if "Script-v0" not in gymnasium.registry:
    gymnasium.register("Script-v0", Script)
