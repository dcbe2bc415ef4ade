"""What Ray has in `ray.actor`."""

from minimr.core import worker
from minimr.core.handles import ActorClass, ActorHandle
from minimr.core.results import ActorExit

__all__ = ["ActorClass", "ActorHandle", "exit_actor"]


def exit_actor() -> None:
    """End this actor, after this method.

    Runs in: actor.

    Raises:
        TypeError: this is no actor.
    Ray: the same.
    """
    if worker.executor is None or worker.executor.spec is None:
        raise TypeError("exit_actor() is for the methods of an actor.")
    raise ActorExit
