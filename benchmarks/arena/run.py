"""The rounds of the arena: one runtime at a time, each in a new process.

    round 0   all cases, briefly: whose results are right?
    round 1   dask  minimr  pool ...     each round in an order of its own
    round 2   pool  dask  minimr ...

Rules:

1. Nobody else's processes are there meanwhile: an idle one also costs.
2. A case that fails is not tried again, and says why; the others go on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.arena.calibrate import peak
from benchmarks.arena.contestants import Contestant
from benchmarks.arena.driver import Driver
from benchmarks.common.timing import ContenderError, orders
from benchmarks.micro.physical import copy_gigabytes, socket_rates

START, MEMORY, METG = "start", "memory", "metg"
START_S, CASE_S = 60.0, 60.0  # until a runtime counts as hanging
BRIEFLY_S = 0.01  # a case of round 0


@dataclass
class Results:
    """All that is known about one contestant."""

    contestant: Contestant
    versions: dict[str, str] = field(default_factory=dict)
    takes_futures: bool = False
    # {case: a value per round}
    samples: dict[str, list[float]] = field(default_factory=dict)
    batches: dict[str, int] = field(default_factory=dict)  # the last round's
    # {case: why}; START: it has not run at all
    failures: dict[str, ContenderError] = field(default_factory=dict)

    def add(self, case: str, value: float) -> None:
        """Keep the value of a round."""
        self.samples.setdefault(case, []).append(value)


@dataclass(frozen=True)
class Arena:
    """How everybody is measured."""

    python: Callable[[Contestant], str]  # may raise ContenderError
    cases: Sequence[str]
    workers: int
    seconds: float  # per case
    minutes: float  # of all; a round that would take longer is left out
    tell: Callable[[str], None]

    def run(
        self, contestants: Sequence[Contestant], rounds: int, seed: int
    ) -> dict[str, Any]:
        """Measure all, and return what the JSON holds."""
        before, begun = os.getloadavg()[0], time.perf_counter()
        everyone = {each.name: Results(each) for each in contestants}
        single, piped = socket_rates(self.seconds)
        limits = {
            "socket_one_by_one": single,
            "socket_at_once": piped,
            "copy_megabytes": copy_gigabytes(self.seconds) * 1000,
        }
        peaks = []
        done = 0
        for number, order in orders([*everyone], rounds, seed):
            took = time.perf_counter() - begun
            if number > 1 and took * (1 + 1 / number) > 60 * self.minutes:
                self.tell(f"the time is up after {done} of {rounds} rounds")
                break
            done = number
            peaks.append(peak(self.workers, self.seconds))
            for name in order:
                results = everyone[name]
                if START not in results.failures:
                    self._round(results, number, peaks[-1])
                    where = f"round {number}/{rounds}" if number else "check"
                    self.tell(f"{where:<10} {name:<16} {_said(results)}")
        return {
            "workers": self.workers,
            "rounds": done,
            "seconds": self.seconds,
            "took_seconds": time.perf_counter() - begun,
            "load_before": before,
            "load_after": os.getloadavg()[0],
            "limits": limits,
            "peaks": peaks,
            "contestants": [_as_json(each) for each in everyone.values()],
        }

    def _round(self, results: Results, number: int, peak: float) -> None:
        try:
            driver = Driver(self.python(results.contestant))
        except ContenderError as error:
            results.failures[START] = error
            return
        try:
            self._measure(driver, results, number, peak)
        except ContenderError as error:
            results.failures[START] = error
        finally:
            driver.close()

    def _measure(
        self, driver: Driver, results: Results, number: int, peak: float
    ) -> None:
        contestant = results.contestant
        driver.ask(START_S, "start", contestant.adapter, self.workers)
        started = time.perf_counter() - driver.begun
        about = driver.ask(CASE_S, "about", contestant.packages)
        results.versions = about["versions"]
        results.takes_futures = about["takes_futures"]
        if number:
            results.add(START, started)
            results.add(MEMORY, driver.memory_bytes())
        for case in self.cases:
            if case in results.failures or case not in about["cases"]:
                continue
            if case == METG and (contestant.threads or not number):
                continue  # one core is not half of two
            seconds = self.seconds if number else BRIEFLY_S
            try:
                value, batch = driver.ask(
                    CASE_S, "case", case, seconds, self.workers, peak
                )
            except ContenderError as error:
                results.failures[case] = error
                if not driver.is_alive:
                    return  # the next round has a new one
                continue
            if number:
                results.add(case, value)
                results.batches[case] = batch


def _as_json(results: Results) -> dict[str, Any]:
    contestant = results.contestant
    return {
        "name": contestant.name,
        "about": contestant.about,
        "threads": contestant.threads,
        "takes_futures": results.takes_futures,
        "versions": results.versions,
        "samples": results.samples,
        "batches": results.batches,
        "failures": {
            case: {"reason": str(error), "details": error.details}
            for case, error in results.failures.items()
        },
    }


def _said(results: Results) -> str:
    if START in results.failures:
        return f"failed: {results.failures[START]}"
    values = [f"{case} {v[-1]:.4g}" for case, v in results.samples.items()]
    failed = [f"{case} failed: {e}" for case, e in results.failures.items()]
    return ", ".join([*values, *failed]) or "right"
