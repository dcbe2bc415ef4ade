"""Measures points round by round, with a new lab for each visit.

    round 1   ray on 3 nodes   sockets on 1   spinners on 5   ray on 1 ...
    round 2   sockets on 5   ray on 1   minimr on 2 ...  an order of its own
    a visit   up ─> all take part? ─> each workload: a warm-up, a round
              on most nodes also: kill one half-way ─> heal

Rules:

1. A round that is on disk is not measured again.
2. One engine is there, on as many nodes as it may use: idle ones also cost.
3. Starting is not measured: engines, actors and a warm-up run without the
   CPU share.
4. When the time is up, the run ends between two visits, and says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from benchmarks.common.options import tell
from benchmarks.common.timing import orders
from benchmarks.lab.ground import Usage
from benchmarks.lab.lab import Lab, temporary
from benchmarks.lab.plan import LabError, Plan
from benchmarks.lab.team import CLUSTERS, Team
from benchmarks.scaling import quota
from benchmarks.scaling.jobs import Check
from benchmarks.scaling.quota import NOBODY
from benchmarks.scaling.store import Key, Point, Store
from benchmarks.scaling.workloads import WORKLOADS, Size, Workload

ANSWER_TIMEOUT_S = 300.0
FAILING = ("words", "sleep-100ms", "dqn")  # run while a node dies
SEED = 0  # of the orders: a run that was stopped goes on with its own


class OutOfTimeError(RuntimeError):
    """The time for the whole run is up."""


class Visit(NamedTuple):
    """A lab for one round of an engine on so many nodes."""

    engine: str  # NOBODY: for the spinners
    nodes: int


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

    def visits(self) -> list[Visit]:
        """Return the visits of a round, in no order."""
        spins = self.plan.cpu_share is not None
        who = [*self.engines, NOBODY] if spins else self.engines
        return [Visit(engine, nodes) for engine in who for nodes in self.nodes]

    def keys(self, visit: Visit) -> list[Key]:
        """Return the points of a visit, in the order of measuring."""
        engine, nodes = visit
        if engine == NOBODY:
            return [quota.key(nodes)]
        mine = [n for n in self.workloads if engine in WORKLOADS[n].engines]
        keys = [Key("scaling", engine, name, nodes) for name in mine]
        if nodes == max(self.nodes) > 2:
            failing = [name for name in FAILING if name in mine]
            keys += [Key("failure", engine, name, nodes) for name in failing]
        return keys

    def rounds_of(self, key: Key) -> range:
        """Return the numbers of the rounds that a point has."""
        last = self.failures if key.kind == "failure" else self.rounds
        return range(1, last + 1)

    def empty(self, key: Key) -> Point:
        """Return a point before its first round."""
        lab = self.plan.with_nodes(key.nodes).in_words()
        if key.kind == quota.QUOTA:
            return Point(key, {"cpu_share": self.plan.cpu_share}, 0.0, lab)
        work = WORKLOADS[key.workload]
        arguments = work.arguments(self.size, key.nodes)
        return Point(key, arguments, work.units(arguments), lab)


class Run:
    """Measures the rounds that are missing."""

    def __init__(self, wanted: Wanted, store: Store) -> None:
        self.wanted = wanted
        self.store = store
        self.expected: dict[str, Check] = {}  # by the arguments
        self.points = {
            key: store.load(wanted.empty(key))
            for visit in wanted.visits()
            for key in wanted.keys(visit)
        }
        self._begun = time.monotonic()
        self._done = 0
        self._all = sum(len(wanted.rounds_of(key)) for key in self.points)
        self._left = sum(
            self._is_missing(key, number)
            for key in self.points
            for number in wanted.rounds_of(key)
        )

    def measure(self) -> None:
        """Measure everything.

        Raises:
            OutOfTimeError: some rounds are left for the next time.
            LabError: an engine does not work.
        """
        tell(f"{self._all - self._left} of {self._all} measurements are there")
        for number, visit, keys in self.missing():
            if time.monotonic() > self.wanted.until:
                raise OutOfTimeError
            clusters = CLUSTERS.get(visit.engine, ())
            plan = replace(self.wanted.plan, engines=clusters)
            with temporary(plan.with_nodes(visit.nodes)) as lab:
                self._visit(lab, visit.engine, number, keys)

    def missing(self) -> Iterator[tuple[int, Visit, list[Key]]]:
        """Yield (round, visit, its points), where something is missing."""
        rounds = max(self.wanted.rounds, self.wanted.failures)
        for number, order in orders(self.wanted.visits(), rounds, SEED):
            for visit in order:
                keys = [
                    key
                    for key in self.wanted.keys(visit)
                    if self._is_missing(key, number)
                ]
                if keys:
                    yield number, visit, keys

    def _is_missing(self, key: Key, number: int) -> bool:
        there = [each["round"] for each in self.points[key].rounds]
        return number in self.wanted.rounds_of(key) and number not in there

    def _visit(
        self, lab: Lab, engine: str, number: int, keys: Sequence[Key]
    ) -> None:
        if engine == NOBODY:
            for key in keys:
                self._keep(key, number, quota.spin(lab))
            return
        team = Team(lab, engine)
        try:
            team.await_nodes()
            for key in keys:
                self._keep(key, number, self._measure(team, key))
        finally:
            team.close()

    def _keep(self, key: Key, number: int, found: dict[str, Any]) -> None:
        load = {"load": os.getloadavg()[0]}  # with what we did ourselves
        self.points[key].rounds.append({"round": number, **found, **load})
        self.store.save(self.points[key])
        self._tell(key, number, found)

    def _measure(self, team: Team, key: Key) -> dict[str, Any]:
        work, arguments = WORKLOADS[key.workload], self.points[key].arguments
        warm = work.arguments(self.wanted.size.warm_up(), key.nodes)
        self._begin(team, work, warm)
        with team.lab.unlimited():
            team.ask(work.call, **warm)
        found = self._round(team, work, arguments)
        if key.kind == "failure":
            calm = found["seconds"]
            found = self._round(team, work, arguments, calm / 2)
            found["calm_seconds"] = calm
        if work.end:
            team.ask(work.end)
        return found

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

    def _tell(self, key: Key, number: int, found: dict[str, Any]) -> None:
        self._done += 1
        left = self._left - self._done
        each = (time.monotonic() - self._begun) / self._done
        what = "spinning"
        if "seconds" in found:
            exact = "exact" if found["exact"] else "WRONG"
            what = f"{found['seconds']:6.2f} s  {exact}"
        tell(
            f"{self._all - left:>4}/{self._all}  round {number}  "
            f"{key.kind:<8} {key.engine:<8} {key.workload:<16} "
            f"{key.nodes} nodes  {what}, {left * each / 60:.0f} min left"
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
