"""Messages about actors."""

from __future__ import annotations

from typing import Any, NamedTuple

from minimr.core.message_types import (
    Job,
    Name,
    Shape,
    Value,
)
from minimr.net.channel import Address

# ---- actors ----------------------------------------------------------------


class ActorSpec(NamedTuple):
    """All that it takes to start an actor, again and again."""

    id: bytes
    class_name: str
    blob: bytes  # the pickled class
    args: bytes
    deps: tuple[tuple[Name, Value], ...]
    place: Shape  # to be placed
    hold: Shape  # while it lives
    name: str | None
    namespace: str
    max_restarts: int
    max_task_retries: int
    concurrency: int
    is_async: bool
    methods: dict[str, dict[str, Any]]
    job: Job
    owner: Address | None  # None: detached
    max_pending_calls: int


class CreateActor(NamedTuple):
    """Owner -> control: => None, or a text: why not."""

    spec: ActorSpec


class FindActor(NamedTuple):
    """Anybody -> control: => ActorSpec, or None."""

    name: str
    namespace: str


class Follow(NamedTuple):
    """Caller -> control: tell me the actor's state, now and on changes."""

    actor: bytes


class Forget(NamedTuple):
    """Owner -> control: no handle is left, end it after its calls."""

    actor: bytes


class ActorState(NamedTuple):
    """Control -> followers."""

    actor: bytes
    state: str  # PENDING, ALIVE, RESTARTING, DEAD
    worker: Address | None
    restarts: int
    why: str
    error: bytes | None  # pickled: what the constructor raised


class StartActor(NamedTuple):
    """Control -> node: lease a worker and make it an actor."""

    spec: ActorSpec
    restarts: int


class Become(NamedTuple):
    """Node -> worker: be this actor. => ActorReady."""

    spec: ActorSpec
    restarts: int
    gpus: tuple[int, ...]


class ActorReady(NamedTuple):
    """Worker -> node -> control: the constructor is through."""

    actor: bytes
    worker: Address
    error: bytes | None


class ActorLost(NamedTuple):
    """Node -> control: the actor's process is gone."""

    actor: bytes
    why: str
    intended: bool


class KillActor(NamedTuple):
    """Anybody -> control -> node."""

    actor: bytes
    no_restart: bool
    why: str
