"""What ends a command is one line and an exit code, never a traceback.

Bad input is 2, what fails at work 1, Ctrl-C 130.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from minimr.cli.console import note
from minimr.interface.mapreduce import JobError
from minimr.interface.parameter_server import ParameterServerError
from minimr.ladder import EngineError
from minimr.net.channel import AddressError
from minimr.net.token import TokenError
from minimr.shared.mapreduce.corpus import InputError
from minimr.system.leaving import EXIT_CODE

# {class of errors: exit code}; `guarded` can be told of more
CODES: dict[type[Exception], int] = {
    InputError: 2,
    EngineError: 2,
    TokenError: 2,
    AddressError: 2,
    ConnectionError: 2,
    JobError: 1,
    ParameterServerError: 1,
}
# Ray's and our own: the first base class of all that an engine raises.
OF_AN_ENGINE = "RayError"


def guarded(
    name: str,
    call: Callable[[], Any],
    more: dict[type[Exception], int] | None = None,
    interrupted: str = "interrupted",
) -> int:
    """Call the function of a command; give the exit code.

    Args:
        name: what its lines begin with.
        call: its value, if it is a number, is the exit code.
        more: errors of its own that are a line.
        interrupted: what is said after a Ctrl-C that was raised.
    """
    for stream in ("stdout", "stderr"):  # closed by who has started us
        if getattr(sys, stream) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, stream, os.fdopen(nowhere, "w"))
    try:
        code = call()
        sys.stdout.flush()  # here, where an error of it is caught
    except (KeyboardInterrupt, click.Abort):
        note(f"{name}: {interrupted}")
        return EXIT_CODE
    except BrokenPipeError:  # `minimr ... | head`
        _close_stdout()
        return 1
    except Exception as error:
        line, code = _line(error, {**CODES, **(more or {})})
        if line is None:
            raise
        note(line if line.startswith("Usage") else f"{name}: {line}")
        return code
    return code if isinstance(code, int) else 0


def _line(
    error: Exception, codes: dict[type[Exception], int]
) -> tuple[str | None, int]:
    """Say an error in a line; None: it is one of ours, and no user's."""
    cause = getattr(error, "cause", None)  # of what an actor has raised
    if isinstance(cause, Exception) and isinstance(cause, tuple(codes)):
        error = cause
    if isinstance(error, click.ClickException):
        return error.format_message(), 2
    for kind, code in codes.items():
        if isinstance(error, kind):
            failed = "the job has failed: " if kind is JobError else ""
            return f"{failed}{error}", code
    if isinstance(error, OSError):
        if error.filename is None:
            return error.strerror or str(error), 2
        return f"cannot use {error.filename}: {error.strerror}", 2
    if any(kind.__name__ == OF_AN_ENGINE for kind in type(error).__mro__):
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {lines[-1]}", 1
    return None, 1


def _close_stdout() -> None:
    """Let what is left in the buffer go nowhere, or the end would say it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
