"""The server processes; one that dies is replaced.

    driver ─ listens at K ports, and keeps them open
      │
      ├── Popen(pass_fds) ──> python -m minimr.sockets.servers.server_main ...
      │                          │ accepts at the port it was given
      └── wait (one sleeping thread per server)
             └─ killed? ─> another one, from the checkpoint, same port

Rules:

1. A client that dials while a server is being replaced waits in the queue
   of the port: nobody has to ask for a new address, or to try again.
2. A server watches its driver (pidfd), and ends with it, however the
   driver comes to its end.
3. A server that cannot go on (it raised, or there is no checkpoint) is not
   replaced; its port is closed, so that nobody waits for it.

Ray: `max_restarts`, and fate sharing.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from minimr.net.channel import Address, listen, reachable
from minimr.shared.parameter_server.checkpoint import checkpoint_files
from minimr.system import machine

MAX_RESTARTS = 10  # of one server

# Arrays come and go at every push. The C library would give the memory of
# each back to the system, and have it cleared page by page for the next.
KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerOptions:
    """What a server process is told by its command line."""

    descriptor: int  # of the port it listens at
    driver: int  # process id
    max_frame_bytes: int
    checkpoint: Path | None  # its own file
    checkpoint_interval_s: float
    restore: bool  # begin with the checkpoint

    def arguments(self) -> list[str]:
        """Return it as the arguments of a command."""
        return [
            str(self.descriptor),
            str(self.driver),
            str(self.max_frame_bytes),
            str(self.checkpoint or ""),
            str(self.checkpoint_interval_s),
            "restore" if self.restore else "",
        ]

    @staticmethod
    def parse(arguments: list[str]) -> ServerOptions:
        """Read what `arguments` gave."""
        descriptor, driver, size, path, interval, restore = arguments
        return ServerOptions(
            int(descriptor),
            int(driver),
            int(size),
            Path(path) if path else None,
            float(interval),
            bool(restore),
        )


class ServerProcesses:
    """K server processes on this machine.

    Attributes:
        addresses: where they listen.
        pids: of the processes that serve now.
    """

    def __init__(
        self,
        number: int,
        host: str,
        max_frame_bytes: int,
        checkpoint: Path | None,
        checkpoint_interval_s: float,
    ) -> None:
        self._size = max_frame_bytes
        self._files = checkpoint_files(checkpoint, number)
        self._interval_s = checkpoint_interval_s
        self._closing = False
        self._lock = machine.lock()  # of: closing, against a restart
        self._listeners: list[socket.socket] = []
        self._running: list[subprocess.Popen[bytes]] = []
        self._threads: list[threading.Thread] = []
        self.addresses: list[Address] = []
        try:
            for _ in range(number):
                listener = listen((host, 0))
                self._listeners.append(listener)
                port = listener.getsockname()[1]
                self.addresses.append((reachable(host), port))
            for server in range(number):
                self._running.append(self._start(server, restore=False))
        except BaseException:
            self.close()
            raise
        for server in range(number):
            thread = machine.thread(
                target=self._watch, args=(server,), daemon=True
            )
            thread.start()
            self._threads.append(thread)

    @property
    def pids(self) -> list[int]:
        """The process ids of the servers that run now."""
        with self._lock:
            return [process.pid for process in self._running]

    def close(self) -> None:
        """End all of them. Blocks: until they are gone. Idempotent."""
        with self._lock:
            self._closing = True
            for process in self._running:
                process.kill()
        for process in self._running:
            process.wait()
        for thread in self._threads:
            thread.join()
        for listener in self._listeners:
            listener.close()

    def _start(self, server: int, restore: bool) -> subprocess.Popen[bytes]:
        descriptor = self._listeners[server].fileno()
        options = ServerOptions(
            descriptor,
            machine.pid(),
            self._size,
            self._files[server],
            self._interval_s,
            restore,
        )
        return machine.start(
            ["minimr.sockets.servers.server_main", *options.arguments()],
            {k: v for k, v in KEEP_MEMORY.items() if k not in os.environ},
            descriptors=[descriptor],
        )

    def _watch(self, server: int) -> None:
        for _ in range(MAX_RESTARTS):
            code = self._running[server].wait()
            with self._lock:
                if self._closing:
                    return
                how = machine.how_ended(code)
                log.warning("server %d has died: %s", server, how)
                if code >= 0 or self._files[server] is None:
                    break
                self._running[server] = self._start(server, restore=True)
        self._listeners[server].close()
