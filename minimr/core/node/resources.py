"""The resources of one node: what it has, and what is left.

    lease ── take ──> available falls      ── give ──> it rises
    bundle ── reserve ──> a part of the node gets names of its own

Rules:

1. What is left may fall below zero: a task whose wait is over takes its CPU
   back, even if somebody else has it by then.
2. A GPU is given whole, or in parts of one; the same numbers are given back.
3. Amounts are whole multiples of 1/10,000: parts add up without a rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minimr.core.messages import (
    BUNDLE,
    BUNDLE_AMOUNT,
    Amounts,
    Resources,
    base,
    in_group,
)

UNIT = 10_000  # the smallest part of a resource is 1/UNIT


class Pool:
    """The resources of one node, and what is left of them."""

    def __init__(self, total: Resources) -> None:
        self.total = dict(total)
        self.available = dict(total)
        # {"GPU", or that of a placement group: {number: what is free of it}}
        ids = range(int(total.get("GPU", 0)))
        self._gpus: dict[str, dict[int, float]] = {
            "GPU": dict.fromkeys(ids, 1.0)
        }

    def cpus(self) -> int:
        """Return how many CPUs the node has, in whole ones."""
        return int(self.total.get("CPU", 0))

    def take(self, amounts: Iterable[tuple[str, float]]) -> None:
        """Subtract resources from what is left."""
        self.give((name, -need) for name, need in amounts)

    def give(self, amounts: Iterable[tuple[str, float]]) -> None:
        """Release resources, but for those of a removed placement group."""
        for name, need in amounts:
            if name in self.total:
                have = self.available.get(name, 0.0) + need
                self.available[name] = round(have * UNIT) / UNIT

    def take_gpus(self, amounts: Amounts) -> tuple[int, ...]:
        """Choose GPUs: whole ones, or a part of one."""
        source, amount = _gpus_of(amounts)
        part, count = min(amount, 1.0), max(1, int(amount))
        known = self._gpus.get(source, {})
        free = [i for i, have in known.items() if have >= part > 0]
        self._count_gpus(source, free[:count], -part)
        return tuple(free[:count])

    def give_gpus(self, ids: Sequence[int], amounts: Amounts) -> None:
        """Release chosen GPUs."""
        source, amount = _gpus_of(amounts)
        self._count_gpus(source, ids, min(amount, 1.0))

    def _count_gpus(
        self, source: str, ids: Sequence[int], part: float
    ) -> None:
        known = self._gpus.get(source, {})  # of a removed group: none
        for id in ids if known else ():
            known[id] = round((known[id] + part) * UNIT) / UNIT

    # ---- bundles of placement groups, see `bundles.py` ----

    def reserve(
        self, group: str, index: int, amounts: Amounts
    ) -> tuple[int, ...]:
        """Set resources aside for a bundle, and return its GPUs."""
        self.take(amounts)
        for name, amount in (*amounts, (BUNDLE, BUNDLE_AMOUNT)):
            for own in (in_group(name, group, index), in_group(name, group)):
                self.total[own] = self.total.get(own, 0.0) + amount
                self.give([(own, amount)])
        ids, part = self.take_gpus(amounts), min(1.0, _gpus_of(amounts)[1])
        bundles = self._gpus.setdefault(in_group("GPU", group), {})
        for id in ids:
            bundles[id] = bundles.get(id, 0.0) + part
        return ids

    def unreserve(
        self, group: str, bundles: Iterable[tuple[Amounts, tuple[int, ...]]]
    ) -> None:
        """Release the resources of the bundles of a group."""
        self._gpus.pop(in_group("GPU", group), None)
        for name in [n for n in self.total if n.endswith(f"_{group}")]:
            del self.total[name], self.available[name]
        for amounts, ids in bundles:
            self.give(amounts)
            self.give_gpus(ids, amounts)


def _gpus_of(amounts: Amounts) -> tuple[str, float]:
    """Return the name of the GPUs among resources, and how many."""
    for name, amount in amounts:
        # Of a bundle's two names, the one of the whole group.
        if base(name) == "GPU" and name.count("_") in (0, 2):
            return name, amount
    return "GPU", 0.0
