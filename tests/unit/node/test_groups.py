"""Which nodes the bundles of a placement group get, and who reserves them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.control.placement_groups import (
    MAX_REMOVED,
    Groups,
    place,
)
from minimr.core.node.bundles import Bundles
from minimr.core.node.resources import Pool


def node(id: str, cpus: float) -> m.NodeInfo:
    amounts = {"CPU": cpus}
    return m.NodeInfo(id, (id, 1), amounts, dict(amounts), 1, True, {})


ONE = {"CPU": 1.0}
TWO = {"CPU": 2.0}


@pytest.mark.parametrize(
    ("strategy", "bundles", "cpus", "chosen"),
    [
        ("PACK", [ONE, ONE], [2, 2], "aa"),
        ("PACK", [ONE, TWO], [2, 2], "ba"),  # the larger one first
        ("PACK", [ONE, ONE, ONE], [2, 1], "aab"),
        ("SPREAD", [ONE, ONE], [2, 2], "ab"),
        ("SPREAD", [ONE, ONE, ONE], [2, 1], "aba"),
        ("STRICT_PACK", [ONE, TWO], [2, 3], "bb"),
        ("STRICT_PACK", [TWO, TWO], [2, 3], None),
        ("STRICT_SPREAD", [ONE, ONE], [1, 1], "ab"),
        ("STRICT_SPREAD", [ONE, ONE], [2], None),
        ("PACK", [TWO], [1, 1], None),
    ],
)
def test_bundles_go_where_the_strategy_says(
    strategy: str, bundles: Any, cpus: Any, chosen: str | None
) -> None:
    nodes = [node(id, n) for id, n in zip("abc", cpus, strict=False)]
    found = place(bundles, strategy, nodes)
    assert found == (None if chosen is None else [*chosen])


def test_a_strict_group_stays_together_when_a_part_moves() -> None:
    nodes = [node("a", 1), node("b", 9)]
    assert place([ONE], "STRICT_PACK", nodes, ["a"]) == ["a"]
    assert place([ONE], "STRICT_SPREAD", nodes, ["a"]) == ["b"]


class Cluster:
    """A control store, and nodes that answer when they are told to."""

    def __init__(self, *cpus: float) -> None:
        self.nodes = {
            id: node(id, n) for id, n in zip("abc", cpus, strict=False)
        }
        self.asked: list[tuple[Any, Any]] = []  # (question, its answer's way)
        self.posted: list[Any] = []
        self.groups = Groups(self.nodes, link=self.link, ask=self.ask)
        self.seen: list[Any] = []

    def link(self, address: Any) -> Any:
        return SimpleNamespace(
            post=lambda message: self.posted.append((address[0], message))
        )

    def ask(self, link: Any, callback: Any, question: Any) -> None:
        self.asked.append((question, callback))

    def create(
        self, strategy: str, *bundles: Any, detached: bool = False
    ) -> None:
        parts = tuple(tuple(bundle.items()) for bundle in bundles)
        spec = m.GroupSpec("g", "", "", parts, strategy, detached)
        self.creator: Any = object()
        create = m.CreateGroup(spec)
        self.groups._on_create_group(self.creator, create, lambda _: None)
        self.groups.when_created("g", self.seen.append, self.seen.append)

    def answer(self, *answers: Any) -> None:
        asked, self.asked = self.asked, []
        for (_, callback), answer in zip(asked, answers, strict=True):
            callback(answer)


def test_a_group_is_there_when_all_nodes_have_agreed() -> None:
    cluster = Cluster(1, 1)
    cluster.create("SPREAD", ONE, ONE)
    assert [type(asked) for asked, _ in cluster.asked] == [m.Reserve] * 2
    first, second = cluster.asked
    first[1](True)
    assert cluster.seen == []
    second[1](True)
    assert cluster.seen == [[("a", 1), ("b", 1)]]


def test_what_one_node_refuses_the_others_give_back() -> None:
    cluster = Cluster(1, 1)
    cluster.create("SPREAD", ONE, ONE)
    cluster.answer(True, False)
    assert cluster.posted == [("a", m.Unreserve("g"))]
    assert cluster.seen == []
    cluster.groups.nodes_changed()
    cluster.answer(True, True)
    assert cluster.seen == [[("a", 1), ("b", 1)]]


def test_a_group_that_is_removed_while_it_is_reserved_gives_all_back() -> None:
    cluster = Cluster(1, 1)
    cluster.create("SPREAD", ONE, ONE)
    remove = m.RemoveGroup("g")
    cluster.groups._on_remove_group(cluster.creator, remove, lambda _: None)
    assert len(cluster.seen) == 1
    assert isinstance(cluster.seen[0], str)
    cluster.answer(True, True)
    assert sorted(node for node, _ in cluster.posted) == ["a", "b"]


def test_a_group_ends_with_its_creator() -> None:
    cluster = Cluster(1)
    cluster.create("PACK", ONE)
    cluster.answer(True)
    cluster.groups.left(cluster.creator)
    assert cluster.posted == [("a", m.Unreserve("g"))]


def test_a_detached_group_outlives_its_creator() -> None:
    cluster = Cluster(1)
    cluster.create("PACK", ONE, detached=True)
    cluster.answer(True)
    cluster.groups.left(cluster.creator)
    assert cluster.posted == []


def test_a_name_is_free_again_when_its_group_is_removed() -> None:
    cluster, answers = Cluster(1), []
    for id in ("one", "two", "three"):
        spec = m.GroupSpec(id, "name", "", (), "PACK", False)
        peer: Any = object()
        cluster.groups._on_create_group(
            peer, m.CreateGroup(spec), answers.append
        )
        if id == "two":
            remove = m.RemoveGroup("one")
            cluster.groups._on_remove_group(peer, remove, lambda _: None)
    assert answers == [
        None,
        m.Refusal("the name 'name' is taken by a placement group"),
        None,
    ]


def test_a_node_is_asked_once_while_it_has_not_answered() -> None:
    cluster = Cluster(1)
    cluster.create("PACK", ONE)
    cluster.groups.nodes_changed()
    assert len(cluster.asked) == 1


def test_what_a_node_has_reserved_before_it_died_is_not_there() -> None:
    cluster = Cluster(1)
    cluster.create("PACK", ONE)
    cluster.nodes["a"] = cluster.nodes["a"]._replace(alive=False)
    cluster.groups.node_lost("a")
    cluster.answer(True)
    assert cluster.seen == []


def test_a_group_that_moves_keeps_what_it_has_when_a_node_refuses() -> None:
    cluster = Cluster(1, 1, 1)
    cluster.create("STRICT_SPREAD", ONE, ONE)
    cluster.answer(True, True)
    cluster.nodes["a"] = cluster.nodes["a"]._replace(alive=False)
    cluster.groups.node_lost("a")
    cluster.answer(False)
    assert cluster.posted == []


def test_groups_that_are_removed_are_forgotten_in_the_end() -> None:
    cluster = Cluster(1)
    for number in range(MAX_REMOVED + 5):
        spec = m.GroupSpec(str(number), "", "", (), "PACK", False)
        peer: Any = object()
        create, remove = m.CreateGroup(spec), m.RemoveGroup(spec.id)
        cluster.groups._on_create_group(peer, create, lambda _: None)
        cluster.groups._on_remove_group(peer, remove, lambda _: None)
    assert len(cluster.groups.rows()) == MAX_REMOVED


def test_the_bundles_of_a_dead_node_move_and_the_others_stay() -> None:
    cluster = Cluster(1, 1, 1)
    cluster.create("STRICT_SPREAD", ONE, ONE)
    cluster.answer(True, True)
    cluster.nodes["a"] = cluster.nodes["a"]._replace(alive=False)
    cluster.groups.node_lost("a")
    assert [question.bundles for question, _ in cluster.asked] == [
        [(0, (("CPU", 1.0),))]
    ]
    cluster.answer(True)
    seen = cluster.seen.append
    cluster.groups.when_created("g", seen, seen)
    assert cluster.seen[-1] == [("c", 1), ("b", 1)]


def reserve(bundles: Bundles, *parts: Any) -> Any:
    answers: list[Any] = []
    peer: Any = None
    question = m.Reserve("g", [*enumerate(parts)])
    bundles._on_reserve(peer, question, answers.append)
    return answers[0]


def test_a_node_reserves_all_of_its_bundles_or_none() -> None:
    pool, ended = Pool({"CPU": 3.0}), []
    bundles = Bundles(pool, lambda *end: ended.append(end), lambda: None)
    one, two = (("CPU", 1.0),), (("CPU", 2.0),)
    assert reserve(bundles, two, two) is False
    assert pool.available == {"CPU": 3.0}
    assert reserve(bundles, one, two) is True
    assert pool.available["CPU"] == 0.0
    assert pool.available["CPU_group_g"] == 3.0
    assert pool.available["CPU_group_1_g"] == 2.0
    lodger = (("CPU_group_g", 1.0), ("CPU_group_0_g", 1.0))
    pool.take(lodger)
    peer: Any = None
    bundles._on_unreserve(peer, m.Unreserve("g"))
    assert [resource for resource, _ in ended] == ["bundle_group_g"]
    pool.give(lodger)  # its process has ended only now
    assert pool.available == pool.total == {"CPU": 3.0}


def test_a_bundle_keeps_its_gpus_apart() -> None:
    pool = Pool({"GPU": 2.0})
    bundles = Bundles(pool, lambda *end: None, lambda: None)
    assert reserve(bundles, (("GPU", 1.0),)) is True
    assert pool.take_gpus((("GPU", 1.0),)) == (1,)
    inside = (("GPU_group_0_g", 1.0), ("GPU_group_g", 1.0))
    assert pool.take_gpus(inside) == (0,)
    assert pool.take_gpus(inside) == ()
    peer: Any = None
    bundles._on_unreserve(peer, m.Unreserve("g"))
    pool.give_gpus((0,), inside)
    assert pool.take_gpus((("GPU", 1.0),)) == (0,)


def test_a_bundle_is_reserved_from_what_is_left() -> None:
    pool = Pool({"CPU": 3.0})
    pool.take((("CPU", 2.0),))
    bundles = Bundles(pool, lambda *end: None, lambda: None)
    assert reserve(bundles, (("CPU", 2.0),)) is False


def test_bundles_that_share_a_gpu_have_a_whole_one_together() -> None:
    pool = Pool({"GPU": 1.0})
    bundles = Bundles(pool, lambda *end: None, lambda: None)
    half = (("GPU", 0.5),)
    assert reserve(bundles, half, half) is True
    assert pool.take_gpus((("GPU_group_g", 1.0),)) == (0,)
    assert pool.take_gpus((("GPU_group_g", 0.5),)) == ()


def test_a_bundle_has_the_part_of_a_gpu_that_it_asked_for() -> None:
    pool = Pool({"GPU": 1.0})
    bundles = Bundles(pool, lambda *end: None, lambda: None)
    assert reserve(bundles, (("GPU", 0.5),)) is True
    inside = (("GPU_group_g", 0.5),)
    assert [pool.take_gpus(inside) for _ in range(2)] == [(0,), ()]
