"""The events that `Hub.poll` returns."""

from __future__ import annotations

from typing import Any, NamedTuple

from minimr.net.peer import Peer


class Joined(NamedTuple):
    """A peer has proved that it belongs to the cluster."""

    peer: Peer


class Received(NamedTuple):
    """A peer has sent a message."""

    peer: Peer
    message: Any


class Left(NamedTuple):
    """A peer that had joined is gone."""

    peer: Peer
    why: str


class Posted(NamedTuple):
    """Another thread of this process has posted a message."""

    message: Any


Event = Joined | Received | Left | Posted
