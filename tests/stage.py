"""Where tasks and a test meet: a task knocks and waits for an answer.

    task, in any process                 │ test
    knock(address, "map 3") ─────────────┼─> Knock ─> script(knock)
           <── "go", "raise", "hang" ────┼── what the script returns, or
                                         │   what knock.answer() says later

Rules:

1. Nobody polls and nobody sleeps: both sides wait in the socket, with a
   deadline.
2. The script runs in one thread of the test's process, so that it may
   count, kill, stop and hold without a lock.
3. It goes through no engine: what is tested cannot hide what happens.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

DEADLINE_S = 30.0
Address = tuple[str, int]


class PlannedError(Exception):
    """Raised by a task because the script says so."""


# ---- the task's side


def knock(address: Address, name: str) -> None:
    """Tell the script that we are here, and do what it says."""
    with socket.create_connection(address, DEADLINE_S) as connection:
        connection.sendall(f"{os.getpid()} {name}\n".encode())
        answer = connection.makefile().readline().strip()
    ACTIONS[answer](name)


def _over(name: str) -> None:
    raise TimeoutError(f"{name}: the test is over")


def _raise(name: str) -> None:
    raise PlannedError(f"{name} was told to raise")


def _hang(name: str) -> None:
    threading.Event().wait()


def _hang_deaf(name: str) -> None:
    while True:
        with contextlib.suppress(BaseException):
            threading.Event().wait()


ACTIONS: dict[str, Callable[[str], Any]] = {
    "": _over,
    "go": lambda name: None,
    "raise": _raise,
    "exit": lambda name: os._exit(3),
    "hang": _hang,
    "hang deaf": _hang_deaf,  # whoever cancels it
    "stop": lambda name: os.kill(os.getpid(), signal.SIGSTOP),
}


# ---- the test's side


@dataclass(eq=False)
class Knock:
    """A task that waits for an answer.

    Attributes:
        times: how often this name has knocked, this time included.
    """

    name: str
    pid: int
    times: int
    _connection: socket.socket

    def answer(self, what: str = "go") -> None:
        """Let the task go on. The second answer changes nothing."""
        with contextlib.suppress(OSError):  # it may be dead by now
            self._connection.sendall(f"{what}\n".encode())
        self._connection.close()


Script = Callable[[Knock], str | None]


def let_go(knock: Knock) -> str:
    """Answer "go": the script of a run that nothing disturbs."""
    return "go"


@dataclass
class Stage:
    """Answers every knock as the script says; None: somebody else will.

    Attributes:
        knocks: all of them, in the order in which they came.
        error: what the script raised; every later knock is sent away.
    """

    script: Script = let_go
    knocks: list[Knock] = field(default_factory=list)
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address: Address = self._listener.getsockname()[:2]
        self._times: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._serve, name="stage")
        self._thread.start()

    def names(self) -> list[str]:
        """List who has knocked, once for each time."""
        return [knock.name for knock in self.knocks]

    def close(self) -> None:
        """Send away whoever waits, and stop. Raises the script's error."""
        with contextlib.suppress(OSError):  # wakes up the accept
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE_S)
        self._listener.close()
        for knock in self.knocks:
            knock._connection.close()
        if self.error is not None:
            raise self.error

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            knock = self._read(connection)
            if knock is not None:
                self._play(knock)

    def _read(self, connection: socket.socket) -> Knock | None:
        connection.settimeout(DEADLINE_S)
        try:
            with connection.makefile() as lines:
                pid, _, name = lines.readline().strip().partition(" ")
        except OSError:
            pid = ""
        if not pid:  # it was killed before it could say anything
            connection.close()
            return None
        self._times[name] += 1
        knock = Knock(name, int(pid), self._times[name], connection)
        self.knocks.append(knock)
        return knock

    def _play(self, knock: Knock) -> None:
        answer: str | None = ""
        if self.error is None:
            try:
                answer = self.script(knock)
            except BaseException as error:  # noqa: BLE001  goes to the test
                self.error = error
        if answer is not None:
            knock.answer(answer)
