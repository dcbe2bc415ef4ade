"""The cases: what is done again and again, and checked, on any runtime.

Rule: a result that is not the right one is an error, not a measurement.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.arena.metg import smallest
from benchmarks.arena.runtime import Runtime
from benchmarks.arena.work import Counter, increment, spin, spun, weigh

MANY, LONG, FEW = 1000, 100, 8  # tasks: at once, in a chain, to try first
BATCHES = 4  # a batch may take so many times what a case has
ARRAY_BYTES = 8_000_000
LIMIT_S = 0.25  # of busy time: the longest task that METG looks at


class Rate(NamedTuple):
    """What a case has measured: a value, and tasks per batch."""

    value: float
    batch: int = 1


class WrongResultError(RuntimeError):
    """A runtime returned something else."""


@dataclass(frozen=True)
class Machine:
    """What METG is measured against.

    Attributes:
        workers: of the runtime.
        peak: iterations of `spin` per second on as many cores at once.
    """

    workers: int
    peak: float


def check(result: Any, wanted: Any) -> None:
    """Stop if a result is not what it is without a runtime."""
    if result != wanted:
        got, right = repr(result)[:80], repr(wanted)[:80]
        raise WrongResultError(f"{got} instead of {right}")


def one_by_one(runtime: Runtime, seconds: float, machine: Machine) -> Rate:
    """Wait for each task before the next."""
    result, submit = runtime.result, runtime.submit

    def task() -> None:
        check(result(submit(increment, 1)), 2)

    task()
    return Rate(_rate(task, seconds))


def at_once(runtime: Runtime, seconds: float, machine: Machine) -> Rate:
    """Submit 1,000 tasks, and wait for all results."""

    def batch(number: int) -> None:
        check(
            list(runtime.map(increment, range(number))),
            list(range(1, number + 1)),
        )

    return _batches(batch, MANY, seconds)


def chain(runtime: Runtime, seconds: float, machine: Machine) -> Rate:
    """Pass the result of each of 100 tasks to the next."""
    return _batches(
        lambda number: check(runtime.chain(number), number), LONG, seconds
    )


def fan_in(runtime: Runtime, seconds: float, machine: Machine) -> Rate:
    """Pass the results of 100 tasks to one."""

    def batch(number: int) -> None:
        check(runtime.fan_in(number), number * (number + 1) // 2)

    return _batches(batch, LONG, seconds)


def large_argument(runtime: Runtime, seconds: float, machine: Machine) -> Rate:
    """Send an array of 8 MB with a task, one by one; megabytes per second."""
    import numpy as np

    array, sent = np.zeros(ARRAY_BYTES // 8), 0

    def send() -> None:
        nonlocal sent
        array[0] = sent = sent + 1  # so that nobody sends it only once
        check(runtime.result(runtime.submit(weigh, array)), sent)

    send()
    rate = _rate(send, seconds)
    return Rate(rate * ARRAY_BYTES / 1e6)


def actor_one_by_one(
    runtime: Runtime, seconds: float, machine: Machine
) -> Rate:
    """Wait for each call of an actor before the next."""
    actor, count = runtime.actor(Counter), 0

    def call() -> None:
        nonlocal count
        count += 1
        check(runtime.result(runtime.call(actor, "add", 1)), count)

    call()
    return Rate(_rate(call, seconds))


def actor_at_once(runtime: Runtime, seconds: float, machine: Machine) -> Rate:
    """Call an actor 1,000 times, and wait for all results."""
    actor, count = runtime.actor(Counter), 0

    def batch(number: int) -> None:
        nonlocal count
        calls = [runtime.call(actor, "add", 1) for _ in range(number)]
        found = list(runtime.results(calls))
        if not runtime.keeps_order:
            found.sort()
        check(found, list(range(count + 1, count + number + 1)))
        count += number

    return _batches(batch, MANY, seconds)


def metg(runtime: Runtime, seconds: float, machine: Machine) -> Rate:
    """Return the smallest granularity that is half efficient, in seconds.

    The tasks do not depend on each other, and are submitted together: the
    pattern `trivial` of Task Bench. 0: no task is long enough.
    """
    workers = machine.workers

    def efficiency(busy_s: float) -> float:
        iterations = max(1, round(busy_s * machine.peak / workers))
        number = int(seconds * workers / busy_s / 2)
        number = max(FEW, min(MANY, number))
        wanted = [spun(iterations)] * number
        done, begun = 0, time.perf_counter()
        while (took := time.perf_counter() - begun) < seconds or not done:
            check(list(runtime.map(spin, [iterations] * number)), wanted)
            done += number
        return done * iterations / machine.peak / took

    def few() -> float:
        return _took(lambda n: runtime.map(increment, range(n)), FEW)

    few()  # a runtime that gives idle workers back asks for them anew
    guess = workers * few() / FEW
    return Rate(smallest(efficiency, guess, LIMIT_S))


Case = Callable[[Runtime, float, Machine], Rate]
CASES: dict[str, Case] = {
    case.__name__: case
    for case in (one_by_one, at_once, chain, fan_in, large_argument,
                 actor_one_by_one, actor_at_once, metg)
}  # fmt: skip
WITH_ACTORS = ("actor_one_by_one", "actor_at_once")


def _rate(run: Callable[[], None], seconds: float) -> float:
    """Return how often something that is warm is done per second."""
    begun, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begun) < seconds or not count:
        run()
        count += 1
    return count / took


def _batches(batch: Callable[[int], None], most: int, seconds: float) -> Rate:
    """Return tasks per second, in batches of `most` if that is quick."""
    took = _took(batch, FEW)
    if took > seconds:
        return Rate(FEW / took, FEW)
    took = _took(batch, FEW)  # warm now
    number = max(FEW, min(most, int(FEW * BATCHES * seconds / took)))
    return Rate(number * _rate(lambda: batch(number), seconds), number)


def _took(run: Callable[[int], Any], number: int) -> float:
    begun = time.perf_counter()
    run(number)
    return time.perf_counter() - begun
