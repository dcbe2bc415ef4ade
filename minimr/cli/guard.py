"""A command ends with an exit code, and one line instead of a traceback.

2: bad input; 1: the work failed; 130: Ctrl-C.
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
from minimr.system.logs import narrate

# {class of errors: exit code}; `guarded` takes more
CODES: dict[type[Exception], int] = {
    InputError: 2,
    EngineError: 2,
    TokenError: 2,
    AddressError: 2,
    ConnectionError: 2,
    JobError: 1,
    ParameterServerError: 1,
}
# Ray's and our own: the base class of all errors of an engine.
OF_AN_ENGINE = "RayError"


def guarded(
    name: str,
    call: Callable[[], Any],
    more: dict[type[Exception], int] | None = None,
    interrupted: str = "interrupted",
) -> int:
    """Call the function of a command and return its exit code.

    Args:
        name: what its lines begin with.
        call: the function; an integer that it returns is the exit code.
        more: further errors that end in one line.
        interrupted: the line after a Ctrl-C.
    """
    for stream in ("stdout", "stderr"):  # closed by our parent
        if getattr(sys, stream) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, stream, os.fdopen(nowhere, "w"))
    narrate()
    try:
        code = call()
        sys.stdout.flush()  # here, where its error is caught
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
    """Return an error as one line; None: it is a bug of ours."""
    cause = getattr(error, "cause", None)  # what an actor has raised
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
    """Discard the buffer: flushing it at exit would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
