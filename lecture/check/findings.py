"""What a check has found, and how its errors are put in words."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lecture.check.source import SourceError

# What a student's code may raise: sys.exit() as well.
OF_A_STUDENT = (Exception, SystemExit)
NOT_WRITTEN = "it is not written yet"
NOT_JUDGED = "not judged, for an earlier check has failed"


class StartError(RuntimeError):
    """The engine has not started."""


NOT_THEIRS = (SourceError, StartError)  # nothing can be judged


@dataclass(frozen=True)
class Finding:
    """What should be, and what is wrong about it: nothing if it is right."""

    check: str
    wrong: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that should be.

    Attributes:
        title: a sentence.
        judge: returns what is wrong, in words; nothing if it is right.
        needed: the checks after it cannot be judged without it.
    """

    title: str
    judge: Callable[[Any], str | None]
    needed: bool = False


def findings(
    checks: Sequence[Check],
    student: Any,
    begin: Callable[[str], None],
) -> Iterator[Finding]:
    """Yield what each check finds, one after the other.

    Args:
        checks: in this order.
        student: what they judge.
        begin: called with the title of each before it runs.
    """
    stopped = False
    for check in checks:
        begin(check.title)
        wrong = NOT_JUDGED if stopped else in_words(check.judge, student)
        stopped = stopped or (check.needed and bool(wrong))
        yield Finding(check.title, wrong)


def in_words(judge: Callable[[Any], str | None], student: Any) -> str:
    """Return what is wrong; an error of the student's code is, too."""
    try:
        return judge(student) or ""
    except NOT_THEIRS:
        raise
    except OF_A_STUDENT as error:
        return told(error)


def told(error: BaseException) -> str:
    """Return an error of a student's code, and where it came from."""
    cause = getattr(error, "cause", None)  # of a task or an actor
    inner = cause if isinstance(cause, BaseException) else error
    if isinstance(inner, NotImplementedError):
        return f"{NOT_WRITTEN}{_place(inner)}"
    name, text = type(inner).__name__, str(inner).strip().splitlines()
    return f"it raises {name}: {text[0] if text else ''}{_place(inner)}"


def _place(error: BaseException) -> str:
    """Return the newest line of the student's among those of a traceback."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename[0] not in "/<"  # a cell has no folder
    ]
    if not frames:
        return ""
    last = frames[-1]
    return f" ({last.filename}, line {last.lineno}: {last.line})"
