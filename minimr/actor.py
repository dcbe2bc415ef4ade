"""What Ray has in `ray.actor`."""

from minimr.core.creation import exit_actor
from minimr.core.handles import ActorHandle
from minimr.core.remote import ActorClass

__all__ = ["ActorClass", "ActorHandle", "exit_actor"]
