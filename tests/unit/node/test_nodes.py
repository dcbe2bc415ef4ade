"""Who is there, and who is dead: `scenarios/nodes.txt`."""

from __future__ import annotations

from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.control.nodes import Nodes
from tests.unit.scenario import World, replay, scenarios


class Head(World):
    """The table of nodes, and what it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.nodes = Nodes(
            {},
            link=lambda address: self.peer(address[0]),
            later=self.later,
            joined=lambda: self.follows("a node has joined"),
            changed=lambda: self.follows("what is left has changed"),
            died=lambda id, address, why: self.follows(f"{id} died: {why}"),
        )

    def say(self, message: Any) -> str:
        if isinstance(message, m.Stop):
            return f"stop: {message.why}"
        assert isinstance(message, m.View)
        nodes = [
            f"{node.id} has {node.available['CPU']:g}"
            if node.alive
            else f"{node.id} is dead"
            for node in message.nodes
        ]
        return f"view: {', '.join(nodes)}"

    def reports(self, node: str, left: str) -> None:
        info = m.NodeInfo(
            node, (node, 1), {"CPU": 4.0}, {"CPU": float(left)}, 1, True
        )
        self.nodes._on_report(self.peer(node), m.Report(info))

    def leaves(self, process: str) -> None:
        self.nodes.left(self.peer(process), "connection reset")

    def is_stopped(self, seconds: str) -> None:
        self.now += float(seconds)

    commands = {  # noqa: RUF012
        r"(\w+) reports (\d+) CPU": reports,
        r"(\w+) leaves": leaves,
        r"the head is stopped for (\d+) s": is_stopped,
        r"([\d.]+) s pass": World.pass_time,
    }


@pytest.mark.parametrize("scenario", scenarios("node/scenarios/nodes.txt"))
def test_nodes(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert replay(scenario, Head(monkeypatch)) == scenario
