"""The crash matrix: what happens, at which stage -> the same result.

Each row disturbs one run of two workers, six map and three reduce tasks.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.faults.play import PATIENT, SOON, kill, on, stop
from tests.stage import Knock, Script

BOUND_S = 40.0  # of 60, after which somebody would be given up


def first_attempts(*names: str, do: str = "hang") -> Script:
    def script(knock: Knock) -> str:
        return do if knock.name in names and knock.times == 1 else "go"

    return script


EVERY_TASK = [f"map {i}" for i in range(6)] + [f"reduce {i}" for i in range(3)]

# {what happens: (script, whether a worker is lost; None: later, or not)}
FAULTS: dict[str, tuple[Script, bool | None]] = {
    "a worker is killed in a map task": (on("map 2", kill), True),
    "a worker is killed in a reduce task": (on("reduce 1", kill), True),
    "a map task ends its process": (on("map 2", "exit"), True),
    "a reduce task ends its process": (on("reduce 1", "exit"), True),
    "each map task kills its first worker": (
        first_attempts(*EVERY_TASK[:6], do="exit"),
        True,
    ),
    "each reduce task kills its first worker": (
        first_attempts(*EVERY_TASK[6:], do="exit"),
        True,
    ),
    "a worker stalls in a map task": (on("map 2", stop), None),
    "a worker stalls in a reduce task": (on("reduce 1", stop), None),
    "a map task hangs": (on("map 2", "hang"), False),
    "a reduce task hangs": (on("reduce 1", "hang"), False),
    "a map task hangs and cannot be cancelled": (
        on("map 2", "hang deaf"),
        None,
    ),
    "a reduce task hangs and cannot be cancelled": (
        on("reduce 1", "hang deaf"),
        None,
    ),
    "all workers hang in map tasks at once": (
        first_attempts("map 0", "map 1"),
        True,
    ),
    "all workers hang in reduce tasks at once": (
        first_attempts("reduce 0", "reduce 1"),
        True,
    ),
    "every task raises at first": (
        first_attempts(*EVERY_TASK, do="raise"),
        False,
    ),
    "a map task raises three times": (on("map 2", "raise", 3), False),
    "a reduce task raises three times": (on("reduce 1", "raise", 3), False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_result_is_the_same_when(start: Any, fault: str) -> None:
    script, lost = FAULTS[fault]
    gives_up = ("stalls" in fault or "hang" in fault) and lost is not False
    play = start(script, **SOON if gives_up else {})
    before = play.pids()
    begin = time.monotonic()
    result = play.run()
    assert time.monotonic() - begin < BOUND_S
    assert result.stats.reruns >= 1
    # Between jobs nobody looks who has died: a backup may have done all that
    # was left before a death was noticed.
    play.run_again()
    assert len(play.pids()) == 2, "who is lost is replaced"
    if lost is not None:
        assert (play.pids() != before) == lost


def test_without_a_fault_nothing_runs_again(start: Any) -> None:
    play = start(policy=PATIENT)
    before = play.pids()
    assert play.run().stats.reruns == 0
    assert sorted(play.stage.names()) == sorted(EVERY_TASK)
    assert play.pids() == before
