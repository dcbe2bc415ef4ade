"""The memory and the CPUs that this process may use, by its cgroup.

    /proc/self/cgroup ──> our group ──> its parents ──> the root
                          the smallest limit of all of them counts

Containers, services and batch systems set such limits (version 1 and 2). A
process that takes as much memory as the machine has is killed for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OURS = Path("/proc/self/cgroup")


def memory_bytes(groups: Path = GROUPS, ours: Path = OURS) -> int:
    """Return how much memory all our processes may use together."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [machine]
    for folder in _folders("memory", groups, ours):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limits += [int(word) for word in _words(folder / name)]
    return min(limits)


def cpus(groups: Path = GROUPS, ours: Path = OURS) -> int:
    """Return how many CPUs we may use: rounded down, at least one."""
    limits = [float(len(os.sched_getaffinity(0)))]
    for folder in _folders("cpu", groups, ours):
        both = _words(folder / "cpu.max") or [
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        if len(both) == 2 and int(both[0]) > 0:  # -1: none
            limits.append(int(both[0]) / int(both[1]))
    return max(1, int(min(limits)))


def _folders(kind: str, groups: Path, ours: Path) -> Iterator[Path]:
    """Yield the folder of our group, and those above it."""
    for line in ours.read_text().splitlines() if ours.exists() else ():
        _, kinds, path = line.split(":", 2)
        if kinds and kind not in kinds.split(","):
            continue
        root = groups / kind if kinds else groups
        folder = root / path.lstrip("/")
        yield folder
        yield from (up for up in folder.parents if up.is_relative_to(root))


def _words(file: Path) -> list[str]:
    """Return the limits in a file: none for "max", or without a file."""
    try:
        words = file.read_text().split()
    except OSError:
        return []
    return [] if "max" in words[:1] else words
