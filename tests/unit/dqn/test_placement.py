"""Where agents go when a node is gone, on nodes that are only listed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dqn.distributed.placement import Place, Placement, place, place_again


def verbs(cpus: dict[str, float], dead: str = "") -> Any:
    """Give the verbs of an engine with these nodes; the driver is on n1."""
    nodes = [
        {"NodeID": name, "Alive": name not in dead, "Resources": {"CPU": n}}
        for name, n in cpus.items()
    ]
    here = SimpleNamespace(get_node_id=lambda: "n1")
    return SimpleNamespace(
        nodes=lambda: nodes, get_runtime_context=lambda: here
    )


FIVE = dict.fromkeys(("n1", "n2", "n3", "n4", "n5"), 1.0)


def after(dead: str, agent_id: int, cpus: dict[str, float]) -> Placement:
    """Place four agents, and one of them again after a death."""
    before = place(verbs(cpus), 4, 1.0)
    return place_again(verbs(cpus, dead), before, agent_id)


def test_agents_stand_on_the_nodes_without_the_driver() -> None:
    nodes = [each.node for each in place(verbs(FIVE), 4, 1.0).agents]
    assert nodes == ["n2", "n3", "n4", "n5"]


def test_an_agent_whose_node_is_gone_goes_where_room_is() -> None:
    again = after("n4", 2, FIVE)  # all nodes but the driver's are taken
    assert again.agents[2] == Place("n1", 1.0)
    assert again.note == ""


def test_the_drivers_node_is_the_last_choice() -> None:
    again = after("n4", 2, {**FIVE, "n5": 2.0})
    assert again.agents[2] == Place("n5", 1.0)


def test_an_agent_whose_node_lives_comes_back_to_it() -> None:
    assert after("", 2, FIVE).agents[2] == Place("n4", 1.0)


def test_without_room_it_shares_and_says_so() -> None:
    again = after("n4", 2, {**FIVE, "n1": 0.0})
    assert again.agents[2].num_cpus == 0
    assert again.agents[2].node in ("n2", "n3", "n5")
    assert "agent 2 asks for 0 CPU instead of 1" in again.note


def test_the_others_stay_where_they_are() -> None:
    before, again = place(verbs(FIVE), 4, 1.0), after("n4", 2, FIVE)
    others = (0, 1, 3)
    assert [again.agents[i] for i in others] == [
        before.agents[i] for i in others
    ]
