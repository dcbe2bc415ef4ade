"""Where a task can run: pure decisions on a view of the cluster.

    decide(shape, here, nodes) ─> Here | There(address) | Wait | Never(why)

Rules (Ray's, made smaller):

1. DEFAULT fills this node first, then the node with most room; SPREAD goes
   round the nodes; affinity is a must, or a wish (soft).
2. A task that waits waits at a node that could ever run it.
3. What no node of the cluster could ever run fails at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from minimr.core.messages import NodeInfo, Resources, Shape
from minimr.net.channel import Address

UNIT = 10_000  # the smallest part of a resource is 1/UNIT


class Here(NamedTuple):
    """This node has room now."""


class There(NamedTuple):
    """Another node should be asked."""

    address: Address


class Wait(NamedTuple):
    """This node could run it, when others have ended."""


class Never(NamedTuple):
    """No node can ever run it."""

    why: str


Decision = Here | There | Wait | Never


class Pool:
    """The resources of one node, and what is left of them.

    `available` may fall below zero: a task whose wait is over takes its CPU
    back, even if somebody else has it by then.
    """

    def __init__(self, total: Resources) -> None:
        self.total = dict(total)
        self.available = dict(total)
        self._gpus = [1.0] * int(total.get("GPU", 0))

    def fits(self, amounts: Iterable[tuple[str, float]]) -> bool:
        """Tell whether there is room now."""
        have = self.available
        return all(have.get(name, 0.0) >= need for name, need in amounts)

    def take(self, amounts: Iterable[tuple[str, float]]) -> None:
        """Count down."""
        for name, need in amounts:
            self._add(name, -need)

    def give(self, amounts: Iterable[tuple[str, float]]) -> None:
        """Count up."""
        for name, need in amounts:
            self._add(name, need)

    def _add(self, name: str, amount: float) -> None:
        have = self.available.get(name, 0.0) + amount
        self.available[name] = round(have * UNIT) / UNIT

    def take_gpus(self, amount: float) -> tuple[int, ...]:
        """Choose GPUs: whole ones, or a part of one."""
        ids: list[int] = []
        part = min(amount, 1.0)
        for index, free in enumerate(self._gpus):
            if part > 0 and free >= part and len(ids) < max(1, int(amount)):
                self._gpus[index] = round((free - part) * UNIT) / UNIT
                ids.append(index)
        return tuple(ids)

    def give_gpus(self, ids: Sequence[int], amount: float) -> None:
        """Give chosen GPUs back."""
        part = min(amount, 1.0)
        for index in ids:
            self._gpus[index] = round((self._gpus[index] + part) * UNIT) / UNIT


def decide(
    shape: Shape, here: str, nodes: Sequence[NodeInfo], turn: int, hops: int
) -> Decision:
    """Say where a task of this shape goes.

    Args:
        here: the id of the node that decides; its info is up to date.
        nodes: all nodes that live.
        turn: counts up with each SPREAD decision of this node.
        hops: how many nodes have sent it on already.
    """
    strategy = shape.strategy or ("DEFAULT",)
    if strategy[0] == "node":
        _, wanted, soft = strategy
        chosen = [node for node in nodes if node.id == wanted]
        if not chosen and not soft:
            return Never(f"node {wanted} of its node affinity is not alive")
        if chosen and (not soft or feasible(chosen, shape)):
            nodes = chosen
    able = feasible(nodes, shape)
    if not able:
        return Never(_explain(shape, nodes))
    ready = [node for node in able if _fits(node.available, shape)]
    mine = [node for node in ready if node.id == here]
    if strategy[0] == "SPREAD" and not hops:
        ready = ready or able
        node = sorted(ready)[turn % len(ready)]
        if node.id != here:
            return There(node.address)
        return Here() if mine else Wait()
    if mine:
        return Here()
    if ready and not hops:
        return There(max(ready, key=_room).address)
    if any(node.id == here for node in able):
        return Wait()
    return There(max(able, key=_room).address)


def feasible(nodes: Sequence[NodeInfo], shape: Shape) -> list[NodeInfo]:
    """Give the nodes that could run it if they were empty."""
    return [node for node in nodes if _fits(node.total, shape)]


def _fits(have: Resources, shape: Shape) -> bool:
    return all(have.get(name, 0.0) >= need for name, need in shape.resources)


def _room(node: NodeInfo) -> tuple[float, str]:
    return (node.available.get("CPU", 0.0), node.id)


def _explain(shape: Shape, nodes: Sequence[NodeInfo]) -> str:
    there = "; ".join(
        f"{node.id[:8]} has {_say(node.total.items())}" for node in nodes
    )
    return (
        f"no node can ever run this: it asks for {_say(shape.resources)}, "
        f"and node {there or 'list is empty'}. Ask for less, or start a "
        "node that has it"
    )


def _say(amounts: Iterable[tuple[str, float]]) -> str:
    parts = [f"{name}: {amount:g}" for name, amount in amounts]
    return "{" + ", ".join(parts) + "}"
