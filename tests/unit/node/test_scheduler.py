"""Where a task goes: decisions on views of a cluster."""

from __future__ import annotations

import pytest

from minimr.core.messages import NodeInfo, Shape
from minimr.core.node.resources import Pool
from minimr.core.scheduler import FEW, NeverError, Placement, decide
from minimr.net.channel import Address


def node(name: str, total: float, free: float, **extra: float) -> NodeInfo:
    address = ("127.0.0.1", ord(name))
    have = {"CPU": total, **extra}
    left = {"CPU": free, **extra}
    return NodeInfo(name, address, have, left, 1, True, {})


def shape(cpus: float, strategy: tuple[object, ...] | None = None) -> Shape:
    return Shape((("CPU", cpus),), strategy, ())


def choose(
    shape: Shape, here: str, nodes: list[NodeInfo], **more: int
) -> Address | None:
    return decide(Placement(shape, here, **more), nodes)


def test_a_node_keeps_tasks_until_half_of_it_is_in_use() -> None:
    nodes = [node("a", 4, 3), node("b", 4, 4)]
    assert choose(shape(1), "a", nodes) == nodes[0].address
    nodes[0].available["CPU"] = 2
    assert choose(shape(1), "a", nodes) == nodes[1].address


def test_who_was_sent_to_a_node_with_room_stays_there() -> None:
    nodes = [node("a", 4, 1), node("b", 4, 4)]
    assert choose(shape(1), "a", nodes, hops=1) == nodes[0].address


def test_the_scarcest_resource_tells_how_much_is_in_use() -> None:
    nodes = [node("a", 4, 4, memory=8), node("b", 4, 4, memory=8)]
    nodes[0].available["memory"] = 4
    assert choose(shape(1), "a", nodes) == nodes[1].address


def test_of_nodes_half_full_the_one_with_least_in_use_is_chosen() -> None:
    nodes = [node("a", 2, 0), node("b", 2, 1), node("c", 4, 1)]
    assert choose(shape(1), "a", nodes) == nodes[1].address
    assert choose(shape(1), "b", nodes) == nodes[1].address


@pytest.mark.parametrize("hops", [0, 1])
def test_what_waits_goes_on_when_another_node_has_room(hops: int) -> None:
    nodes = [node("a", 2, 0), node("b", 2, 0)]
    assert choose(shape(1), "a", nodes, hops=hops) is None
    nodes[1].available["CPU"] = 1
    assert choose(shape(1), "a", nodes, hops=hops) == nodes[1].address


def test_what_fits_nowhere_now_waits_where_it_could_run() -> None:
    nodes = [node("a", 2, 0), node("b", 4, 0), node("c", 4, -2)]
    assert choose(shape(1), "a", nodes) is None
    assert choose(shape(1), "c", nodes) is None
    assert choose(shape(3), "a", nodes) == nodes[1].address


def test_what_can_never_run_says_what_was_asked_and_what_there_is() -> None:
    with pytest.raises(NeverError, match=r"CPU: 5.*CPU: 2"):
        choose(shape(5), "a", [node("a", 2, 2)])


def test_spread_goes_round_the_nodes() -> None:
    nodes = [node("a", 2, 2), node("b", 2, 2)]
    spread = shape(1, ("SPREAD",))
    turns = [choose(spread, "a", nodes, turn=turn) for turn in range(4)]
    assert turns.count(nodes[0].address) == 2
    assert turns.count(nodes[1].address) == 2


def test_a_spread_task_that_was_sent_on_stays_where_there_is_room() -> None:
    nodes = [node("a", 4, 4), node("b", 4, 4)]
    spread = shape(1, ("SPREAD",))
    turns = {
        choose(spread, "a", nodes, turn=turn, hops=1) for turn in range(4)
    }
    assert turns == {nodes[0].address}


def test_affinity_is_a_must_and_soft_affinity_a_wish() -> None:
    nodes = [node("a", 2, 2), node("b", 2, 2)]
    hard = shape(1, ("node", "b", False))
    assert choose(hard, "a", nodes) == nodes[1].address
    gone = shape(1, ("node", "c", False))
    with pytest.raises(NeverError, match="node c of its affinity is not"):
        choose(gone, "a", nodes)
    soft = shape(1, ("node", "c", True))
    assert choose(soft, "a", nodes) == nodes[0].address
    too_much = shape(3, ("node", "a", True))
    nodes.append(node("d", 4, 4))
    assert choose(too_much, "b", nodes) == nodes[2].address


