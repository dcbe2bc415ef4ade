"""Nodes as real machines, over ssh. They need this source and its Python.

up    the tokens are sent by standard input, then `minimr start` runs there
down  each host kills the processes with the lab's mark
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.lab.ground import (
    ROOT,
    Ground,
    Usage,
    python_path,
    usage_of,
    with_environ,
)
from benchmarks.lab.plan import Node

SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
AGENT = (sys.executable, "-m", "benchmarks.lab.agent")


class Hosts(Ground):
    """Existing machines."""

    def make(self, node: Node) -> None:
        """Make the node's folder on its host, with the tokens in it."""
        self._claim("host", False, host=node.host, mark=self.mark(node))
        for token in ("minimr-token", "ray-token"):
            path = Path(self.plan.home) / token
            folder, file = map(shlex.quote, map(str, (path.parent, path)))
            line = f"umask 077; mkdir -p {folder}; cat > {file}.new; "
            line += f"mv {file}.new {file}"
            self.shell.run(*SSH, node.host, line, stdin=str(path))

    def remove(self, thing: dict[str, Any]) -> None:
        """Kill the processes with our mark; the folder with logs stays."""
        self._ask(thing["host"], "end", thing["mark"])

    def enter(
        self, node: Node, environ: dict[str, str], argv: Sequence[str]
    ) -> list[str]:
        """Return an ssh command with a line for the shell there."""
        terminal = ["-t"] if sys.stdin.isatty() else []
        line = shlex.join(with_environ(environ, argv))
        there = f"cd {shlex.quote(str(ROOT))} && exec {line}"
        return [*SSH, *terminal, node.host, there]

    def end_processes(self, node: Node) -> None:
        """Kill all processes there with the node's mark."""
        self._ask(node.host, "end", self.mark(node))

    def usage(self, node: Node) -> Usage:
        """Return the use of the node's living processes there."""
        return usage_of(self._ask(node.host, "list", self.mark(node)))

    def _ask(self, host: str, verb: str, mark: str) -> list[dict[str, Any]]:
        command = with_environ(python_path(), [*AGENT, verb, mark])
        answer = self.shell.run(*SSH, host, shlex.join(command))
        found: list[dict[str, Any]] = json.loads(answer or "[]")
        return found
