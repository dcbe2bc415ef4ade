"""What a process uses, by /proc: memory, descriptors, shared memory.

Runs on Linux.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def resident_bytes(pid: int) -> int:
    """Return the memory of a process in bytes, shared pages included."""
    return int(psutil.Process(pid).memory_info().rss)


def children(pid: int) -> int:
    """Return how many children of a process still run."""
    return len(psutil.Process(pid).children())


def descriptors(pid: int) -> int:
    """Return how many files, pipes and sockets a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def shared_mappings(pid: int) -> int:
    """Return how many mappings of a process are shared."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return sum(line.split()[1].endswith("s") for line in lines)


def shared_files() -> int:
    """Return how many files of minimr's are in /dev/shm.

    Other programs have theirs there, which come and go.
    """
    return sum("minimr" in name for name in os.listdir("/dev/shm"))


def have_ended(pids: list[int]) -> bool:
    """Return whether none of these processes runs any more."""
    return not any(psutil.pid_exists(pid) for pid in pids)
