"""Random schedules of killed and stalled workers, all of them exact.

    python -m tests.faults.schedules [NUMBER] [SEED]

Each schedule counts words twice: undisturbed, and with up to three faults
at random knocks. The bound is the one at the head of
`minimr/sockets/cluster/coordinator.py`: the undisturbed time, and for each
fault the time to notice it and the work to do again, which is at most all
work, and the start of a worker.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from minimr.interface.mapreduce import Job
from minimr.sockets.cluster.tracker import Policy
from minimr.sockets.mapreduce import MapReduce
from tests.faults.play import SILENCE_S, SOON_SILENT
from tests.stage import Address, Knock, Stage, knock, let_go

NUM_WORKERS = 3
START_S = 5.0  # of a worker process, on a machine that has other work
TASK_S = 0.02
POLICY = Policy(backup_after_s=0.5, backup_blind_s=2.0)
KINDS = {
    "killed": signal.SIGKILL,
    "stalled": signal.SIGSTOP,
    "paused": signal.SIGSTOP,
}
WORDS = ["the", "quick", "brown", "Fox", "jumps", "over", "The", "fox"]


@dataclass(frozen=True)
class SlowCount:
    """A word count whose tasks knock and take their time."""

    address: Address

    def job(self) -> Job:
        """Give the job; its splits are lists of words."""
        return Job("slow count", self.map, self.reduce)

    def map(self, split: list[str]) -> Iterator[tuple[str, int]]:
        """Give (word, 1) for every word."""
        knock(self.address, "map")
        time.sleep(TASK_S)  # the work
        for word in split:
            yield word.lower(), 1

    def reduce(self, word: str, ones: list[int]) -> int:
        """Count the ones."""
        knock(self.address, "reduce")
        time.sleep(TASK_S)
        return len(ones)


@dataclass
class Outcome:
    """What came of one schedule."""

    seed: int
    faults: list[str]
    undisturbed_s: float
    seconds: float
    exact: bool

    @property
    def bound_s(self) -> float:
        """Give the longest time that the design allows."""
        redo = self.undisturbed_s + START_S
        return self.undisturbed_s + len(self.faults) * (SILENCE_S + redo)

    def __str__(self) -> str:
        return (
            f"schedule {self.seed}: {self.seconds:.2f} s of at most "
            f"{self.bound_s:.2f} s ({self.undisturbed_s:.2f} s undisturbed; "
            f"{', '.join(self.faults)}): "
            f"{'exact' if self.exact else 'WRONG'}"
        )


class Trouble:
    """A script that strikes at some of the knocks, chosen by a seed."""

    def __init__(self, random: Random, knocks: int) -> None:
        self.done: list[str] = []
        self._random = random
        number = random.randint(1, 3)
        self._at = {random.randrange(knocks) for _ in range(number)}
        self._pids: set[int] = set()
        self._stopped: dict[int, tuple[str, int]] = {}
        self._count = 0

    def __call__(self, knock: Knock) -> str:
        """Let it go, after a fault or without one."""
        self._pids.add(knock.pid)
        self._go_on()
        if self._count in self._at:
            self._strike(knock)
        self._count += 1
        return "go"

    def _strike(self, knock: Knock) -> None:
        victim = knock.pid
        if self._random.random() < 0.5:  # who may hold what others need
            victim = self._random.choice(sorted(self._pids))
        kind = self._random.choice(list(KINDS))
        self._pids.discard(victim)
        if self._signal(victim, KINDS[kind]):
            self.done.append(f"{kind} in a {knock.name} task")
            self._stopped[victim] = (kind, self._count)

    def _go_on(self) -> None:
        """Wake up who is only paused; it has been two knocks ago."""
        for pid, (kind, since) in list(self._stopped.items()):
            if kind == "paused" and self._count >= since + 2:
                self._signal(pid, signal.SIGCONT)
                del self._stopped[pid]

    def end(self) -> None:
        """Let no stalled worker burden the next schedule."""
        for pid in self._stopped:
            self._signal(pid, signal.SIGKILL)

    def _signal(self, pid: int, number: signal.Signals) -> bool:
        try:
            os.kill(pid, number)
        except ProcessLookupError:  # it is dead already
            return False
        return True


def play(engine: MapReduce, stage: Stage, seed: int) -> Outcome:
    """Run one schedule."""
    random = Random(seed)
    splits = [
        random.choices(WORDS, k=random.randint(0, 9))
        for _ in range(random.randint(1, 16))
    ]
    reduces = random.randint(1, 6)
    expected = Counter(word.lower() for split in splits for word in split)
    job = SlowCount(stage.address).job()

    def run() -> tuple[float, Any]:
        begin = time.monotonic()
        result = engine.run(job, splits, reduces)
        counts = result.merged()
        result.close()
        return time.monotonic() - begin, counts

    stage.script = let_go
    undisturbed_s, counts = run()
    assert counts == expected
    trouble = Trouble(random, len(splits) + len(expected))
    stage.script = trouble
    seconds, counts = run()
    trouble.end()
    return Outcome(
        seed, trouble.done, undisturbed_s, seconds, counts == expected
    )


def play_all(number: int, first_seed: int = 0) -> Iterator[Outcome]:
    """Run schedules on one engine, whose workers die and are replaced."""
    with (
        Stage() as stage,
        MapReduce(NUM_WORKERS, policy=POLICY, timing=SOON_SILENT) as engine,
    ):
        for seed in range(first_seed, first_seed + number):
            yield play(engine, stage, seed)


def slowest(outcomes: list[Outcome]) -> Outcome:
    """Find the schedule that came nearest to its bound."""
    return max(outcomes, key=lambda each: each.seconds / each.bound_s)


def main(number: str = "100", first_seed: str = "0") -> None:
    """Print every schedule, then the slowest."""
    outcomes = []
    for outcome in play_all(int(number), int(first_seed)):
        print(outcome, flush=True)  # noqa: T201
        outcomes.append(outcome)
    print(f"the slowest: {slowest(outcomes)}")  # noqa: T201
    good = all(each.exact for each in outcomes)
    good &= all(each.seconds <= each.bound_s for each in outcomes)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
