"""What comes back from a cluster: values, or errors of the interface.

RayTaskError, RayActorError, ... ─> JobError, ParameterServerError
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minimr.interface.mapreduce import JobError, Progress
from minimr.interface.parameter_server import ParameterServerError

STEPS = 20  # how often a phase reports progress


def get_results(api: Any, refs: list[Any]) -> list[Any]:
    """Return what tasks have given. Blocks: until all have.

    Raises:
        JobError: one has raised, or cannot be run any more.
    """
    try:
        return list(api.get(refs))
    except api.exceptions.RayTaskError as error:
        raise JobError(f"a task failed:\n{error}") from error.cause
    except api.exceptions.RayError as error:
        raise JobError(f"the job cannot finish: {error}") from error


def get_as_they_come(
    api: Any, phase: str, refs: list[Any], progress: Progress | None
) -> list[Any]:
    """Return what the tasks of a phase have given; report progress."""
    waiting, step = refs, max(1, len(refs) // STEPS)
    while waiting and progress is not None:
        _, waiting = api.wait(waiting, num_returns=min(step, len(waiting)))
        progress(phase, len(refs) - len(waiting), len(refs))
    return get_results(api, refs)


def get_answers(api: Any, refs: Iterable[Any]) -> list[Any]:
    """Return what servers have answered. Blocks: until all have.

    Raises:
        ParameterServerError: one says no, or is gone.
    """
    exceptions = api.exceptions
    try:
        return list(api.get(list(refs)))
    except exceptions.RayTaskError as error:
        if isinstance(error.cause, (ParameterServerError, OSError)):
            raise ParameterServerError(str(error.cause)) from None
        raise
    except exceptions.RayActorError as error:
        raise ParameterServerError(f"a server is gone: {error}") from error
