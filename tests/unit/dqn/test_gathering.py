"""Who goes first on a core that two want."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os
from dqn.distributed.experience import Player

player, before = object.__new__(Player), os.nice(0)
player.give_way(os.getpid())
in_driver = os.nice(0)
player.give_way(os.getppid())
print(in_driver - before, os.nice(0) > before)
"""


def test_an_agent_gives_way_but_not_the_driver_when_it_is_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split() == ["0", "True"]
