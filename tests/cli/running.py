"""How tests run the command: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEADLINE_S = 90
# In one run, which costs less than three. Ray's start is paid once, where it
# counts.
ENGINES = "serial,sockets,minimr"

Minimr = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MINIMR_TOKEN_FILE": str(folder / "token"),
    }


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "minimr", *map(str, arguments)]
