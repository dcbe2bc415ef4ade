"""What Ray has in `ray.actor`."""

from minimr.core.handles import ActorHandle, exit_actor
from minimr.core.remote import ActorClass

__all__ = ["ActorClass", "ActorHandle", "exit_actor"]
