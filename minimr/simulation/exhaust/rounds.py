"""The rounds of one server, and workers that pull, push, die and come back.

    reads ──> computes ── pushes ──> unanswered ── is answered ──> reads ...
       └─ not ready: it waits           └─ the server is replaced: pushes
                                           again

Three workers, in each of the modes. What is real is `Rounds`; a server is
replaced from what was saved, after each push or at some time before; who
has left is saved at once (`checkpoint.py`). Who has ended may stay where
each push is saved; where an old checkpoint may forget its last ones, it
leaves, or the others would wait for them.
"""

from __future__ import annotations

import pickle
from collections.abc import Hashable
from typing import Any

import numpy as np

from minimr.shared.parameter_server.consistency import (
    Asynchronous,
    Gradients,
    Stale,
    Synchronous,
)
from minimr.shared.parameter_server.rounds import Push, Rounds
from minimr.shared.parameter_server.weights import Reading
from minimr.simulation.exhaust.search import Model, Step, must

MODES = (Synchronous(), Stale(1), Asynchronous())
READS, COMPUTES, UNANSWERED, DONE = range(4)
WORK = ("reads", "pushes", "is_answered")  # what comes next
ENOUGH = 60  # requests, for a training that goes well
NEVER = Reading(0, -1)

Each = tuple[int, int]  # a worker, and the clock that its push makes


class Watched(Rounds):
    """Notes which pushes are in each update of the weights."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.folded: list[list[Each]] = []
        self.missing: set[int] = set()  # of the last one, of those that live

    def _apply(self, pushes: dict[int, Push]) -> None:
        self.folded.append([_who(pushes[w]) for w in sorted(pushes)])
        self.missing = set(self.clocks) - set(pushes)
        super()._apply(pushes)

    def counted(self) -> list[Each]:
        """Return each push that has counted, or will when others come."""
        waiting = [_who(push) for push in self._waiting.values()]
        return sorted([*waiting, *(each for f in self.folded for each in f)])

    def state(self) -> Hashable:
        """Return what makes a difference to who comes next."""
        waiting = tuple(sorted(self._waiting))
        clocks = tuple(sorted(self.clocks.items()))
        return tuple(self.counted()), waiting, clocks, self._round


def _who(push: Push) -> Each:
    worker, clock = push.update["w"].tolist()
    return int(worker), int(clock)


class RoundsModel(Model):
    """A server and its workers.

    Attributes:
        clocks: what each worker that lives counts itself.
        doing: what each of them does.
        reached: the largest clock of each that has counted.
        safe: each push is saved before it is answered.
    """

    is_data = True

    def __init__(
        self,
        workers: int = 3,
        rounds: int = 3,
        crashes: int = 2,
        deaths: int = 1,
    ) -> None:
        self.rounds = rounds
        self.clocks = dict.fromkeys(range(workers), 0)
        self.doing = dict.fromkeys(range(workers), READS)
        self.reached = dict.fromkeys(range(workers), 0)
        self.crashes, self.deaths = crashes, deaths
        self.mode: Any = None
        self.safe = True
        self.server: Watched
        self.saved = b""
        self.saved_state: Hashable = ()

    def steps(self) -> list[Step]:
        """Return what workers and the server may do."""
        if self.mode is None:
            return [("begin", n, safe) for n in range(3) for safe in (0, 1)]
        steps: list[Step] = []
        for worker, doing in self.doing.items():
            if doing != DONE:
                steps.append((WORK[doing], worker))
                if self.deaths:
                    steps.append(("leaves", worker))
        if self.crashes:
            steps.append(("is_replaced",))
            if not self.safe:
                steps.append(("saves",))
        return steps

    def state(self) -> Hashable:
        """Return the server, what is saved of it, and the workers."""
        if self.mode is None:
            return ()
        return (
            repr(self.mode),
            self.safe,
            self.server.state(),
            self.saved_state if self.crashes else (),
            tuple(self.clocks.items()),
            tuple(self.doing.items()),
            tuple(self.reached.items()),
            (self.crashes, self.deaths),
        )

    def begin(self, mode: int, safe: int) -> None:
        """Begin in a mode, with checkpoints that come at once, or later."""
        self.mode, self.safe = MODES[mode], bool(safe)
        weights = {"w": np.zeros(2, np.float32)}
        number = len(self.clocks)
        self.server = Watched(weights, number, self.mode, Gradients(1.0))
        self.saves()

    def reads(self, worker: int) -> None:
        """Let a worker pull; it may have to wait."""
        if not self.server.ready(worker, {worker: self.clocks[worker]}):
            return
        self.server.pull(worker, NEVER)
        self.doing[worker] = COMPUTES
        slowest = min(self.reached[other] for other in self.clocks)
        lead = self.clocks[worker] - slowest
        must(lead <= self.mode.bound, "no reader is beyond its staleness")

    def pushes(self, worker: int) -> None:
        """Let a worker push, perhaps once more."""
        clock = self.clocks[worker]
        if not self.server.ready(worker, {worker: clock}):
            return
        update = {"w": np.array([worker, clock + 1], np.float32)}
        new = self.server.push(worker, clock + 1, update)
        if new and self.safe:
            self.saves()
        self.reached[worker] = clock + 1
        self.doing[worker] = UNANSWERED

    def is_answered(self, worker: int) -> None:
        """Let a worker know that its push has counted."""
        self.clocks[worker] += 1
        last = self.clocks[worker] == self.rounds
        self.doing[worker] = DONE if last else READS
        if last and not self.safe:
            self._leaves(worker)

    def leaves(self, worker: int) -> None:
        """Let a worker die."""
        self.deaths -= 1
        self._leaves(worker)

    def _leaves(self, worker: int) -> None:
        del self.clocks[worker], self.doing[worker]
        self.server.leave(worker)
        self.saves()

    def saves(self) -> None:
        """Let the server write its checkpoint."""
        if self.crashes:
            self.saved = pickle.dumps(self.server)
            self.saved_state = self.server.state()

    def is_replaced(self) -> None:
        """Let the server die; another one begins with what was saved."""
        self.crashes -= 1
        self.server = pickle.loads(self.saved)
        for worker, doing in self.doing.items():
            if doing == UNANSWERED:
                self.doing[worker] = COMPUTES  # it pushes again

    def check(self) -> None:
        """Check which pushes have counted."""
        counted = self.server.counted()
        must(len(set(counted)) == len(counted), "a push counts once")
        for fold in self.server.folded[-1:]:
            must(fold == sorted(fold), "in the order of the worker ids")
            if isinstance(self.mode, Synchronous):
                rounds = {clock for _, clock in fold}
                must(len(rounds) == 1, "an update is made of one round")
                if self.safe:
                    must(not self.server.missing, "all wait for all")
        if self.safe:
            lost = [
                (worker, clock + 1)
                for worker, own in self.clocks.items()
                for clock in range(own)
                if (worker, clock + 1) not in counted
            ]
            must(not lost, "what was answered is not lost")

    def settle(self) -> None:
        """Let nobody die any more: all come to the end."""
        if self.mode is None:
            return
        self.crashes = 0
        for _ in range(ENOUGH):
            left = [w for w, doing in self.doing.items() if doing != DONE]
            if not left:
                break
            for worker in left:
                getattr(self, WORK[self.doing[worker]])(worker)
        must(not left, "nobody waits for ever")
        self.check()
