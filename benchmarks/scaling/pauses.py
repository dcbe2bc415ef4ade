"""`python -m benchmarks pauses`: the same work costs more after a pause.

    work ─> pause ─> work ─> pause ...     CPU time of each work

Meanwhile other programs use the core, and its caches. So a process that
waits for its tasks one by one pays more CPU time per task than one that is
handed several at once: an efficiency by CPU seconds above 1 has this cause.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from statistics import median

import click

from benchmarks.common import machine, tables
from benchmarks.common.options import AT_LEAST_ONE

PAUSES_S = (0.0, 0.001, 0.01, 0.1)
MESSAGES = 20  # of one work: as small as those between processes


def messages() -> None:
    """Pickle and unpickle some messages."""
    for number in range(MESSAGES):
        pickle.loads(pickle.dumps({"task": number, "inputs": [number] * 20}))


def cost(work: Callable[[], None], pause_s: float, times: int) -> float:
    """Return the CPU seconds of a work after a pause, the median."""
    costs = []
    for _ in range(times):
        if pause_s:
            time.sleep(pause_s)
        begun = time.process_time()
        work()
        costs.append(time.process_time() - begun)
    return median(costs)


@click.command()
@click.option("--times", default=40, show_default=True, type=AT_LEAST_ONE)
def pauses(times: int) -> None:
    """Show how much more CPU time the same work takes after a pause."""
    cost(messages, 0.0, times)  # warm
    found = [cost(messages, pause_s, times) for pause_s in PAUSES_S]
    tables.show(
        f"{MESSAGES} messages pickled and unpickled, median of {times}",
        ("pause ms", "CPU µs", "of none"),
        [
            [f"{pause_s * 1e3:g}", f"{each * 1e6:.0f}",
             tables.ratio(each / found[0])]
            for pause_s, each in zip(PAUSES_S, found, strict=True)
        ],
        [machine.in_words(machine.facts())],
    )  # fmt: skip
