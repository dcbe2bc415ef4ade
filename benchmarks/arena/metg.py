"""The minimum effective task granularity (METG) at half efficiency.

Slaughter et al., "Task Bench: A Parameterized Benchmark for Evaluating
Parallel Runtime Performance", SC 2020: the shortest task with which a machine
still does half of the work that it could do. Shorter ones cost more than they
compute.

Rule: a length that seems too short is tried again. Other programs only take
time away, and one moment of theirs must not end the search among long tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

HALF = 0.5
STRIDE = 4.0  # from one guess to the next, until the answer is between two
STEPS = 3  # of bisection: 4 ** (1 / 8) is 1.19
SHORTEST_S = 1e-7


def smallest(
    efficiency: Callable[[float], float], guess_s: float, limit_s: float
) -> float:
    """Return the granularity in seconds, 0 if no task is long enough.

    A task's granularity is its share of the cores' time: wall time x cores /
    tasks. At half efficiency it is twice the time that it computes.

    Args:
        efficiency: of tasks that compute for so many seconds; rises with it.
        guess_s: where to begin.
        limit_s: tasks that compute for longer are not tried.
    """

    def is_enough(busy_s: float) -> bool:
        return efficiency(busy_s) >= HALF or efficiency(busy_s) >= HALF

    long = short = 0.0  # long enough, too short; 0: not known yet
    busy = guess_s
    while not (long and short):
        if is_enough(busy):
            long, busy = busy, busy / STRIDE
            if busy < SHORTEST_S:
                return long / HALF
        else:
            short, busy = busy, busy * STRIDE
            if not long and busy > limit_s:
                return 0.0
    for _ in range(STEPS):
        busy = sqrt(long * short)
        if is_enough(busy):
            long = busy
        else:
            short = busy
    return sqrt(long * short) / HALF
