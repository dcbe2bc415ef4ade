"""The runs of a benchmark, one after another, each saved when it ends.

seed 0   sb3  single  minimr-2     each seed in its own order, so that
seed 1   minimr-2  sb3  single     whatever else the machine does slows
                                   all alike
FOLDER/minimr-2_seed-1.json ─> a run that is not repeated
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.drivers import Driver
from benchmarks.common.timing import ContenderError
from benchmarks.dqn.course import Plan, Test
from benchmarks.dqn.learners import contender
from minimr.system.files import atomic_writer

GRACE_S = 300.0  # to start, and for the first tests
TESTS_PER_TRAINING = 10.0  # tests take at most this many times as long


class OtherRulesError(ValueError):
    """The folder has a run with another plan."""


@dataclass(frozen=True)
class Run:
    """A finished run of a contender."""

    contender: str
    seed: int
    startup_seconds: float  # of the process, the engine and the actors
    load_before: float  # what else ran: the load average of a minute
    tests: list[Test]

    def seconds_to(self, score: float) -> float:
        """Return the training time until a test had a score, or infinity."""
        return self._first(score, "seconds")

    def cpu_seconds_to(self, score: float) -> float:
        """Return the same in time of all processors."""
        return self._first(score, "cpu_seconds")

    def steps_to(self, score: float) -> float:
        """Return the same in steps of single environments."""
        return self._first(score, "steps")

    def _first(self, score: float, what: str) -> float:
        reached = (t for t in self.tests if t.score >= score)
        return next((getattr(t, what) for t in reached), float("inf"))


class Folder:
    """Keeps finished runs; without a path, it keeps none.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: str | None, plan: Plan) -> None:
        self._path = None if path is None else Path(path)
        self._rules = json.loads(json.dumps(asdict(plan)))
        if self._path is not None:
            self._path.mkdir(parents=True, exist_ok=True)

    def find(self, name: str, seed: int) -> Run | None:
        """Return a run, if it was made before.

        Raises:
            OtherRulesError: it was made with another plan.
        """
        if self._path is None or not (file := self._file(name, seed)).exists():
            return None
        found = json.loads(file.read_text())
        if found.pop("plan") != self._rules:
            raise OtherRulesError(
                f"{file} was measured by other rules: name another folder"
            )
        found["tests"] = [Test(**test) for test in found["tests"]]
        return Run(**found)

    def keep(self, run: Run) -> None:
        """Write a run."""
        if self._path is None:
            return
        file = self._file(run.contender, run.seed)
        with atomic_writer(str(file)) as stream:
            json.dump({"plan": self._rules, **as_json(run)}, stream, indent=1)

    def _file(self, name: str, seed: int) -> Path:
        assert self._path is not None
        return self._path / f"{name}_seed-{seed}.json"


def as_json(run: Run) -> dict[str, Any]:
    """Return a run as JSON has it."""
    tests = [test._asdict() for test in run.tests]
    return {**asdict(run), "tests": tests}


def measure_all(
    names: Sequence[str],
    seeds: int,
    plan: Plan,
    folder: Folder,
    tell: Callable[[str], None],
    at_once: int = 1,
) -> tuple[list[Run], dict[str, ContenderError]]:
    """Make all runs that are missing; return all runs, and the failures.

    Args:
        tell: called with a line per run.
        at_once: how many runs side by side, if there are enough cores.
    """
    plans = [(n, seed) for seed in range(seeds) for n in _order(names, seed)]
    failures: dict[str, ContenderError] = {}

    def make(number: int, who: tuple[str, int]) -> Run | None:
        name, seed = who
        where = f"{number}/{len(plans)} {name}, seed {seed}:"
        if (run := folder.find(name, seed)) is not None:
            tell(f"{where} is there")
            return run
        try:
            run = measure(name, seed, plan)
        except ContenderError as error:
            failures[f"{name}, seed {seed}"] = error
            tell(f"{where} failed: {error}")
            return None
        folder.keep(run)
        tell(f"{where} {in_words(run, plan)}")
        return run

    with ThreadPoolExecutor(at_once) as pool:
        apply = map if at_once == 1 else pool.map
        try:
            made = list(apply(make, range(1, len(plans) + 1), plans))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()  # else we would wait for its end
            raise
    return [run for run in made if run is not None], failures


def measure(name: str, seed: int, plan: Plan) -> Run:
    """Make one run, in its own process, and return it.

    Raises:
        ContenderError: it could not be made.
    """
    load = os.getloadavg()[0]
    timeout_s = GRACE_S + TESTS_PER_TRAINING * plan.limit_s
    driver = Driver(contender(name, plan, seed), timeout_s)
    try:
        tests = [Test(**test) for test in driver.measure().facts["tests"]]
    finally:
        driver.close()
    return Run(name, seed, driver.startup_seconds, load, tests)


def in_words(run: Run, plan: Plan) -> str:
    """Return in words when each score was reached."""
    parts = []
    for score in plan.scores:
        seconds = run.seconds_to(score)
        reached = seconds < float("inf")
        when = f"in {seconds:.1f} s" if reached else "not reached"
        parts.append(f"{score:g} {when}")
    last = run.tests[-1]
    return (
        f"{', '.join(parts)} (end: {last.seconds:.1f} s, {last.steps:,} steps)"
    )


def _order(names: Sequence[str], seed: int) -> list[str]:
    return random.Random(seed).sample(list(names), len(names))
