"""The plan of a lab: its nodes, their names and addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ENGINES = {"minimr": ("minimr",), "ray": ("ray",), "both": ("minimr", "ray")}
MAX_NODES = 200
NAME = re.compile(r"[a-z][a-z0-9]{0,7}")  # with "-n200" an interface name


class LabError(RuntimeError):
    """The lab cannot do it. The text says what was tried, and what to do."""


@dataclass(frozen=True)
class Node:
    """One machine of the lab."""

    number: int  # from 1; the first is the head
    address: str
    host: str = ""  # on real machines: the destination for ssh

    @property
    def name(self) -> str:
        """Its short name."""
        return f"n{self.number}"


@dataclass(frozen=True)
class Plan:
    """A lab, as the user asked for it. `home` holds all its files."""

    name: str
    home: str
    ground: str  # namespaces, loopback or hosts
    nodes: int = 5
    cpu_share: float | None = None  # of one core; None: unlimited
    cpus: int = 1  # that a node reports: how many tasks run at once
    bandwidth: str | None = None  # as `tc` has it; None: unlimited
    engines: tuple[str, ...] = ("minimr",)
    hosts: tuple[tuple[str, str], ...] = ()  # (address, ssh destination)
    store_bytes: int = 100_000_000
    ports: tuple[tuple[str, int], ...] = ()  # of the heads, by engine
    without: str = ""  # why something that was asked for is missing

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise LabError(
                f"the name {self.name!r} is not a small letter, followed by "
                "at most 7 small letters and digits"
            )
        if not 1 <= self.nodes <= MAX_NODES:
            raise LabError(f"{self.nodes} nodes: choose 1 to {MAX_NODES}")
        if self.hosts and self.nodes > len(self.hosts):
            raise LabError(
                f"{self.nodes} nodes, and only {len(self.hosts)} hosts"
            )

    def node(self, name: str) -> Node:
        """Return a node by its name, `n3` or `3`.

        Raises:
            LabError: there is no node of that name.
        """
        for node in self.all():
            if name in (node.name, str(node.number)):
                return node
        raise LabError(f"no node {name!r}: there are n1 to n{self.nodes}")

    def all(self) -> list[Node]:
        """Return the nodes, the head first."""
        return [self._node(k) for k in range(1, self.nodes + 1)]

    def _node(self, number: int) -> Node:
        if self.ground == "hosts":
            return Node(number, *self.hosts[number - 1])
        prefix = "10.77.0" if self.ground == "namespaces" else "127.77.0"
        return Node(number, f"{prefix}.{number}")

    @property
    def head(self) -> Node:
        """The node with the control stores, where drivers run."""
        return self._node(1)

    def folder(self, node: Node) -> Path:
        """Return where a node keeps its files."""
        return Path(self.home) / node.name

    def with_nodes(self, number: int) -> Plan:
        """Return the same lab with another number of nodes."""
        return replace(self, nodes=number)

    def fits(self, other: Plan) -> bool:
        """Return whether only the number of nodes differs."""
        return self.with_nodes(other.nodes) == other

    def in_words(self) -> str:
        """Return what the lab is, and what it lacks, in words."""
        kind = {
            "namespaces": "network namespaces on a bridge",
            "loopback": "loopback addresses of one machine",
            "hosts": "hosts over ssh",
        }[self.ground]
        parts = [f"{self.nodes} {kind}"]
        limited = self.cpu_share is not None
        parts.append(
            f"{self.cpu_share:g} of a core each" if limited else "no CPU share"
        )
        parts.append(f"links of {self.bandwidth or 'no set bandwidth'}")
        text = ", ".join(parts)
        return f"{text} ({self.without})" if self.without else text


def from_json(document: dict[str, Any]) -> Plan:
    """Return a plan that was written as JSON, which has no tuples."""
    pairs = {
        name: tuple(map(tuple, document[name])) for name in ("hosts", "ports")
    }
    engines = tuple(document["engines"])
    return Plan(**{**document, **pairs, "engines": engines})
