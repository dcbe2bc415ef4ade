"""How an actor learns that a process that calls it has died.

    client                               │ actor
    hold.remote(me) ─> lifeline ─ watch ─┼─> await lifeline
       no value, until goodbye           │     a value: it let go in order
       its owner is the client's process │     an error: the process is dead

Nothing in Ray tells an actor about its callers. But waiting for an object
ends with an error when the object's owner dies. Mirror: a connection that
ends, `minimr/sockets/servers/pending_requests.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
import weakref
from typing import Any, NamedTuple


class Caller(NamedTuple):
    """The caller of a method, and how long it can wait."""

    client: str
    worker: int
    clocks: dict[int, int]  # {worker: rounds pushed} that it knows
    timeout_s: float


class Lifeline:
    """What a client holds on to, and lets go of with a goodbye.

    Args:
        servers: handles of actors that are `Homes`.
        failed: what a call of an actor that is gone may raise.

    Attributes:
        client: the name of its holder.
    """

    def __init__(self, servers: list[Any], failed: type[Exception]) -> None:
        self.client = uuid.uuid4().hex
        for server in servers:
            held = server.hold.remote(self.client)
            server.watch.remote(self.client, [held])
        self._finalize = weakref.finalize(
            self, _say_goodbye, servers, self.client, failed
        )
        # At the end of the process nothing is said: its workers are dead.
        self._finalize.atexit = False

    def close(self) -> None:
        """Say goodbye. May be called twice."""
        self._finalize()


def _say_goodbye(
    servers: list[Any], client: str, failed: type[Exception]
) -> None:
    for server in servers:
        with contextlib.suppress(failed):
            server.goodbye.remote(client)


class Homes:
    """Part of an actor: which client a worker is at home with."""

    def __init__(self) -> None:
        self._home: dict[int, str] = {}  # {worker: the client it used last}
        self._held: dict[str, asyncio.Event] = {}  # {client: its goodbye}

    async def leave(self, worker: int) -> None:
        """Note that a worker is gone."""
        raise NotImplementedError

    async def hold(self, client: str) -> None:
        """Be the object of a client that has no value until goodbye."""
        await self._held.setdefault(client, asyncio.Event()).wait()

    async def goodbye(self, client: str) -> None:
        """Let go of a client; its workers live on."""
        self._let_go(client)
        self._held.pop(client, asyncio.Event()).set()

    async def watch(self, client: str, lifeline: list[Any]) -> None:
        """Wait for the end of a client, in order or not."""
        try:
            await lifeline[0]
        except Exception:  # noqa: BLE001  each engine has its own for this
            self._held.pop(client, None)
            for worker in self._let_go(client):
                await self.leave(worker)

    def _let_go(self, client: str) -> list[int]:
        found = [w for w, home in self._home.items() if home == client]
        for worker in found:
            del self._home[worker]
        return found
