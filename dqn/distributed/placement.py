"""Where actors go: GlobalNet on the head, the agents on the other nodes.

    nodes ─> round-robin ─> the node of agent 0, 1, ...
                            └─> as many CPUs as fit

On nodes that are smaller than the actors ask for, the actors get fewer CPUs,
and the user a line. Otherwise the run would wait for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from math import ceil
from typing import Any, NamedTuple


class Place(NamedTuple):
    """Where an agent goes, and how many processors it asks for."""

    node: str  # its id
    num_cpus: float


@dataclass(frozen=True)
class Placement:
    """Where each actor goes, and how many processors it asks for."""

    head: str  # the id of a node
    agents: tuple[Place, ...]  # of agent 0, 1, ...
    note: str = ""  # a line for the user


def place(verbs: Any, num_agents: int, num_cpus: float) -> Placement:
    """Spread agents over the nodes that are alive.

    Args:
        verbs: the module of the engine.
        num_agents: how many to place.
        num_cpus: that each asks for.
    """
    room = _cpus(verbs)
    head = _here(verbs, room)
    others = sorted(node for node in room if node != head and room[node])
    nodes = others or [head]
    on_a_node = ceil(num_agents / len(nodes))
    fitting = _fitting(num_cpus, min(room[node] for node in nodes) / on_a_node)
    agents = tuple(
        Place(nodes[i % len(nodes)], fitting) for i in range(num_agents)
    )
    note = ""
    if fitting < num_cpus:
        note = (
            f"each agent asks for {fitting:g} CPU instead of {num_cpus:g}, so "
            f"that {num_agents} fit on {len(nodes)} of the nodes"
        )
    return Placement(head, agents, note)


def place_again(verbs: Any, known: Placement, agent_id: int) -> Placement:
    """Place an agent again that has died.

    The others stay where they are; its node may be gone. So it goes where
    most CPUs are free, up to what it asks for, to the head only if no other
    node is as good. If none is free, it asks for none.
    """
    room, before = _cpus(verbs), known.agents[agent_id]
    for other, place in enumerate(known.agents):
        if other != agent_id and place.node in room:
            room[place.node] -= place.num_cpus
    wanted = before.num_cpus
    node = max(
        sorted(room),
        key=lambda n: (
            min(room[n], wanted),
            n == before.node,
            n != known.head,
        ),
    )
    agents, note = list(known.agents), ""
    agents[agent_id] = Place(node, _fitting(wanted, max(0.0, room[node])))
    if agents[agent_id].num_cpus < wanted:
        note = (
            f"agent {agent_id} asks for {agents[agent_id].num_cpus:g} CPU "
            f"instead of {wanted:g}: no node has more left"
        )
    return Placement(known.head, tuple(agents), note)


def strategy(verbs: Any, place: Place) -> Any:
    """Return the option that puts an actor on a node, if possible.

    For an actor without a CPU it is a hard one: Ray ignores a soft one then.
    """
    if verbs.__name__ == "dqn.distributed.serial_verbs":  # there is one place
        return None
    module = import_module(f"{verbs.__name__}.util.scheduling_strategies")
    return module.NodeAffinitySchedulingStrategy(
        place.node, soft=place.num_cpus > 0
    )


def _cpus(verbs: Any) -> dict[str, float]:
    """Return the number of processors of each node that is alive."""
    return {
        node["NodeID"]: float(node["Resources"].get("CPU", 0))
        for node in verbs.nodes()
        if node["Alive"]
    }


def _here(verbs: Any, alive: dict[str, float]) -> str:
    """Return the id of the head: the node that the driver runs on."""
    if len(alive) == 1:
        return next(iter(alive))
    return str(verbs.get_runtime_context().get_node_id())


def _fitting(wanted: float, room: float) -> float:
    """Return the processors that are wanted, or as many as fit.

    It is a whole number, or, below one, hundredths.
    """
    if room >= wanted:
        return wanted
    return float(int(room)) if room >= 1 else int(room * 100) / 100
