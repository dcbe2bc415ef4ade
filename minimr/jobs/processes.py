"""The worker processes that a driver starts on its own machine.

    driver ── Popen ──> python -m minimr.jobs.worker HOST:PORT
       ^                          │ dials in, proves that it has the token
       └── post(Ended) <── wait ──┘ (a thread a process, asleep in the system)

A worker process leads a session of its own, so that a Ctrl-C in the
terminal reaches the driver alone; it leaves when its connection to the
driver ends, however the driver came to its end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from minimr.net.channel import Address


class Ended(NamedTuple):
    """A worker process has ended; posted to the coordinator's hub."""

    pid: int
    how: str


class Processes:
    """Local worker processes by process id."""

    def __init__(self, address: Address, post: Callable[[Ended], None]):
        self._address = f"{address[0]}:{address[1]}"
        self._post = post
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def __contains__(self, pid: int) -> bool:
        return pid in self._running

    def __len__(self) -> int:
        return len(self._running)

    def start(self) -> None:
        """Start one more worker. Blocks: no, it will register."""
        package = str(Path(__file__).parents[2])
        others = os.environ.get("PYTHONPATH")
        path = package if not others else package + os.pathsep + others
        process = subprocess.Popen(
            [sys.executable, "-m", "minimr.jobs.worker", self._address],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self._running[process.pid] = process
        threading.Thread(
            target=lambda: self._post(Ended(process.pid, _how(process))),
            name=f"wait-{process.pid}",
            daemon=True,
        ).start()

    def kill(self, pid: int) -> str:
        """Make sure that a worker is gone; tell how it ended."""
        process = self._running.pop(pid)
        process.kill()
        return _how(process)

    def kill_all(self) -> None:
        """Make sure that every worker is gone."""
        for process in self._running.values():
            process.kill()
        for pid in list(self._running):
            self.kill(pid)


def _how(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    if code < 0:
        hint = " (out of memory?)" if code == -signal.SIGKILL else ""
        return f"killed by {signal.Signals(-code).name}{hint}"
    return f"exit code {code}"
