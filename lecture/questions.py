"""Predict, then reveal: the questions that a demo asks before their moment.

    Ask before f ends: what happens now?       docstring ──> question ──> page
    - a wrong answer
    + the right one
    Because: what one learns.

"before" is followed by what a trace tells: `f begins`, `f ends`, or a kind of
story as `retry`. Without it, one is asked at the beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lecture.trace import Line, Run, attempts

ASK = re.compile(
    r"^Ask(?: before (?P<before>[^:]+))?: (?P<text>.+?)\n"
    r"(?P<choices>(?:[-+] [^\n]+\n)+)Because: (?P<why>.+?)(?=\nAsk|\Z)",
    re.DOTALL | re.MULTILINE,
)


def without_questions(text: str) -> str:
    """Return what may be read before the questions are answered."""
    return re.split(r"^Ask\b", text, maxsplit=1, flags=re.MULTILINE)[0].strip()


def questions(text: str, run: Run) -> Iterator[Line]:
    """Yield the questions of a demo's docstring, as lines of its trace."""
    for found in ASK.finditer(text.strip()):
        marked = re.findall(r"^([-+]) (.+)$", found["choices"], re.MULTILINE)
        yield {
            "kind": "question",
            "at": _moment(run, found["before"] or ""),
            "text": _line(found["text"]),
            "choices": [choice for _, choice in marked],
            "right": [mark for mark, _ in marked].index("+"),
            "why": _line(found["why"]),
        }


def _moment(run: Run, before: str) -> float:
    """Return when it happens; 0: it does not, or is not told."""
    name, _, what = before.partition(" ")
    if what:
        edge = {"begins": "begin", "ends": "end"}[what]
        times = [t[edge] for t in attempts(run) if t["name"] == name]
    else:
        times = [s["at"] for s in run.of("story") if s["what"] == name]
    return float(min(times, default=0.0))


def _line(text: str) -> str:
    return " ".join(text.split())
