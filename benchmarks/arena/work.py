"""The functions that every runtime runs. They import nothing."""

from __future__ import annotations

from typing import Any


def increment(x: int) -> int:
    """Return one more: next to no work."""
    return x + 1


def total(*values: int) -> int:
    """Return the sum of all arguments."""
    return sum(values)


def weigh(array: Any) -> float:
    """Return the sum of an array, so that all of it has arrived."""
    return float(array.sum())


def spin(iterations: int) -> int:
    """Keep a core busy; return what `spun` returns at once."""
    x = 0
    for i in range(iterations):
        x ^= i
    return x


def spun(iterations: int) -> int:
    """Return 0 ^ 1 ^ ... ^ (iterations - 1)."""
    last = iterations - 1
    return (last, 1, last + 1, 0)[last % 4] if iterations else 0


class Counter:
    """An actor."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, number: int) -> int:
        """Return the new count."""
        self.count += number
        return self.count
