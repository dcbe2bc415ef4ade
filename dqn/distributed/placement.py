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
from typing import Any, NamedTuple


class Place(NamedTuple):
    """What an agent asks its engine for."""

    node: str  # its id
    num_cpus: float


@dataclass(frozen=True)
class Placement:
    """Where each actor goes, and how many processors it asks for."""

    head: str  # the id of a node
    agents: tuple[Place, ...]  # of agent 0, 1, ...
    note: str = ""  # what to tell the user


def place(verbs: Any, num_agents: int, num_cpus: float) -> Placement:
    """Spread agents over the nodes that are alive.

    Args:
        verbs: the module of the engine.
        num_agents: how many to place.
        num_cpus: what each would like to have.
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
            f"each agent asks for {fitting:g} CPU instead of {num_cpus:g}: "
            f"{num_agents} on {len(nodes)} of the nodes fit only so"
        )
    return Placement(head, agents, note)


def place_again(verbs: Any, known: Placement, agent_id: int) -> Placement:
    """Place the agent that takes the place of one that has died.

    The others stay where they are; its node may be gone. So it goes where
    room is left, to the head if it must be, and takes what there is: if it
    is nothing, it shares.
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
    """Give the option that puts an actor on a node, if it can be there.

    Who asks for no CPU has to be there: Ray takes no notice of a mere wish
    of theirs.
    """
    if (
        verbs.__name__ == "dqn.distributed.serial_verbs"
    ):  # one place, and no choice of it
        return None
    module = import_module(f"{verbs.__name__}.util.scheduling_strategies")
    return module.NodeAffinitySchedulingStrategy(
        place.node, soft=place.num_cpus > 0
    )


def _cpus(verbs: Any) -> dict[str, float]:
    """Count the processors of each node that is alive."""
    return {
        node["NodeID"]: float(node["Resources"].get("CPU", 0))
        for node in verbs.nodes()
        if node["Alive"]
    }


def _here(verbs: Any, alive: dict[str, float]) -> str:
    """Name the head: the node that the driver runs on."""
    if len(alive) == 1:
        return next(iter(alive))
    return str(verbs.get_runtime_context().get_node_id())


def _fitting(wanted: float, room: float) -> float:
    """Give what is wanted, or what fits.

    In whole processors, or below one in hundredths of one.
    """
    if room >= wanted:
        return wanted
    return float(int(room)) if room >= 1 else int(room * 100) / 100
