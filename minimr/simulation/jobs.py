"""Many runs in several processes.

    seeds ── a few at a time ──> process 1 ... N ── outcomes ──> one summary

A seed is the same run in any of them.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from typing import Any

from minimr.simulation import runs
from minimr.simulation.faults import Faults
from minimr.simulation.program import Program
from minimr.simulation.runs import Outcome, Summary

SEEDS = 20  # that a process takes at a time


def simulate(
    program: Program,
    seeds: Sequence[int],
    faults: Faults,
    report: Callable[[Outcome], object] = lambda outcome: None,
    jobs: int = 1,
) -> Summary:
    """Do what `runs.simulate` does, in several processes.

    Blocks: until all are done. `report` is told of each run, in any order.
    """
    if jobs == 1:
        return runs.simulate(program, seeds, faults, report)
    summary, begin = Summary(), time.perf_counter()
    parts = [seeds[n : n + SEEDS] for n in range(0, len(seeds), SEEDS)]
    context, given = multiprocessing.get_context("fork"), (program, faults)
    with context.Pool(jobs, _given.extend, (given,)) as pool:
        for outcomes in pool.imap_unordered(_play, parts):
            for outcome in outcomes:
                summary.add(outcome)
                report(outcome)
    summary.findings.sort(key=lambda finding: finding.seed)
    summary.wall_s = time.perf_counter() - begin
    return summary


_given: list[Any] = []  # to a process of the pool: not every program pickles


def _play(seeds: Sequence[int]) -> list[Outcome]:
    """Runs in: a process of the pool."""
    program, faults = _given
    outcomes: list[Outcome] = []
    runs.simulate(program, seeds, faults, outcomes.append)
    for outcome in outcomes:  # what is large, and is had again by the seed
        outcome.trace, outcome.result = [], None
    return outcomes
