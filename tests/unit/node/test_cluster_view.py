"""What a node expects that others have left."""

from __future__ import annotations

from minimr.core.messages import NodeInfo
from minimr.core.node.cluster_view import ClusterView


def node(name: str, cpus: float, alive: bool = True) -> NodeInfo:
    have = ({"CPU": 4.0}, {"CPU": cpus})
    return NodeInfo(name, (name, 1), *have, 1, alive)


def view() -> ClusterView:
    return ClusterView(lambda: node("here", 4.0))


def left(cluster: ClusterView) -> dict[str, float]:
    return {n.id: n.available["CPU"] for n in cluster.nodes()}


ONE = (("CPU", 1.0),)
FAR = ("far", 1)


def test_this_node_comes_first_and_speaks_for_itself() -> None:
    cluster = view()
    assert left(cluster) == {"here": 4}
    cluster.update([node("far", 3), node("here", 1)])
    assert list(left(cluster).items()) == [("here", 4), ("far", 3)]


def test_what_is_sent_to_a_node_is_expected_there() -> None:
    cluster = view()
    cluster.update([node("far", 3), node("other", 3)])
    cluster.expect(FAR, ONE)
    assert left(cluster) == {"here": 4, "far": 2, "other": 3}


def test_old_news_undo_no_expectation_and_new_ones_do() -> None:
    cluster = view()
    cluster.update([node("far", 3)])
    cluster.expect(FAR, ONE)
    cluster.update([node("far", 3), node("other", 1)])
    assert left(cluster) == {"here": 4, "far": 2, "other": 1}
    cluster.update([node("far", 2.5), node("other", 1)])
    assert left(cluster) == {"here": 4, "far": 2.5, "other": 1}


def test_expectations_change_no_report() -> None:
    cluster, report = view(), node("far", 3)
    cluster.update([report])
    cluster.expect(FAR, ONE)
    assert report.available == {"CPU": 3}
    cluster.forget_expectations()
    assert left(cluster) == {"here": 4, "far": 3}
    cluster.expect(FAR, ONE)
    cluster.forget_expectations()
    assert left(cluster) == {"here": 4, "far": 3}


def test_who_is_dead_is_told_once() -> None:
    cluster = view()
    cluster.update([node("here", 4), node("far", 3)])
    assert cluster.update([node("here", 4), node("far", 3)]) == []
    gone = [node("here", 4), node("far", 3, alive=False)]
    assert cluster.update(gone) == [FAR]
    assert cluster.update(gone) == []
    assert left(cluster) == {"here": 4}


def test_a_node_does_not_lose_itself() -> None:
    cluster = view()
    cluster.update([node("here", 4)])
    assert cluster.update([]) == []


def test_a_node_that_starts_again_at_its_address_is_not_lost() -> None:
    cluster = view()
    cluster.update([node("far", 3)])
    again = node("far", 4)._replace(id="again")
    assert cluster.update([node("far", 3, alive=False), again]) == []
