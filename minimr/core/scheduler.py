"""Where a task can run: pure decisions on a view of the cluster.

    placement + nodes ── decide ──┬─> an address: here, or ask that node
                                  ├─> None: it waits here
                                  └─> NeverError: no node can ever run it

Rules (Ray's, made smaller):

1. DEFAULT fills half of this node first, then the node with least in use,
   as in Ray; a task that was sent here stays if there is room.
2. SPREAD is round-robin. Many SPREAD tasks queue at nodes that are full, so
   that none idles while news travels; the last few wait for a node with
   room. Once sent on, a task is not spread again.
3. Affinity is hard, or soft: a soft one gives way when its node can never run
   the task.
4. A task that waits waits at a node that could ever run it. It is not tied
   to that node: each news of the cluster decides again.
5. What no node of the cluster could ever run fails at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from minimr.core.messages import (
    Labels,
    NodeInfo,
    Resources,
    Shape,
    Wishes,
    format_resources,
)
from minimr.net.channel import Address

FEW = 8  # SPREAD tasks that wait for room
LIGHT = 0.5  # a node of which less is in use counts as empty
ALL = math.inf  # so does any node, however full
CRITICAL = ("CPU", "memory", "object_store_memory")  # what is in use of them

Nodes = Sequence[NodeInfo]


class NeverError(Exception):
    """No node can ever run it; the text says why."""


class Placement(NamedTuple):
    """A task that wants a node.

    Attributes:
        here: the id of the node that decides; its info is up to date.
        turn: counts up with each SPREAD decision of this node.
        hops: not 0: this node was chosen for it.
        left: how many tasks like it want a place, this one included.
    """

    shape: Shape
    here: str
    turn: int = 0
    hops: int = 0
    left: int = FEW + 1


def decide(task: Placement, nodes: Nodes) -> Address | None:
    """Return the node that a task goes to; None: it waits here.

    Args:
        nodes: all nodes that live.

    Raises:
        NeverError: no node can ever run it.
    """
    shape = task.shape
    labelled = [node for node in nodes if suits(node.labels, shape.labels)]
    if not labelled:
        raise NeverError(_explain_labels(shape, nodes))
    kind = shape.strategy[0] if shape.strategy else "DEFAULT"
    best = STRATEGIES[kind](task, labelled)
    if best is None or (
        best.id == task.here and not fits(best.available, shape)
    ):
        return None
    return best.address


def candidates(shape: Shape, nodes: Nodes) -> tuple[Nodes, Nodes]:
    """Return the nodes that could ever run a task, and those with room now.

    Raises:
        NeverError: there are none of the former.
    """
    able = [node for node in nodes if fits(node.total, shape)]
    if not able:
        raise NeverError(_explain(shape, nodes))
    return able, [node for node in able if fits(node.available, shape)]


def least_in_use(task: Placement, nodes: Nodes) -> NodeInfo:
    """DEFAULT: this node while half of it is free, then the emptiest."""
    able, ready = candidates(task.shape, nodes)
    light = LIGHT if ready and not task.hops else ALL
    return min(ready or able, key=lambda node: _rank(node, task.here, light))


def spread(task: Placement, nodes: Nodes) -> NodeInfo | None:
    """SPREAD: the next node in turn; None: wait for one with room."""
    if task.hops:
        return least_in_use(task, nodes)
    able, ready = candidates(task.shape, nodes)
    if not ready and task.left <= FEW:
        return None
    ring = sorted(ready or able, key=lambda node: node.id)
    return ring[task.turn % len(ring)]


def affinity(task: Placement, nodes: Nodes) -> NodeInfo:
    """Node affinity: that node; if it is soft and can never be, any."""
    assert task.shape.strategy is not None
    _, id, soft = task.shape.strategy
    chosen = [node for node in nodes if node.id == id]
    if soft and not any(fits(node.total, task.shape) for node in chosen):
        return least_in_use(task, nodes)
    if not chosen:
        raise NeverError(f"node {id} of its affinity is not alive")
    return least_in_use(task, chosen)


# A bundle of a placement group is a resource of its node, and no more.
STRATEGIES: dict[str, Callable[[Placement, Nodes], NodeInfo | None]] = {
    "DEFAULT": least_in_use,
    "SPREAD": spread,
    "node": affinity,
    "group": least_in_use,
}


def fits(have: Resources, shape: Shape) -> bool:
    """Return whether a task of this shape finds all that it asks for."""
    return all(have.get(name, 0.0) >= need for name, need in shape.resources)


def _rank(
    node: NodeInfo, here: str, light: float
) -> tuple[float, bool, float, str]:
    """Return a key that orders nodes, the best first.

    Of those that count as empty this node is the best.
    """
    used = _in_use(node)
    heavy = used if used >= light else 0.0
    return (heavy, node.id != here, used, node.id)


def _in_use(node: NodeInfo) -> float:
    """Return which part of a node's scarcest resource is in use."""
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
    """Return whether a node has the labels that it should."""
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
    wanted = format_resources(shape.resources)
    there = "; ".join(
        f"{node.id[:8]} has {format_resources(node.total.items())}"
        for node in nodes
    )
    return (
        f"no node can ever run this: it asks for {wanted}, and node "
        f"{there or 'list is empty'}. Ask for less, or start a node that has "
        "it"
    )


def holds(have: Mapping[str, float], need: Mapping[str, float]) -> bool:
    """Return whether there is enough of everything."""
    return all(have.get(name, 0.0) >= n for name, n in need.items())


def total(bundles: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the sum of what bundles ask for."""
    sums: dict[str, float] = {}
    for bundle in bundles:
        for name, need in bundle.items():
            sums[name] = sums.get(name, 0.0) + need
    return sums
