"""The file of a parameter server, from which the one that replaces it starts.

    Rounds ── save ──> server-0.rounds.draft ── rename ──> server-0.rounds
                                                             │
    Rounds <── load ── the server that takes its place ──────┘

Rules:

1. A file is written as a whole or not at all: a server that is killed while
   it writes leaves the file before.
2. A save that is due is made before its push is answered. So with an
   interval of 0 nothing that was answered can be lost.
3. Who has come or left is saved at once: of a worker that is dead nobody
   tells the next server, which would wait for it.
4. A save that fails does not end the server: it logs a warning, goes on with
   what it has in memory, and tries again.
"""

from __future__ import annotations

import logging
from pathlib import Path

from minimr.shared.parameter_server import snapshot
from minimr.shared.parameter_server.rounds import Rounds
from minimr.system import machine
from minimr.system.files import Draft

RETRY_S = 1.0  # after a save that has failed

log = logging.getLogger(__name__)


class Checkpoint:
    """The file of one server.

    Args:
        path: of the file; None: nothing is written.
        interval_s: how many seconds of work a replaced server may lose.
    """

    def __init__(self, path: Path | None, interval_s: float) -> None:
        self._path = path
        self._interval_s = interval_s
        self._saved_at = 0.0
        self._saved_workers: set[int] = set()
        self._dirty = False
        self._retry_at: float | None = None  # the last save has failed

    def due_in(self) -> float | None:
        """Return in how many seconds to save; None: not at all."""
        if self._path is None or not self._dirty:
            return None
        due_at = max(self._saved_at + self._interval_s, self._retry_at or 0.0)
        return max(0.0, due_at - machine.monotonic())

    def changed(self, rounds: Rounds) -> None:
        """Note that something has changed, and save if that is due."""
        self._dirty = True
        others = rounds.clocks.keys() != self._saved_workers
        if others and self._retry_at is None:
            self.try_to_save(rounds)
        else:
            self.save_if_due(rounds)

    def save_if_due(self, rounds: Rounds) -> None:
        """Save if that is due."""
        if self.due_in() == 0:
            self.try_to_save(rounds)

    def try_to_save(self, rounds: Rounds) -> None:
        """Save now. Log the first failure, and the first success after it."""
        failed_before = self._retry_at is not None
        try:
            self.save(rounds)
        except OSError as error:
            self._retry_at = machine.monotonic() + RETRY_S
            if not failed_before:
                log.warning(
                    "cannot write the checkpoint %s: %s. This server goes on "
                    "and tries again every %g s; until it succeeds, its death "
                    "would lose what came since the last checkpoint",
                    self._path,
                    error.strerror,
                    max(RETRY_S, self._interval_s),
                )
            return
        self._retry_at = None
        if failed_before:
            log.warning("the checkpoint %s is written again", self._path)

    def save(self, rounds: Rounds) -> None:
        """Save now. Blocks: until it is on the disk.

        Raises:
            OSError: it cannot be written; the file before is still there.
        """
        if self._path is None:
            return
        draft = Draft(self._path, self._path.name + ".draft")
        try:
            with open(draft.name, "wb") as file:
                snapshot.write(rounds, file)
            draft.put()
        finally:
            draft.discard()
        self._saved_at, self._dirty = machine.monotonic(), False
        self._saved_workers = set(rounds.clocks)


def checkpoint_files(folder: Path | None, number: int) -> list[Path | None]:
    """Return the files of this many servers, in a folder that is made.

    Raises:
        OSError: the folder cannot be made.
    """
    if folder is None:
        return [None] * number
    folder.mkdir(parents=True, exist_ok=True)
    return [folder / f"server-{server}.rounds" for server in range(number)]


def load(path: Path) -> Rounds:
    """Return what a server has saved, with one restart more.

    Raises:
        ValueError: the file is no checkpoint.
    """
    with path.open("rb") as file:
        rounds = snapshot.read(file)
    rounds.stats.restarts += 1
    return rounds
