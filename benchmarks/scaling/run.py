"""Measures points: a lab per engine, which grows from one node to five.

    for each engine:  up(1 node) ─> driver in n1
        for N nodes:  grow ─> all take part? ─> each workload: rounds
        at the end:   kill a node half-way ─> heal ─> again

Rules:

1. A point that is on disk is not measured again.
2. Starting is not measured: engines and actors start without the CPU share,
   and a tenth of the work of each point warms everything up.
3. When the time is up, the run ends between two points, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.common.options import tell
from benchmarks.lab.ground import Usage
from benchmarks.lab.lab import Lab
from benchmarks.lab.plan import LabError, Plan
from benchmarks.lab.team import CLUSTERS, Team
from benchmarks.scaling.jobs import Check
from benchmarks.scaling.store import Key, Point, Store
from benchmarks.scaling.workloads import WORKLOADS, Size, Workload

ANSWER_TIMEOUT_S = 300.0
FAILING = ("words", "sleep-100ms", "dqn")  # run while a node dies


class OutOfTimeError(RuntimeError):
    """The time for the whole run is up."""


@dataclass(frozen=True)
class Wanted:
    """The points to measure."""

    plan: Plan  # of the lab, with all nodes
    engines: Sequence[str]
    workloads: Sequence[str]
    nodes: Sequence[int]
    size: Size
    rounds: int
    failures: int  # rounds with a death
    until: float  # time.monotonic()

    def keys(self, engine: str) -> list[Key]:
        """Return the points of an engine, in the order of measuring."""
        mine = [n for n in self.workloads if engine in WORKLOADS[n].engines]
        keys = [Key("scaling", engine, w, n) for n in self.nodes for w in mine]
        most = max(self.nodes)
        if self.failures and most > 2:
            keys += [
                Key("failure", engine, w, most) for w in FAILING if w in mine
            ]
        return keys

    def rounds_of(self, key: Key) -> int:
        """Return how many rounds a point has."""
        return self.failures if key.kind == "failure" else self.rounds

    def empty(self, key: Key) -> Point:
        """Return a point before its first round."""
        work = WORKLOADS[key.workload]
        arguments = work.arguments(self.size, key.nodes)
        lab = self.plan.with_nodes(key.nodes).in_words()
        return Point(key, arguments, work.units(arguments), lab)


class Run:
    """Measures the wanted points that are missing."""

    def __init__(self, wanted: Wanted, store: Store) -> None:
        self.wanted = wanted
        self.store = store
        self.expected: dict[str, Check] = {}  # by the arguments
        self._begun = time.monotonic()
        self._done = 0
        every = [key for e in wanted.engines for key in wanted.keys(e)]
        self._left = len([key for key in every if self._is_missing(key)])
        self._all = len(every)

    def measure(self) -> None:
        """Measure everything.

        Raises:
            OutOfTimeError: some points are left for the next time.
            LabError: an engine does not work.
        """
        tell(f"{self._all - self._left} of {self._all} points are there")
        for engine in self.wanted.engines:
            keys = list(filter(self._is_missing, self.wanted.keys(engine)))
            if keys:
                with self._lab(engine) as lab:
                    self._engine(lab, engine, keys)

    def _engine(self, lab: Lab, engine: str, keys: Sequence[Key]) -> None:
        team = Team(lab, engine)
        try:
            for number in sorted({key.nodes for key in keys}):
                lab.grow(number)
                team.join()
                team.await_nodes()
                for key in keys:
                    if key.nodes == number:
                        self._point(team, key)
        finally:
            team.close()

    def _point(self, team: Team, key: Key) -> None:
        if time.monotonic() > self.wanted.until:
            raise OutOfTimeError
        work, point = WORKLOADS[key.workload], self.wanted.empty(key)
        arguments = point.arguments
        tenth = work.arguments(self.wanted.size.tenth(), key.nodes)
        self._begin(team, work, tenth)
        team.ask(work.call, **tenth)
        for _ in range(self.wanted.rounds_of(key)):
            calm = self._round(team, work, arguments)
            if key.kind == "scaling":
                point.rounds.append(calm)
            else:
                half = calm["seconds"] / 2
                hurt = self._round(team, work, arguments, half)
                point.rounds.append({**hurt, "calm_seconds": calm["seconds"]})
        if work.end:
            team.ask(work.end)
        self.store.save(point)
        self._tell(point)

    def _begin(
        self, team: Team, work: Workload, arguments: dict[str, Any]
    ) -> None:
        if work.begin:
            with team.lab.unlimited():
                team.ask(work.begin, **arguments)

    def _round(
        self,
        team: Team,
        work: Workload,
        arguments: dict[str, Any],
        kill_after_s: float | None = None,
    ) -> dict[str, Any]:
        self._begin(team, work, arguments)
        before = team.lab.usage()
        team.send(work.call, **arguments)
        last = team.lab.plan.all()[-1].name
        killed = False
        if kill_after_s is not None and not team.answered(kill_after_s):
            team.lab.kill(last)
            killed = True
        answer = team.receive(ANSWER_TIMEOUT_S)
        after = team.lab.usage()
        if kill_after_s is not None:
            if work.end:  # its actors hold the place of the healed node
                team.ask(work.end)
            team.lab.heal(last)
            team.join()
            team.await_nodes()
        return {
            **answer,
            "exact": answer["check"] == self._expected(work, arguments),
            "killed": killed,
            "usage": {
                name: _used(before[name], after[name]) for name in after
            },
        }

    def _expected(self, work: Workload, arguments: dict[str, Any]) -> Check:
        name = f"{work.name} {arguments}"
        if name not in self.expected:
            self.expected[name] = work.expected(arguments)
        return self.expected[name]

    @contextmanager
    def _lab(self, engine: str) -> Iterator[Lab]:
        plan = replace(self.wanted.plan, engines=CLUSTERS[engine])
        lab = Lab(plan.home)
        lab.down()  # what an earlier run may have left
        lab.up(plan.with_nodes(1))
        try:
            yield lab
        finally:
            lab.down()

    def _is_missing(self, key: Key) -> bool:
        rounds = self.wanted.rounds_of(key)
        return not self.store.has(self.wanted.empty(key), rounds)

    def _tell(self, point: Point) -> None:
        self._done += 1
        left = self._left - self._done
        each = (time.monotonic() - self._begun) / self._done
        seconds = [each["seconds"] for each in point.rounds]
        exact = all(each["exact"] for each in point.rounds)
        key = point.key
        tell(
            f"{self._all - left:>4}/{self._all}  {key.kind:<8} "
            f"{key.engine:<13} {key.workload:<16} {key.nodes} nodes  "
            f"{min(seconds):6.2f}-{max(seconds):.2f} s  "
            f"{'exact' if exact else 'WRONG'}, {left * each / 60:.0f} min left"
        )


def _used(before: Usage, after: Usage) -> dict[str, Any]:
    was, now = asdict(before), asdict(after)
    used = {"memory_bytes": now["memory_bytes"]}
    for name in ("cpu_seconds", "sent_bytes", "received_bytes"):
        known = now[name] is not None
        used[name] = now[name] - was[name] if known else None
    return used


def remove_lab(home: str) -> None:
    """Remove the lab, whatever has happened."""
    with suppress(LabError):
        Lab(home).down()
