"""The workers of an engine, from registration to death.

    Register ─> Member ─┬─ messages ──────────────────> News
                        ├─ process ends ────┐
                        ├─ connection ends ─┤
                        ├─ silence ─────────┼─ lose ──> Lost
                        └─ given up ────────┘   └─ kill and replace it, if
                                                   it is a process of ours

Rules:

1. A worker is dead when its process ends, where that is one of ours, when
   its connection ends, or when nothing was heard from it for
   `silence_timeout_s`; the coordinator may also give it up. There is no way
   back: if it lives on, it finds its connection closed, and leaves.
2. A local worker that dies is replaced, so that a machine keeps its
   workers. The tracker stops a task that kills one after the other;
   `MAX_FAILED_STARTS` stops a death at the start.
3. A process of ours is known by the name that it was started with. Its
   process id may be that of another one on another machine.

Ray: the GCS's table of nodes with its health checks, and the raylet's pool
of worker processes.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from minimr.interface.mapreduce import JobError
from minimr.net.channel import Address, reachable
from minimr.net.events import Left, Posted, Received
from minimr.net.hub import Hub
from minimr.net.peer import Peer
from minimr.sockets.cluster.local_workers import Ended, LocalWorkers
from minimr.sockets.cluster.messages import (
    FROM_MEMBERS,
    Attempt,
    Register,
    Welcome,
)
from minimr.system import machine

MAX_FAILED_STARTS = 5  # in a row

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """How long to wait for workers, in seconds."""

    heartbeat_interval_s: float = 0.5
    silence_timeout_s: float = 10.0
    fetch_timeout_s: float = 30.0  # of one block; deaths are noticed sooner
    start_timeout_s: float = 30.0  # for the first workers of an engine


@dataclass
class Member:
    """A worker that has registered."""

    id: int
    peer: Peer
    pid: int
    data_address: Address
    name: str | None  # of a process of ours: it is killed and replaced
    last_heard: float
    # The coordinator's: what it runs now, and since when in vain.
    attempt: Attempt | None = None  # None: it is idle
    cancelled_at: float | None = None
    jobs: set[int] = field(default_factory=set)  # that it was told of

    def __str__(self) -> str:
        return f"worker {self.id} (pid {self.pid} at {self.peer.host})"


class News(NamedTuple):
    """A member has sent a message."""

    member: Member
    message: Any  # one of FROM_MEMBERS


class Lost(NamedTuple):
    """A member is dead. It is no longer in the table."""

    member: Member


Event = News | Lost


class Members:
    """The table of living workers, by id. Runs in: one thread.

    Attributes:
        address: where workers dial in.
        last_death: of which worker, and how; for error messages.
    """

    def __init__(
        self,
        token: bytes,
        num_workers: int,
        address: Address,
        timing: Timing,
        restart: bool,
    ) -> None:
        self.timing = timing
        self.last_death = "none has ever registered"
        self._restart = restart
        self._hub = Hub(token, "run", address)
        self.address = (reachable(address[0]), self._hub.address[1])
        self._processes = LocalWorkers(self.address, self._hub.post)
        self._table: dict[int, Member] = {}  # {worker: ...}
        self._ids = count(1)
        self._events: list[Event] = []  # for the next `poll`
        self._failed_starts = 0  # in a row
        for _ in range(num_workers):
            self._processes.start()

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self._table.values()))

    def __getitem__(self, worker: int) -> Member:
        return self._table[worker]

    def start(self, number: int) -> None:
        """Wait for the first workers. Blocks: until they have registered.

        Raises:
            JobError: they do not come.
        """
        until = machine.monotonic() + self.timing.start_timeout_s
        while len(self._table) < number:
            left = until - machine.monotonic()
            if left <= 0 or not self._starting():
                raise JobError(
                    f"only {len(self._table)} of {number} workers have "
                    f"started; the last one: {self.last_death}"
                )
            self.poll(left)

    def poll(self, timeout_s: float) -> list[Event]:
        """Wait for news.

        Blocks: until there is some, or something else has happened, or
        time is up.

        Raises:
            JobError: no worker is left, and none will come.
        """
        wait = 0.0 if self._events else max(0.0, timeout_s)
        for event in self._hub.poll(wait):
            self._handle(event)
        limit = machine.monotonic() - self.timing.silence_timeout_s
        for member in self:
            if member.last_heard <= limit:
                self.lose(member, "it has gone silent")
        if not self._table and not len(self._processes):
            raise JobError(
                f"no worker is left; the last one: {self.last_death}"
            )
        return self.news()

    def patience_s(self) -> float:
        """Return in how many seconds a worker may be silent for too long."""
        now = machine.monotonic()
        heard = (member.last_heard for member in self)
        return min(heard, default=now) + self.timing.silence_timeout_s - now

    def wake(self) -> list[Event]:
        """Return the news since the last job; nobody was silent meanwhile."""
        for event in self._hub.poll(0):
            self._handle(event)
        for member in self:
            member.last_heard = machine.monotonic()
        return self.news()

    def news(self) -> list[Event]:
        """Return what has happened since the last call."""
        events, self._events = self._events, []
        return events

    def lose(self, member: Member, why: str, died: bool = False) -> None:
        """Abandon a worker. A `Lost` is among the next news."""
        del self._table[member.id]
        self._hub.drop(member.peer)
        if member.name is not None:
            how = self._processes.kill(member.name)
            why = f"{why}; {how}" if died else why  # or it was us
            if self._restart:
                self._processes.start()
        self.last_death = f"{member}: {why}"
        log.info("lost %s", self.last_death)
        self._events.append(Lost(member))

    def refuse(self, member: Member, message: Any) -> None:
        """Abandon a worker that sent a message that makes no sense."""
        if member.id in self._table:  # not lost for the message before it
            why = f"it sent {message!r:.80}"
            log.warning("%s is given up: %s", member, why)
            self.lose(member, why)

    def close(self) -> None:
        """End every worker; remote ones see the connection close."""
        self._hub.close()
        self._processes.kill_all()
        self._table.clear()

    def _handle(self, event: Any) -> None:
        if isinstance(event, Posted):
            self._on_ended(event.message)
        elif isinstance(event, Received):
            member = self._table.get(event.peer.data)
            if event.peer.data is None:
                if isinstance(event.message, Register):
                    self._register(event.peer, event.message)
                else:
                    log.warning(
                        "%s sent %.80r instead of registering",
                        event.peer.name,
                        event.message,
                    )
                    self._hub.drop(event.peer)
            elif member is None:  # a message from before it was lost
                pass
            elif isinstance(event.message, FROM_MEMBERS):
                member.last_heard = machine.monotonic()
                self._events.append(News(member, event.message))
            else:
                self.refuse(member, event.message)
        elif isinstance(event, Left) and event.peer.data in self._table:
            member = self._table[event.peer.data]
            self.lose(member, event.why, died=True)

    def _register(self, peer: Peer, message: Register) -> None:
        peer.data = next(self._ids)
        ours = message.name in self._starting()
        member = Member(
            id=peer.data,
            peer=peer,
            pid=message.pid,
            data_address=(peer.host, message.data_port),
            name=message.name if ours else None,
            last_heard=machine.monotonic(),
        )
        self._failed_starts = 0 if ours else self._failed_starts
        self._table[member.id] = member
        peer.send(
            Welcome(
                member.id,
                self.timing.heartbeat_interval_s,
                self.timing.fetch_timeout_s,
                [path for path in sys.path if path],
            )
        )
        log.info("%s has joined", member)

    def _starting(self) -> set[str]:
        """Return the names of our processes that have not registered."""
        return set(self._processes) - {member.name for member in self}

    def _on_ended(self, ended: Ended) -> None:
        """Handle the end of a process; another may hold its sockets open."""
        for member in self:
            if member.name == ended.name:
                self.lose(member, "its process has ended", died=True)
                return
        if ended.name not in self._processes:  # we have ended it ourselves
            return
        how = self._processes.kill(ended.name)
        self._failed_starts += 1
        self.last_death = f"at its start: {how}"
        log.warning("a worker has died at its start: %s", how)
        if self._restart and self._failed_starts < MAX_FAILED_STARTS:
            self._processes.start()
        elif self._failed_starts > 1:
            self.last_death += f", as {self._failed_starts} have in a row"
