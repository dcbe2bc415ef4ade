"""Where a task can run: pure decisions on a view of the cluster.

Rules (Ray's, made smaller):

1. DEFAULT fills this node first, then the node with most room; SPREAD goes
   round the nodes; affinity is a must, or a wish (soft).
   Many SPREAD tasks queue at nodes that are full, so that none idles while
   news travels; the last few wait for a node with room.
2. A task that waits waits at a node that could ever run it.
3. What no node of the cluster could ever run fails at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minimr.core.messages import NodeInfo, Resources, Shape, say
from minimr.net.channel import Address

FEW = 8  # SPREAD tasks that wait for room
UNIT = 10_000  # the smallest part of a resource is 1/UNIT


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
        self._gpus = [1.0] * int(total.get("GPU", 0))

    def take(self, amounts: Iterable[tuple[str, float]]) -> None:
        """Count down."""
        self.give((name, -need) for name, need in amounts)

    def give(self, amounts: Iterable[tuple[str, float]]) -> None:
        """Count up."""
        for name, need in amounts:
            have = self.available.get(name, 0.0) + need
            self.available[name] = round(have * UNIT) / UNIT

    def take_gpus(self, amount: float) -> tuple[int, ...]:
        """Choose GPUs: whole ones, or a part of one."""
        part, count = min(amount, 1.0), max(1, int(amount))
        free = [i for i, have in enumerate(self._gpus) if have >= part > 0]
        self.give_gpus(free[:count], -amount)
        return tuple(free[:count])

    def give_gpus(self, ids: Sequence[int], amount: float) -> None:
        """Give chosen GPUs back."""
        part = max(-1.0, min(amount, 1.0))
        for index in ids:
            self._gpus[index] = round((self._gpus[index] + part) * UNIT) / UNIT


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
        hops: how many nodes have sent it on already.
        left: how many tasks like it want a place, this one included.

    Raises:
        NeverError: no node can ever run it.
    """
    kind, *wanted = shape.strategy or ("DEFAULT",)
    if kind == "node":
        chosen = [node for node in nodes if node.id == wanted[0]]
        soft = wanted[1]
        if not chosen and not soft:
            raise NeverError(f"node {wanted[0]} of its affinity is not alive")
        if any(_fits(node.total, shape) for node in chosen) or not soft:
            nodes = chosen
    able = [node for node in nodes if _fits(node.total, shape)]
    if not able:
        raise NeverError(_explain(shape, nodes))
    ready = [node for node in able if _fits(node.available, shape)]
    if kind == "SPREAD" and not hops:
        if not ready and left <= FEW:
            return None
        ready = sorted(ready or able)
        best = ready[turn % len(ready)]
    else:
        # Who was sent here waits here, if it ever can run here.
        ready = able if hops or not ready else ready
        mine = [node for node in ready if node.id == here]
        best = mine[0] if mine else max(ready, key=_room)
    waits = best.id == here and not _fits(best.available, shape)
    return None if waits else best.address


def _fits(have: Resources, shape: Shape) -> bool:
    return all(have.get(name, 0.0) >= need for name, need in shape.resources)


def _room(node: NodeInfo) -> tuple[float, str]:
    return (node.available.get("CPU", 0.0), node.id)


def _explain(shape: Shape, nodes: Sequence[NodeInfo]) -> str:
    there = "; ".join(
        f"{node.id[:8]} has {say(node.total.items())}" for node in nodes
    )
    return (
        f"no node can ever run this: it asks for {say(shape.resources)}, "
        f"and node {there or 'list is empty'}. Ask for less, or start a "
        "node that has it"
    )
