"""The tasks and actors of the long runs.

A module of its own that imports next to nothing: each of a thousand actors
loads it in a new process.
"""

from __future__ import annotations

import os
from typing import Any


def nothing() -> None:
    """A task that does nothing."""


class Member:
    """An actor."""

    def pid(self) -> int:
        """Return the process id."""
        return os.getpid()


def add_up(inside: list[Any]) -> int:
    """A task that returns the sum of references in a list in a list."""
    import minimr as ray

    return sum(ray.get(inside[0]))


class Reader:
    """An actor that reads an array and measures its own memory."""

    def read(self, array: Any) -> tuple[int, int, int]:
        """Return the sum, and our private bytes before and after."""
        before = private_bytes()
        total = int(array.sum())
        return total, before, private_bytes()


def private_bytes() -> int:
    """Return how many bytes of memory only this process has mapped."""
    with open("/proc/self/smaps_rollup") as rollup:
        lines = [line.split() for line in rollup]
    return sum(
        int(words[1]) * 1024
        for words in lines
        if words[0].startswith("Private_")
    )
