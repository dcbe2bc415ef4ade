"""The kinds of nodes: the interface, and nodes on loopback addresses.

A ground can make and remove a node, run a command in it, and list its
processes. It notes everything in the journal before it makes it.
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
NO_SHARE = "only nodes that got a --cpu-share can be slowed"
NO_LINK = "only a lab in network namespaces has links to cut"


@dataclass(frozen=True)
class Usage:
    """What a node has used since it was made. None: unknown."""

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
        """Return the mark in the environment of a node's processes."""
        return str(self.plan.folder(node))

    def make_common(self) -> None:  # noqa: B027  most share nothing
        """Make what all nodes share."""

    @abstractmethod
    def make(self, node: Node) -> None:
        """Make a node, or the missing parts of it."""

    @abstractmethod
    def remove(self, thing: dict[str, Any]) -> None:
        """Remove a thing in the journal, if it is there."""

    @abstractmethod
    def enter(
        self, node: Node, environ: dict[str, str], argv: Sequence[str]
    ) -> list[str]:
        """Return the command that runs `argv` in the node."""

    @abstractmethod
    def end_processes(self, node: Node) -> None:
        """Kill all processes of the node."""

    @abstractmethod
    def usage(self, node: Node) -> Usage:
        """Return what a node has used, and its processes."""

    def limit(self, nodes: Sequence[Node], on: bool) -> None:  # noqa: B027
        """Limit nodes to their CPU share, or lift the limit."""

    def slow(self, node: Node) -> None:
        """Let a node have a part of its CPU share, until `limit`.

        Raises:
            LabError: it has none.
        """
        raise LabError(NO_SHARE)

    def set_link(self, node: Node, up: bool) -> None:
        """Disconnect a node, or connect it again.

        Raises:
            LabError: nodes of this kind have no link of their own.
        """
        raise LabError(NO_LINK)

    def _claim(self, kind: str, exists: bool, **fields: Any) -> None:
        """Note a thing that is about to be made.

        Raises:
            LabError: it exists, and this lab has not made it.
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
    """Addresses 127.77.0.1, 2, ...: for users who are not root."""

    def make(self, node: Node) -> None:
        """Note the mark; the address is there already."""
        self._claim("mark", False, mark=self.mark(node))

    def remove(self, thing: dict[str, Any]) -> None:
        """Kill the processes with a mark."""
        processes.end_all(lambda: processes.marked(thing["mark"]))

    def enter(
        self, node: Node, environ: dict[str, str], argv: Sequence[str]
    ) -> list[str]:
        """Return a command that only sets the environment."""
        return with_environ(environ, argv)

    def end_processes(self, node: Node) -> None:
        """Kill all processes with the node's mark."""
        processes.end_all(lambda: processes.marked(self.mark(node)))

    def usage(self, node: Node) -> Usage:
        """Return the use of the living processes; ended ones are unknown."""
        return usage_of(processes.facts(processes.marked(self.mark(node))))


def usage_of(facts: Sequence[dict[str, Any]]) -> Usage:
    """Return the use of processes together."""
    return Usage(
        tuple(facts),
        sum(fact["cpu_seconds"] for fact in facts),
        sum(fact["memory_bytes"] for fact in facts),
    )


def with_environ(environ: dict[str, str], argv: Sequence[str]) -> list[str]:
    """Return a command with these variables added to its environment."""
    return ["env", *(f"{k}={v}" for k, v in environ.items()), *argv]


def python_path() -> dict[str, str]:
    """Return variables for finding this source and this Python's programs."""
    known = os.environ.get("PYTHONPATH")
    programs = os.path.dirname(sys.executable)
    return {
        "PYTHONPATH": f"{ROOT}:{known}" if known else str(ROOT),
        "PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}",
    }
