"""Where actors go: GlobalNet on the head, the agents on the other nodes.

    nodes ─> places: one a slot, round and round ─> node of agent 0, 1, ..
                                                    └─> CPUs that fit

A machine that is smaller than what the actors ask for gets smaller actors,
and is told so, instead of a run that waits for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from math import ceil
from typing import Any


@dataclass(frozen=True)
class Placement:
    """Where each actor goes, and how many processors it asks for."""

    head: str  # the id of a node
    agents: tuple[str, ...]  # of a node, for agent 0, 1, ...
    num_cpus: float  # of an agent
    note: str  # what to tell the user, or nothing


def place(verbs: Any, num_agents: int, num_cpus: float) -> Placement:
    """Spread agents over the nodes that are alive.

    Args:
        verbs: the module of the engine.
        num_agents: how many to place.
        num_cpus: what each would like to have.
    """
    alive = {
        node["NodeID"]: float(node["Resources"].get("CPU", 0))
        for node in verbs.nodes()
        if node["Alive"]
    }
    head = _here(verbs, alive)
    others = sorted(node for node in alive if node != head and alive[node])
    nodes = others or [head]
    places = tuple(nodes[i % len(nodes)] for i in range(num_agents))
    on_a_node = ceil(num_agents / len(nodes))
    room = min(alive[node] for node in nodes) / on_a_node
    fitting = num_cpus if room >= num_cpus else _rounded(room)
    note = ""
    if fitting < num_cpus:
        note = (
            f"each agent asks for {fitting:g} CPU instead of {num_cpus:g}: "
            f"{num_agents} on {len(nodes)} of the nodes fit only so"
        )
    return Placement(head, places, fitting, note)


def strategy(verbs: Any, node: str) -> Any:
    """Give the option that puts an actor on a node, if it can be there."""
    if verbs.__name__ == "dqn.serial":  # one place, and no choice of it
        return None
    module = import_module(f"{verbs.__name__}.util.scheduling_strategies")
    return module.NodeAffinitySchedulingStrategy(node, soft=True)


def _here(verbs: Any, alive: dict[str, float]) -> str:
    """Name the head: the node that the driver runs on."""
    if len(alive) == 1:
        return next(iter(alive))
    return str(verbs.get_runtime_context().get_node_id())


def _rounded(room: float) -> float:
    """Give whole processors, or below one hundredths of one."""
    return float(int(room)) if room >= 1 else int(room * 100) / 100
