"""Where a task can run: pure decisions on a view of the cluster.

Rules (Ray's, made smaller):

1. DEFAULT fills half of this node first, then goes where least is in use,
   as in Ray; who was sent here stays if there is room. SPREAD goes round
   the nodes; affinity is a must, or a wish (soft).
   Many SPREAD tasks queue at nodes that are full, so that none idles while
   news travels; the last few wait for a node with room.
2. A task that waits waits at a node that could ever run it. Who was sent
   on is not tied to where it waits: each news of the cluster decides again.
3. What no node of the cluster could ever run fails at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from minimr.core.messages import (
    BUNDLE,
    BUNDLE_AMOUNT,
    Amounts,
    Labels,
    NodeInfo,
    Resources,
    Shape,
    Wishes,
    base,
    in_group,
    say,
)
from minimr.net.channel import Address

FEW = 8  # SPREAD tasks that wait for room
UNIT = 10_000  # the smallest part of a resource is 1/UNIT
LIGHT = 0.5  # a node of which less is in use counts as empty
ALL = math.inf  # so does any node, however full
CRITICAL = ("CPU", "memory", "object_store_memory")  # what is in use of them


class NeverError(Exception):
    """No node can ever run it; the text says why."""


class Pool:
    """The resources of one node, and what is left of them.

    `available` may fall below zero: a task whose wait is over takes its CPU
    back, even if somebody else has it by then.
    """

    def __init__(self, total: Resources) -> None:
        self.total = dict(total)
        self.available = dict(total)
        # {"GPU", or that of a placement group: {number: what is free of it}}
        ids = range(int(total.get("GPU", 0)))
        self._gpus: dict[str, dict[int, float]] = {
            "GPU": dict.fromkeys(ids, 1.0)
        }

    def take(self, amounts: Iterable[tuple[str, float]]) -> None:
        """Count down."""
        self.give((name, -need) for name, need in amounts)

    def give(self, amounts: Iterable[tuple[str, float]]) -> None:
        """Count up, but for what a removed placement group had."""
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
        """Give chosen GPUs back."""
        source, amount = _gpus_of(amounts)
        self._count_gpus(source, ids, min(amount, 1.0))

    def _count_gpus(
        self, source: str, ids: Sequence[int], part: float
    ) -> None:
        known = self._gpus.get(source, {})  # of a removed group: none
        for id in ids if known else ():
            known[id] = round((known[id] + part) * UNIT) / UNIT

    # ---- bundles of placement groups, see `groups.py` ----

    def reserve(
        self, group: str, index: int, amounts: Amounts
    ) -> tuple[int, ...]:
        """Set resources aside for a bundle. Returns: its GPUs."""
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
        """Give back what the bundles of a group have."""
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


def decide(
    shape: Shape,
    here: str,
    nodes: Sequence[NodeInfo],
    turn: int,
    hops: int,
    left: int = FEW + 1,
) -> Address | None:
    """Say to which node a task of this shape goes; None: it waits here.

    Args:
        here: the id of the node that decides; its info is up to date.
        nodes: all nodes that live.
        turn: counts up with each SPREAD decision of this node.
        hops: not 0: this node was chosen for it.
        left: how many tasks like it want a place, this one included.

    Raises:
        NeverError: no node can ever run it.
    """
    everywhere = nodes
    nodes = [node for node in nodes if suits(node.labels, shape.labels)]
    if not nodes:
        raise NeverError(_explain_labels(shape, everywhere))
    kind, *wanted = shape.strategy or ("DEFAULT",)
    if kind == "node":
        chosen = [node for node in nodes if node.id == wanted[0]]
        soft = wanted[1]
        if not chosen and not soft:
            raise NeverError(f"node {wanted[0]} of its affinity is not alive")
        if any(fits(node.total, shape) for node in chosen) or not soft:
            nodes = chosen
    able = [node for node in nodes if fits(node.total, shape)]
    if not able:
        raise NeverError(_explain(shape, nodes))
    ready = [node for node in able if fits(node.available, shape)]
    if kind == "SPREAD" and not hops:
        if not ready and left <= FEW:
            return None
        ready = sorted(ready or able)
        best = ready[turn % len(ready)]
    else:
        light = LIGHT if ready and not hops else ALL
        best = min(ready or able, key=lambda node: _rank(node, here, light))
    waits = best.id == here and not fits(best.available, shape)
    return None if waits else best.address


def fits(have: Resources, shape: Shape) -> bool:
    """Tell whether a task of this shape finds all that it asks for."""
    return all(have.get(name, 0.0) >= need for name, need in shape.resources)


def _rank(
    node: NodeInfo, here: str, light: float
) -> tuple[float, bool, float, str]:
    """Order nodes, the best first; of light ones this node is the best."""
    used = _in_use(node)
    heavy = used if used >= light else 0.0
    return (heavy, node.id != here, used, node.id)


def _in_use(node: NodeInfo) -> float:
    """Tell which part of a node's scarcest resource is in use."""
    totals = [(name, node.total.get(name, 0.0)) for name in CRITICAL]
    return max(
        (
            1.0 - node.available.get(name, 0.0) / total
            for name, total in totals
            if total
        ),
        default=0.0,
    )


def suits(labels: Labels, wishes: Wishes) -> bool:
    """Tell whether a node has the labels that it should."""
    return all(
        (labels.get(key) in values) is not none for key, none, values in wishes
    )


def _explain_labels(shape: Shape, nodes: Sequence[NodeInfo]) -> str:
    wanted = ", ".join(
        f"{key} {'not ' if none else ''}in {list(values)}"
        for key, none, values in shape.labels
    )
    there = "; ".join(f"{node.id[:8]} has {node.labels}" for node in nodes)
    return (
        f"no node can ever run this: it asks for labels, {wanted}, and node "
        f"{there}. Start a node that has them: `minimr start --labels ...`"
    )


def _explain(shape: Shape, nodes: Sequence[NodeInfo]) -> str:
    there = "; ".join(
        f"{node.id[:8]} has {say(node.total.items())}" for node in nodes
    )
    return (
        f"no node can ever run this: it asks for {say(shape.resources)}, "
        f"and node {there or 'list is empty'}. Ask for less, or start a "
        "node that has it"
    )


def holds(have: Mapping[str, float], need: Mapping[str, float]) -> bool:
    """Tell whether there is enough of everything."""
    return all(have.get(name, 0.0) >= n for name, n in need.items())


def total(bundles: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Add up what bundles ask for."""
    sums: dict[str, float] = {}
    for bundle in bundles:
        for name, need in bundle.items():
            sums[name] = sums.get(name, 0.0) + need
    return sums
