"""What the nodes of a lab stand on: the interface, and loopback addresses.

A ground knows how a node is made and removed, how a command gets into it,
and who is in there. What it makes it writes into the journal first.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lab import processes
from benchmarks.lab.journal import Journal
from benchmarks.lab.plan import LabError, Node, Plan
from benchmarks.lab.shell import Shell

ROOT = Path(__file__).parents[2]
NO_LINK = "only a lab in network namespaces has links to cut"


@dataclass(frozen=True)
class Usage:
    """What a node has used since it is there. None: cannot be known."""

    processes: tuple[dict[str, Any], ...]  # see `processes.facts`
    cpu_seconds: float
    memory_bytes: int
    sent_bytes: int | None = None
    received_bytes: int | None = None
    link_is_up: bool = True

    @property
    def commands(self) -> tuple[str, ...]:
        """What its processes run."""
        return tuple(process["command"] for process in self.processes)


class Ground(ABC):
    """Makes nodes and removes them."""

    def __init__(self, plan: Plan, shell: Shell, journal: Journal) -> None:
        self.plan = plan
        self.shell = shell
        self.journal = journal

    def mark(self, node: Node) -> str:
        """Give what the processes of a node carry in their environment."""
        return str(self.plan.folder(node))

    def make_common(self) -> None:  # noqa: B027  most have nothing in common
        """Make what all nodes share."""

    @abstractmethod
    def make(self, node: Node) -> None:
        """Make a node, or what is missing of it."""

    @abstractmethod
    def remove(self, thing: dict[str, Any]) -> None:
        """Remove a thing of the journal, if it is there."""

    @abstractmethod
    def enter(
        self, node: Node, environ: dict[str, str], argv: Sequence[str]
    ) -> list[str]:
        """Give the command that runs `argv` in the node."""

    @abstractmethod
    def end_processes(self, node: Node) -> None:
        """Kill all that runs in the node."""

    @abstractmethod
    def usage(self, node: Node) -> Usage:
        """Tell what a node has used, and who is in it."""

    def limit(self, nodes: Sequence[Node], on: bool) -> None:  # noqa: B027
        """Hold nodes to their CPU share, or let them go."""

    def set_link(self, node: Node, up: bool) -> None:
        """Cut a node off, or connect it again.

        Raises:
            LabError: nodes on this ground have no link of their own.
        """
        raise LabError(NO_LINK)

    def _claim(self, kind: str, exists: bool, **fields: Any) -> None:
        """Note a thing that is about to be made.

        Raises:
            LabError: it exists, and it is not from this lab.
        """
        thing = {"kind": kind, **fields}
        if self.shell.dry or thing in self.journal.things:
            return
        if exists:
            raise LabError(
                f"there is a {kind} {next(iter(fields.values()))} already, "
                "and this lab has not made it: choose another --name"
            )
        self.journal.note(thing)


class Loopback(Ground):
    """Addresses 127.77.0.1, 2, ...: for who is not root."""

    def make(self, node: Node) -> None:
        """Note the mark; the address is there already."""
        self._claim("mark", False, mark=self.mark(node))

    def remove(self, thing: dict[str, Any]) -> None:
        """End the processes with a mark."""
        processes.end_all(lambda: processes.marked(thing["mark"]))

    def enter(
        self, node: Node, environ: dict[str, str], argv: Sequence[str]
    ) -> list[str]:
        """Set the environment; there is nothing else to enter."""
        return with_environ(environ, argv)

    def end_processes(self, node: Node) -> None:
        """Kill all that carries the node's mark."""
        processes.end_all(lambda: processes.marked(self.mark(node)))

    def usage(self, node: Node) -> Usage:
        """Sum up the living processes; those that ended are not known."""
        return usage_of(processes.facts(processes.marked(self.mark(node))))


def usage_of(facts: Sequence[dict[str, Any]]) -> Usage:
    """Sum up processes."""
    return Usage(
        tuple(facts),
        sum(fact["cpu_seconds"] for fact in facts),
        sum(fact["memory_bytes"] for fact in facts),
    )


def with_environ(environ: dict[str, str], argv: Sequence[str]) -> list[str]:
    """Give a command that has these variables besides its own."""
    return ["env", *(f"{k}={v}" for k, v in environ.items()), *argv]


def python_path() -> dict[str, str]:
    """Let a node find this source, and this interpreter's programs."""
    known = os.environ.get("PYTHONPATH")
    programs = os.path.dirname(sys.executable)
    return {
        "PYTHONPATH": f"{ROOT}:{known}" if known else str(ROOT),
        "PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}",
    }
