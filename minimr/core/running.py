"""What a thread or a coroutine of a worker is running."""

from __future__ import annotations

import contextvars
import os

from minimr.net.peer import Peer


class Running:
    """What this thread or coroutine is running; for the context."""

    __slots__ = ("actor", "attempt", "name", "peer", "task")

    def __init__(
        self, task: bytes, name: str, attempt: int, peer: Peer
    ) -> None:
        self.task = task
        self.name = name
        self.attempt = attempt
        self.peer = peer


running: contextvars.ContextVar[Running | None] = contextvars.ContextVar(
    "running", default=None
)


class ActorExit(BaseException):
    """Raised by `exit_actor` in a method."""


def set_gpus(gpus: tuple[int, ...]) -> None:
    """Let libraries see the GPUs of this lease, and no other."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))
