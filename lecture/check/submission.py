"""What a student has handed in, and the runs of their driver.

cells ─> space of each case ─> driver, once per case ─> runs ─> checks
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from lecture.check.recorder import Recorder
from lecture.check.source import Cell

C = TypeVar("C")  # a case: what the driver is given
R = TypeVar("R")  # a run: what came of it


class Submission(Generic[C, R]):
    """The cells of a notebook, and the runs of what they define.

    Args:
        cells: of the notebook.
        path: of the notebook, for the processes that read it again.
        verbs: what stands in the place of the engine.
        start: starts the engine.
    """

    cases: Sequence[C]

    def __init__(
        self,
        cells: Sequence[Cell],
        path: Path,
        verbs: Recorder,
        start: Callable[[], None],
    ) -> None:
        self.cells, self.path, self.verbs = cells, path, verbs
        self._start = start

    @cached_property
    def runs(self) -> list[R]:
        """The driver, run once per case."""
        self._start()
        return [self._run(case) for case in self.cases]

    def _run(self, case: C) -> R:
        raise NotImplementedError
