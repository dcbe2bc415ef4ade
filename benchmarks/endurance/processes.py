"""What the system says of a process: memory, descriptors, shared memory.

Runs on Linux: /proc is where the kernel writes it.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def resident_bytes(pid: int) -> int:
    """Give the memory of a process, shared pages included."""
    return int(psutil.Process(pid).memory_info().rss)


def children(pid: int) -> int:
    """Count the processes that it has started and that still run."""
    return len(psutil.Process(pid).children())


def descriptors(pid: int) -> int:
    """Count open files, pipes and sockets."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def shared_mappings(pid: int) -> int:
    """Count the mappings that other processes may share."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return sum(line.split()[1].endswith("s") for line in lines)


def shared_files() -> int:
    """Count the files of the system's folder for shared memory."""
    return len(os.listdir("/dev/shm"))


def have_ended(pids: list[int]) -> bool:
    """Tell whether none of these processes runs any more."""
    return not any(psutil.pid_exists(pid) for pid in pids)
