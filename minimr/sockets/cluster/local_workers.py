"""The worker processes that a driver starts on its own machine.

    driver ── Popen ──> keeper ─> python -m WORKER HOST:PORT NAME
       ^                  │          │ dials in, proves that it has the token
       └── post(Ended) ───┘ <────────┘ (a thread a process waits for it)

A worker process leads a session of its own, so that a Ctrl-C in the
terminal reaches the driver alone. It leaves when its connection to the
driver ends, however the driver came to its end. Its keeper sees to it that
nothing outlives it, and that it does not outlive the driver, whatever its
task is doing: see `minimr/system/keeper.py`.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from minimr.net.channel import Address
from minimr.system.keeper import WITH_PARENT


class Ended(NamedTuple):
    """A worker process has ended; posted to the coordinator's hub."""

    name: str
    how: str


class Processes:
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
        package = str(Path(__file__).parents[3])
        others = os.environ.get("PYTHONPATH")
        path = package if not others else package + os.pathsep + others
        name = secrets.token_hex(8)
        program = ["minimr.sockets.cluster.worker", self._address, name]
        if sys.platform == "linux":  # elsewhere nobody adopts orphans
            program = ["minimr.system.keeper", WITH_PARENT, *program]
        process = subprocess.Popen(
            [sys.executable, "-m", *program],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self._running[name] = process
        threading.Thread(
            target=lambda: self._post(Ended(name, _how(process))),
            name=f"wait-{process.pid}",
            daemon=True,
        ).start()

    def kill(self, name: str) -> str:
        """Make sure that a worker is gone; tell how it ended."""
        process = self._running.pop(name)
        process.terminate()
        return _how(process)

    def kill_all(self) -> None:
        """Make sure that every worker is gone."""
        for process in self._running.values():
            process.terminate()
        for name in list(self._running):
            self.kill(name)


def _how(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    number = -code if code < 0 else code - 128  # its keeper tells it so
    if number in set(signal.Signals):
        hint = " (out of memory?)" if number == signal.SIGKILL else ""
        return f"killed by {signal.Signals(number).name}{hint}"
    return f"exit code {code}"
