"""Describes the machine of a measurement: numbers mean nothing without."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from minimr import __version__

PACKAGES = (
    "ray",
    "torch",
    "gymnasium",
    "numpy",
    "cloudpickle",
    "distributed",
    "polars",
    "stable-baselines3",
)


def facts() -> dict[str, Any]:
    """Return the machine, the software, the time and the command."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command(sys.argv[1:]),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "ram_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": packages(),
    }


def command(arguments: Sequence[str]) -> str:
    """Return how a benchmark was called, without where its files lie."""
    names = [Path(a).name if Path(a).is_absolute() else a for a in arguments]
    return shlex.join(["python", "-m", "benchmarks", *names])


def in_words(machine: dict[str, Any]) -> str:
    """Return the most important facts in one line."""
    ram = machine["ram_bytes"] / 2**30
    return (
        f"{machine['cpu']}, {machine['usable_cores']} cores, "
        f"{ram:.0f} GiB, Python {machine['python']}"
    )


def cpu_model() -> str:
    """Return the name of the processor."""
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                if key.strip() in ("model name", "Model"):
                    return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return how many cores this process may use, quotas included."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(limit) // int(period)))
    except (OSError, ValueError):  # no such file, or no limit: "max"
        return cores


def packages() -> dict[str, str]:
    """Return the versions of the installed `PACKAGES`."""
    found = {"minimr": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