def test_soft_affinity_gives_way_to_what_is_too_small_for_ever() -> None:
    nodes = [node("a", 2, 2), node("b", 4, 4)]
    wish = shape(3, ("node", "a", True))
    assert choose(wish, "a", nodes) == nodes[1].address
    with pytest.raises(NeverError, match=r"CPU: 3.*a has .CPU: 2"):
        choose(shape(3, ("node", "a", False)), "a", nodes)


def test_soft_affinity_waits_for_a_node_that_is_full() -> None:
    nodes = [node("a", 2, 0), node("b", 4, 4)]
    wish = shape(1, ("node", "a", True))
    assert choose(wish, "a", nodes) is None
    assert choose(wish, "b", nodes) == nodes[0].address


def test_a_spread_task_that_waits_where_it_was_sent_is_not_spread_again() -> (
    None
):
    nodes = [node("a", 2, 0), node("b", 2, 0), node("c", 2, 0)]
    spread = shape(1, ("SPREAD",))
    for turn in range(3):
        assert choose(spread, "b", nodes, turn=turn, hops=1) is None


def test_spread_takes_only_nodes_with_room_while_there_are_some() -> None:
    nodes = [node("c", 2, 1), node("a", 2, 0), node("b", 2, 1)]
    spread = shape(1, ("SPREAD",))
    turns = [choose(spread, "a", nodes, turn=turn) for turn in range(3)]
    assert turns == [nodes[i].address for i in (2, 0, 2)]  # by their ids


def test_a_task_leaves_a_node_that_is_exactly_half_full() -> None:
    nodes = [node("a", 4, 2), node("b", 4, 3)]
    assert choose(shape(1), "a", nodes) == nodes[1].address
    nodes[0].available["CPU"] = 2.0001
    assert choose(shape(1), "a", nodes) == nodes[0].address


def test_of_nodes_that_are_alike_this_one_is_taken() -> None:
    nodes = [node("a", 4, 1), node("b", 4, 1)]
    assert choose(shape(1), "b", nodes) == nodes[1].address


def test_a_task_goes_where_the_labels_are_right() -> None:
    zones = {"a": {"zone": "x"}, "b": {"zone": "y"}, "c": {}}
    nodes = [
        node(name, 2, 2)._replace(labels=labels)
        for name, labels in zones.items()
    ]

    def chosen(none: bool, *values: str) -> str:
        wanted = shape(1)._replace(labels=(("zone", none, values),))
        address = choose(wanted, "a", nodes)
        return next(each.id for each in nodes if each.address == address)

    assert chosen(False, "y") == "b"
    assert chosen(False, "y", "z") == "b"
    assert chosen(True, "x", "y") == "c"
    assert chosen(True, "y") == "a"
    with pytest.raises(NeverError, match=r"zone in .'z'.*a has .*'x'"):
        chosen(False, "z")


def test_parts_add_up_without_a_rest() -> None:
    pool = Pool({"CPU": 1.0})
    for _ in range(10):
        pool.take([("CPU", 0.1)])
    assert pool.available == {"CPU": 0.0}
    for _ in range(10):
        pool.give([("CPU", 0.1)])
    assert pool.available == {"CPU": 1.0}


def test_gpus_are_shared_in_parts_and_given_whole() -> None:
    pool = Pool({"GPU": 2.0})
    half, whole = (("GPU", 0.5),), (("GPU", 1.0),)
    assert pool.take_gpus(half) == (0,)
    assert pool.take_gpus(whole) == (1,)
    assert pool.take_gpus(half) == (0,)
    pool.give_gpus((0,), half)
    assert pool.take_gpus((("CPU", 1.0),)) == ()
    assert pool.take_gpus(half) == (0,)


def test_the_last_spread_tasks_wait_for_a_node_with_room() -> None:
    nodes = [node("a", 1, 0), node("b", 1, 0), node("c", 1, 0)]
    spread = shape(1, ("SPREAD",))
    assert choose(spread, "a", nodes, turn=1, left=FEW) is None
    places = {choose(spread, "a", nodes, turn=turn) for turn in range(1, 3)}
    assert places == {nodes[1].address, nodes[2].address}
    nodes[2].available["CPU"] = 1.0
    assert choose(spread, "a", nodes, turn=1, left=FEW) == nodes[2].address
