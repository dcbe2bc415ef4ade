"""A run for TensorBoard: `tensorboard --logdir DIR` draws it live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dqn.errors import DQNError
from dqn.runs.run import Status


class Board:
    """Writes the numbers of a run to a folder: pass its `show` to the run.

    The steps on TensorBoard's axis are rounds; they continue when a run is
    resumed.

    Args:
        folder: created if missing; None: nothing is written.
        facts: the settings of the run.

    Raises:
        DQNError: the folder cannot be written, or TensorBoard is not
            installed.
    """

    def __init__(self, folder: str | None, facts: dict[str, Any]) -> None:
        self._folder, self._writer = folder, None
        self._tested = 0  # the round of the newest test that is written
        if folder is None:
            return
        with self._writing():
            self._writer = _writer(folder)
            self._writer.add_text("settings", _table(facts))
            self._writer.flush()

    def show(self, status: Status) -> None:
        """Write the numbers after a round."""
        if self._writer is None:
            return
        scalars = {
            "score/training": status.average_score,
            "speed/steps per second": status.steps_per_second,
            "progress/episodes": status.episodes,
            "progress/steps": status.steps,
            "progress/seconds of training": status.seconds,
        }
        if status.test_round > self._tested:
            self._tested = status.test_round
            scalars["score/test"] = status.test_score
        with self._writing():
            for name, value in scalars.items():
                if value is not None:
                    self._writer.add_scalar(name, value, status.round)

    def close(self) -> None:
        """Write what is still in memory."""
        if self._writer is not None:
            with self._writing():
                self._writer.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise DQNError(f"cannot write {self._folder}: {reason}") from error


def _writer(folder: str) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DQNError(
            "--tensorboard needs the package tensorboard: "
            "pip install 'minimr[tensorboard]'"
        ) from error
    return SummaryWriter(folder)


def _table(facts: dict[str, Any]) -> str:
    rows = (f"| {name} | {value} |" for name, value in facts.items())
    return "\n".join(("| setting | value |", "|---|---|", *rows))
