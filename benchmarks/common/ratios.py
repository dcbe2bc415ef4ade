"""Two rates of many rounds: is one higher than the other?

Rule: a ratio is of rounds that were neighbours. Shown are the median of the
ratios and an interval that covers the true one nineteen times of twenty,
drawn again and again from the rounds (the bootstrap; Efron, 1979).
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import Any

import click

DRAWS = 2000


def head(one: str, other: str) -> None:
    """Print what stands in the columns of the rows."""
    click.echo(f"{'':46}{one:>12}{other:>12}{'ratio':>8}")


def row(name: str, **rates: Sequence[float]) -> dict[str, Any]:
    """Print and return what two were in one case; more is better."""
    one, other = rates.values()
    ratios = [new / old for old, new in zip(one, other, strict=True)]
    low, high = interval(ratios)
    middle = statistics.median(ratios)
    click.echo(
        f"{name:46}{statistics.median(one):>12,.1f}"
        f"{statistics.median(other):>12,.1f}{middle:>8.2f}"
        f"   {low:.2f}-{high:.2f}"
    )
    return {"name": name, **rates, "ratio": middle, "interval": (low, high)}


def interval(ratios: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return where the true median ratio lies, nineteen times of twenty."""
    dice = random.Random(seed)
    medians = sorted(
        statistics.median(dice.choices(ratios, k=len(ratios)))
        for _ in range(DRAWS)
    )
    return medians[DRAWS // 40], medians[-1 - DRAWS // 40]
