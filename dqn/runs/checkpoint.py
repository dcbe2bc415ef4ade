"""A run in a file: its best model, and where it stopped.

    model_checkpoint.pth = { what the network is for,
                             best: weights and the score of their test,
                             latest: weights, rounds, steps, counters }

Rules:

1. A file is always complete: it is written beside the old one and then takes
   its place.
2. `best` is replaced only by a better score, so stopping a run at a bad
   moment costs nothing.
3. The replay buffer is not kept. A resumed run fills it anew.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from io import BytesIO
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dqn.algorithm.dqn import layers_of
from dqn.algorithm.environment import shape_of
from dqn.algorithm.network import QNetwork, Weights
from dqn.errors import DQNError
from dqn.settings import Settings
from minimr.system.files import atomic_bytes_writer, check_writable

FORMAT = "minimr DQN 1"
WORST = float("-inf")


@dataclass(frozen=True)
class Latest:
    """The state of a run."""

    weights: Weights  # with those of the optimiser
    rounds: int
    steps: int
    # {counter of the run: value}; a resumed run continues them
    spent: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """The content of a file."""

    environment: str
    hidden: tuple[int, ...]
    best: Weights
    score: float  # of `best`, an average over greedy games
    latest: Latest

    def network(self) -> QNetwork:
        """Return the network with the best weights.

        Raises:
            DQNError: the environment cannot be made.
        """
        network = QNetwork(*shape_of(self.environment), self.hidden)
        network.load(self.best)
        return network


class CheckpointFile:
    """Keeps the checkpoint of one run.

    Args:
        path: where it is, or will be.
        settings: of the run.

    Raises:
        DQNError: no file can be written there, or the file that is there
            holds another network.
    """

    def __init__(self, path: str | os.PathLike[str], settings: Settings):
        self._path = Path(path)
        self._settings = settings
        _check_writable(self._path)
        self.checkpoint: Checkpoint | None = None
        if self._path.exists():
            self.checkpoint = read(self._path)
            self._check(self.checkpoint)

    @property
    def score(self) -> float:
        """The best score in the file."""
        return self.checkpoint.score if self.checkpoint else WORST

    def save(self, latest: Latest, score: float = WORST) -> bool:
        """Write the state of the run; return whether its model is the best.

        Args:
            latest: the state.
            score: of a test of its weights, if there was one.
        """
        old = self.checkpoint
        better = old is None or score > old.score  # NaN is not
        score = WORST if isnan(score) else score
        best = layers_of(latest.weights)
        if old is not None and not better:
            best, score = old.best, old.score
        self.checkpoint = Checkpoint(
            self._settings.environment,
            self._settings.hidden,
            best,
            score,
            latest,
        )
        _write(self._path, self.checkpoint)
        return better

    def _check(self, found: Checkpoint) -> None:
        mine = (self._settings.environment, self._settings.hidden)
        if mine != (found.environment, found.hidden):
            raise DQNError(
                f"{self._path} holds a network for {found.environment} with "
                f"the layers {found.hidden}, not for {mine[0]} with "
                f"{mine[1]}: name another checkpoint"
            )


def read(path: str | os.PathLike[str]) -> Checkpoint:
    """Return the checkpoint in a file.

    Raises:
        DQNError: there is none, or it is not one of ours.
    """
    try:
        # weights_only: a file from elsewhere must not run code here
        found = torch.load(path, weights_only=True)
    except OSError as error:
        raise DQNError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # whatever bad bytes raise in the reader
        raise DQNError(f"{path} is not a checkpoint") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise DQNError(f"{path} is not a checkpoint of this program")
    try:
        return _made_of(found)
    except KeyError as error:
        raise DQNError(f"the checkpoint {path} lacks {error}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise DQNError(
            f"the checkpoint {path} has a value of the wrong type: {error}"
        ) from error


def _made_of(found: dict[str, Any]) -> Checkpoint:
    """Return the checkpoint in a file's content. Raises: if it lacks any."""
    latest, score = found["latest"], float(found["score"])
    return Checkpoint(
        str(found["environment"]),
        tuple(map(int, found["hidden"])),
        _arrays(found["best"]),
        WORST if isnan(score) else score,
        Latest(
            _arrays(latest["weights"]),
            int(latest["rounds"]),
            int(latest["steps"]),
            {n: float(v) for n, v in latest.get("spent", {}).items()},
        ),
    )


def _write(path: Path, checkpoint: Checkpoint) -> None:
    latest = checkpoint.latest
    content = {
        "format": FORMAT,
        "environment": checkpoint.environment,
        "hidden": list(checkpoint.hidden),
        "best": _tensors(checkpoint.best),
        "score": checkpoint.score,
        "latest": {
            "weights": _tensors(latest.weights),
            "rounds": latest.rounds,
            "steps": latest.steps,
            "spent": latest.spent,
        },
    }
    saved = BytesIO()  # torch would not raise OSError for a full disk
    torch.save(content, saved)
    try:
        with atomic_bytes_writer(path) as file:
            file.write(saved.getbuffer())
    except OSError as error:
        raise DQNError(f"cannot write {path}: {error.strerror}") from error


def _check_writable(path: Path) -> None:
    try:
        check_writable(path)
    except OSError as error:
        raise DQNError(f"cannot write {path}: {error.strerror}") from error


def _tensors(weights: Weights) -> dict[str, Any]:
    return {
        name: torch.from_numpy(np.array(array))
        for name, array in weights.items()
    }


def _arrays(tensors: dict[str, Any]) -> Weights:
    return {name: tensor.numpy() for name, tensor in tensors.items()}
