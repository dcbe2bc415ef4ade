"""A run from a seed, and another future of it: what the page may ask for.

press("branch", "120:kill=worker 3") ──> play ──> [the run, its other future]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lecture.stage import PressError, Stage
from lecture.trace import Run

Play = Callable[[str], Run]


class Futures(Stage):
    """A simulated run whose future can be changed at any step.

    Args:
        runs: one as its seed plays it, and perhaps another future.
        play: plays it with a branch; blocks until it is over.
    """

    def __init__(self, runs: Sequence[Run], play: Play) -> None:
        super().__init__(runs)
        self._play = play

    def press(self, verb: str, target: str) -> str:
        """Play another future, in the place of the one before.

        Raises:
            PressError: there is none.
        """
        if verb != "branch":
            return super().press(verb, target)
        with self._pressing:
            try:
                other = self._play(target)
            except (ValueError, RuntimeError) as error:
                raise PressError(str(error)) from None
            self._runs = [self._runs[0], other]
        return f"another future: {target}"
