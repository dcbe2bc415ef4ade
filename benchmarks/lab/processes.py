"""Finds the processes of a node, and kills them.

A process belongs to a node by what it cannot change: its cgroup or network
namespace. Without these, a mark in its environment shows it, which its
children inherit.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.lab.plan import LabError

MARK = "MINIMR_LAB_MARK"
END_TIMEOUT_S = 20.0


def marked(mark: str) -> set[int]:
    """Return the processes that were started with a mark."""
    wanted = f"{MARK}={mark}".encode()
    found = set()
    for pid in _all():
        with suppress(OSError):  # it has ended, or is another user's
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            if wanted in environ.split(b"\0"):
                found.add(pid)
    return found


def in_namespace(path: Path) -> set[int]:
    """Return the processes in a network namespace."""
    try:
        wanted = path.stat()
    except FileNotFoundError:
        return set()
    found = set()
    for pid in _all():
        with suppress(OSError):
            there = os.stat(f"/proc/{pid}/ns/net")
            if (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino):
                found.add(pid)
    return found


def in_cgroup(folder: Path) -> set[int]:
    """Return the processes of a cgroup."""
    try:
        found = set(map(int, (folder / "cgroup.procs").read_text().split()))
    except FileNotFoundError:
        return set()
    return found - {0}  # one of another PID namespace; to `kill`, our own


def end_all(find: Callable[[], Iterable[int]]) -> int:
    """Kill what `find` returns until it returns nothing; return how many.

    Blocks: until all have ended, and all that they forked meanwhile.

    Raises:
        LabError: some do not end.
    """
    until = time.monotonic() + END_TIMEOUT_S
    ended: set[int] = set()
    while pids := set(find()) - {os.getpid()}:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            _await_end(pid, until)
        ended |= pids
        if time.monotonic() > until:
            raise LabError(f"these processes do not end: {sorted(pids)}")
    return len(ended)


def facts(pids: Iterable[int]) -> list[dict[str, Any]]:
    """Return command, CPU and memory of processes, shared pages divided."""
    found = []
    for pid in sorted(pids):
        with suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            times = process.cpu_times()
            found.append(
                {
                    "pid": pid,
                    "parent": process.ppid(),
                    "command": " ".join(process.cmdline()),
                    "cpu_seconds": times.user + times.system,
                    "memory_bytes": process.memory_full_info().pss,
                }
            )
    return found


def _await_end(pid: int, until: float) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    rest = max(0.0, until - time.monotonic())
    select.select([descriptor], [], [], rest)
    os.close(descriptor)


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
