"""Many runs in several processes.

    seeds ── a few at a time ──> process 1 ... N ── outcomes ──> one summary

Rules:

1. A seed is the same run in any of them.
2. Who dies is not replaced, as `multiprocessing.Pool` would: at Ctrl-C the
   command kills them all, and one that came late would outlive it.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from minimr.simulation import runs
from minimr.simulation.faults import Faults
from minimr.simulation.program import Program
from minimr.simulation.runs import Outcome, Summary
from minimr.system.leaving import deaf, ignore_ctrl_c

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

    Raises:
        ChildProcessError: a process that played was killed.
    """
    if jobs == 1:
        return runs.simulate(program, seeds, faults, report)
    summary, begin = Summary(), time.perf_counter()
    parts = [seeds[n : n + SEEDS] for n in range(0, len(seeds), SEEDS)]
    context, given = multiprocessing.get_context("fork"), (program, faults)
    pool = ProcessPoolExecutor(jobs, context, _begin, given)
    try:
        with deaf():  # they start with the first part
            playing = [pool.submit(_play, part) for part in parts]
        for part in as_completed(playing):
            for outcome in part.result():
                summary.add(outcome)
                report(outcome)
    except BrokenProcessPool:
        raise ChildProcessError(
            f"one of {jobs} processes that played was killed, after "
            f"{summary.runs:,} of {len(seeds):,} seeds: if the memory was "
            "full, try fewer (--jobs)"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)  # after an error, the rest
    summary.findings.sort(key=lambda finding: finding.seed)
    summary.wall_s = time.perf_counter() - begin
    return summary


_given: list[Any] = []  # to a process of the pool: not every program pickles


def _begin(program: Program, faults: Faults) -> None:
    """Runs in: a process of the pool, as it begins."""
    ignore_ctrl_c()
    _given.extend((program, faults))


def _play(seeds: Sequence[int]) -> list[Outcome]:
    """Runs in: a process of the pool."""
    program, faults = _given
    outcomes: list[Outcome] = []
    runs.simulate(program, seeds, faults, outcomes.append)
    for outcome in outcomes:  # what is large, and is had again by the seed
        outcome.trace, outcome.result = [], None
    return outcomes
