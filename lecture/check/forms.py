"""What was found, for people and for the programs of a course.

Gradescope reads `results.json`; nbgrader's gradebook is a table of scores, as
`nbgrader export` writes it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from lecture.check.findings import Finding

COLUMNS = ("assignment", "student_id", "raw_score", "score", "max_score")


def text(part: str, student: str, found: Sequence[Finding]) -> str:
    """Return a line per check, and what is wrong below it."""
    return "\n".join(_lines(part, student, found))


def _lines(part: str, student: str, found: Sequence[Finding]) -> Iterator[str]:
    yield f"{part} of {student}: {_points(found)} of {len(found)} are right"
    for each in found:
        yield f"  {'WRONG' if each.wrong else 'right'}  {each.check}"
        if each.wrong:
            yield f"         {each.wrong}"


def as_json(part: str, student: str, found: Sequence[Finding]) -> str:
    """Return all of it as JSON."""
    content = {
        "part": part,
        "student": student,
        "right": _points(found),
        "of": len(found),
        "findings": [asdict(each) for each in found],
    }
    return json.dumps(content, indent=1)


def gradescope(part: str, student: str, found: Sequence[Finding]) -> str:
    """Return Gradescope's results.json."""
    tests = [
        {
            "name": each.check,
            "score": 0 if each.wrong else 1,
            "max_score": 1,
            "status": "failed" if each.wrong else "passed",
            "output": each.wrong or "right",
        }
        for each in found
    ]
    content = {
        "output": f"{part}: {_points(found)} of {len(found)} are right",
        "tests": tests,
    }
    return json.dumps(content, indent=1)


def nbgrader(part: str, student: str, found: Sequence[Finding]) -> str:
    """Return a row of nbgrader's table of scores, with its head."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    points = _points(found)
    writer.writerow(COLUMNS)
    writer.writerow((part, student, points, points, len(found)))
    return file.getvalue().rstrip("\n")


def _points(found: Sequence[Finding]) -> int:
    return sum(not each.wrong for each in found)


FORMS: dict[str, Callable[[str, str, Sequence[Finding]], str]] = {
    "text": text,
    "json": as_json,
    "gradescope": gradescope,
    "nbgrader": nbgrader,
}
