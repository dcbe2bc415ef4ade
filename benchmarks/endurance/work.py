"""What the workers of the long runs do.

A module of its own that imports next to nothing: each of a thousand actors
loads it in a new process.
"""

from __future__ import annotations

import os
from typing import Any


def nothing() -> None:
    """Be a task."""


class Member:
    """Be an actor."""

    def pid(self) -> int:
        """Give the process id."""
        return os.getpid()


def add_up(inside: list[Any]) -> int:
    """Be a task that reads each reference in a list in a list."""
    import minimr as ray

    return sum(ray.get(inside[0]))


class Reader:
    """Read an array; tell what that does to our own memory."""

    def read(self, array: Any) -> tuple[int, int, int]:
        """Give the sum, and our private bytes before and after."""
        before = private_bytes()
        total = int(array.sum())
        return total, before, private_bytes()


def private_bytes() -> int:
    """Give the memory of this process that no other one has mapped."""
    with open("/proc/self/smaps_rollup") as rollup:
        lines = [line.split() for line in rollup]
    return sum(
        int(words[1]) * 1024
        for words in lines
        if words[0].startswith("Private_")
    )
