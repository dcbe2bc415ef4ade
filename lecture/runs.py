"""Keeps the runs of a notebook, for `minimr report`.

a run: {"run": "dqn", "scores": ..} ──> runs/NAME.json, with the machine
"""

from __future__ import annotations

import json
import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from minimr.system.files import atomic_writer

PACKAGES = ("minimr", "ray", "torch", "numpy")


def keep(name: str, run: dict[str, Any], folder: str = "runs") -> None:
    """Write a run, in the place of an earlier one of that name."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    command = f"the notebook of {run['run']}, engine {run['engine']}"
    content = {"machine": {**machine(), "command": command}, **run}
    with atomic_writer(str(Path(folder) / f"{name}.json")) as file:
        json.dump(content, file, indent=1)


def machine() -> dict[str, Any]:
    """Return what the numbers were made on, as benchmarks note it."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "ram_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line for line in lines if line.startswith("model name")]
    return named[0].partition(": ")[2] if named else platform.machine()
