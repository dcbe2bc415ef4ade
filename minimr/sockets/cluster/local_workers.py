"""The worker processes that a driver starts on its own machine.

    driver ── Popen ──> keeper ─> python -m WORKER HOST:PORT NAME
       ^                  │          │ dials in, proves that it has the token
       └── post(Ended) ───┘ <────────┘ (one thread per process waits for it)

A worker process leads a session of its own, so that a Ctrl-C in the
terminal reaches the driver alone. It leaves when its connection to the
driver ends, however the driver came to its end. Its keeper makes sure that
nothing outlives it, and that it does not outlive the driver, whatever its
task is doing: see `minimr/system/keeper.py`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from minimr.net.channel import Address
from minimr.system import machine
from minimr.system.keeper import WITH_PARENT


class Ended(NamedTuple):
    """A worker process has ended; posted to the coordinator's hub."""

    name: str
    how: str


class LocalWorkers:
    """Local worker processes, by the names that they register with.

    Not by process id: workers of other machines have the same ones.
    """

    def __init__(self, address: Address, post: Callable[[Ended], None]):
        self._address = f"{address[0]}:{address[1]}"
        self._post = post
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._running)

    def __contains__(self, name: str) -> bool:
        return name in self._running

    def __len__(self) -> int:
        return len(self._running)

    def start(self) -> None:
        """Start one more worker. Blocks: no, it will register."""
        name = machine.random_bytes(8).hex()
        program = ["minimr.sockets.cluster.worker", self._address, name]
        if sys.platform == "linux":  # elsewhere nobody adopts orphans
            program = ["minimr.system.keeper", WITH_PARENT, *program]
        process = machine.start(program)
        self._running[name] = process
        machine.thread(
            target=lambda: self._post(Ended(name, _how(process))),
            name=f"wait-{process.pid}",
            daemon=True,
        ).start()

    def kill(self, name: str) -> str:
        """End a worker. Blocks: until it is gone. Return how it ended."""
        process = self._running.pop(name)
        process.terminate()
        return _how(process)

    def kill_all(self) -> None:
        """End every worker. Blocks: until all are gone."""
        for process in self._running.values():
            process.terminate()
        for name in list(self._running):
            self.kill(name)


def _how(process: subprocess.Popen[bytes]) -> str:
    return machine.how_ended(process.wait())
