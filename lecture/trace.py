"""The trace of a run: one format, whoever has run it.

    rung 1 ── Result.trace() ────────┐
    rung 2 ── minimr.util.trace ─────┤      JSON lines
    Ray ───── from_ray ──────────────┼─> [Run] <──> file ──> page, `why`
    simulation ── from_simulation ───┘

A file is a list of objects, a line each. "kind" says what it is:

run          opens a run: format, engine, program, began (unix s), wall_s,
             absent: [what this engine does not tell], of a
             simulation: command (what plays it again), seed
node         id, name, cpus, state
task         an attempt: id, name, state, node, worker, attempt, parent: the
             task that submitted it, after: [tasks whose results it takes],
             submitted, sent, started, loaded (arguments), executed, ended,
             answered: when its owner had the result
constructor  of an actor: id, name, node, worker, begin, end
actor        id, name, class, state, restarts, why
object       what a store did: id, name, node, begin, end
wait         a task waits in `get`: id (of the task), begin, end
story        what a person should hear: at, text, what, worker, tasks
usage        at, node, cpu (in CPUs), memory (bytes)
curve        of a training: at, name (who), what (loss, score), value
game         of a training, its newest one: at, name, value (its score),
             step_s (seconds between two points), ground: [[x, y], ...],
             path: [[x, y, angle, action], ...], the pad at 0, 0
message      at, source, target, name, and of a simulation: of (the module
             that defines it), id (of a task or an object), entry (its number
             in the trace), beat: that it lives is all it says
process      of a simulation: name, begin, end, how, role, home: its node
knows        of a simulation: at, process, table, now: {key: what is new; "":
             it is gone}
call         of the driver: name (get, wait), begin, end, tasks, times (how
             many references), bytes of what came
seen         what the driver's program did: what, name (of what it called),
             about: [...], times, bytes; `calls.py` has them
question     at, text, choices, right (a number, from 0), why: the page stops
             before that moment, and asks
source       name of a function, file, line, text

Rules:

1. All times of a run are seconds since it began, in order of the clock.
2. What an engine does not tell is absent, and `absent` says so: nothing is
   made up.
3. A file may be hostile: what is read is checked to be of the types above,
   and the page shows texts as texts.
"""

from __future__ import annotations

import inspect
import json
import linecache
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Line = dict[str, Any]

FORMAT = 1
STATES = (
    "FINISHED", "FAILED", "DIED", "CANCELLED", "RUNNING", "WAITING",
)  # fmt: skip
TIMES = (
    "at", "begin", "end", "submitted", "sent", "started", "loaded",
    "executed", "ended", "answered",
)  # fmt: skip
TEXTS = (
    "id", "name", "state", "node", "worker", "parent", "text", "what",
    "source", "target", "how", "why", "class", "file", "engine", "program",
    "of", "process", "table", "role", "home", "command",
)  # fmt: skip
NUMBERS = (
    "entry", "line", "attempt", "right", "cpu", "cpus", "memory", "value",
    "restarts", "times", "bytes", "step_s",
)  # fmt: skip
LISTS = ("after", "tasks", "absent", "choices", "about")
KINDS = (
    "node", "task", "constructor", "actor", "object", "wait", "story",
    "usage", "curve", "message", "process", "knows", "source",
    "question", "call", "seen", "game",
)  # fmt: skip
TIMELESS = ("actor", "node", "source", "seen")
NEEDED = {
    "message": ("source", "target", "name"),
    "game": ("at", "name", "value", "step_s"),
    "question": ("at", "text", "choices", "right", "why"),
    "call": ("name", "begin", "end", "tasks", "times", "bytes"),
    "seen": ("what", "name", "about", "times", "bytes"),
    "wait": ("id", "begin", "end"),
}  # {kind: what a line of it has}
MAX_LINE_BYTES = 10_000_000
MOST_POINTS = 10_000  # of a game


class TraceError(ValueError):
    """A file is no trace; the text says which line, and why."""


@dataclass
class Run:
    """One run: what opens it, and its other lines."""

    about: Line
    lines: list[Line] = field(default_factory=list)

    @property
    def engine(self) -> str:
        """The name of the engine."""
        return str(self.about.get("engine", "?"))

    @property
    def wall_s(self) -> float:
        """How long it took."""
        return float(self.about.get("wall_s", 0.0))

    def of(self, kind: str) -> list[Line]:
        """Return the lines of a kind."""
        return [line for line in self.lines if line["kind"] == kind]


def run_of(
    lines: Iterable[Line],
    *,
    engine: str,
    program: str,
    began: float,
    ended: float,
    absent: Iterable[str] = (),
) -> Run:
    """Make a run of lines with unix times, without what was before it."""
    run = Run(
        {
            "kind": "run",
            "format": FORMAT,
            "engine": engine,
            "program": program,
            "began": began,
            "wall_s": round(ended - began, 6),
            "absent": list(absent),
        }
    )
    for line in lines:
        last = max((line.get(key) or 0.0 for key in TIMES), default=0.0)
        if line["kind"] in TIMELESS or last >= began:
            run.lines.append(_since(began, line))
    named = {task["name"] for task in run.of("task")}
    run.lines = [
        _with_text(line)
        for line in run.lines
        if line["kind"] != "source" or line["name"] in named
    ]
    return run


def _since(began: float, line: Line) -> Line:
    times = {
        key: round(line[key] - began, 6)
        for key in TIMES
        if line.get(key) is not None
    }
    return {**line, **times}


def _with_text(line: Line) -> Line:
    """Add its code to a line of a source, if the file is there."""
    if line["kind"] != "source" or "text" in line:
        return line
    rest = linecache.getlines(line["file"])[line["line"] - 1 :]
    return {**line, "text": "".join(inspect.getblock(rest)) if rest else ""}


def write(runs: Iterable[Run]) -> str:
    """Return runs as the text of a file."""
    lines = [line for run in runs for line in (run.about, *run.lines)]
    return "".join(json.dumps(line) + "\n" for line in lines)


def read(text: Iterable[str], name: str = "the trace") -> list[Run]:
    """Read the lines of a file.

    Raises:
        TraceError: it is no trace.
    """
    runs: list[Run] = []
    for number, raw in enumerate(text, 1):
        if not raw.strip():
            continue
        try:
            line = _checked(raw)
        except (ValueError, RecursionError) as error:
            raise TraceError(f"{name}, line {number}: {error}") from None
        if line["kind"] == "run":
            runs.append(Run(line))
        elif not runs:
            raise TraceError(
                f"{name}, line {number}: no run was opened; a trace begins "
                'with {"kind": "run", ...}'
            )
        else:
            runs[-1].lines.append(line)
    if not runs:
        raise TraceError(f"{name} has no run in it")
    return runs


def _checked(raw: str) -> Line:
    if len(raw) > MAX_LINE_BYTES:
        raise ValueError(f"it has {len(raw):,} characters")
    line = json.loads(raw, parse_constant=_refuse)
    if not isinstance(line, dict) or not isinstance(line.get("kind"), str):
        raise ValueError('it is no object with a "kind"')
    if line["kind"] == "run" and line.get("format") != FORMAT:
        raise ValueError(
            f"it has format {line.get('format')!r:.40}, and this program "
            f"reads {FORMAT}"
        )
    number = int, float
    for keys, types in (
        (TIMES, number), (NUMBERS, number), (TEXTS, str), (LISTS, list),
    ):  # fmt: skip
        for key in keys:
            if not isinstance(line.get(key), (*_tuple(types), type(None))):
                raise ValueError(f"{key!r} is {line[key]!r:.40}")
    for key in LISTS:
        if not all(isinstance(each, str) for each in line.get(key) or ()):
            raise ValueError(f"{key!r} has more than texts in it")
    for key in NEEDED.get(line["kind"], ()):
        if line.get(key) is None:
            raise ValueError(f"a line of kind {line['kind']!r} has no {key!r}")
    if line["kind"] == "knows" and not _is_table(line.get("now")):
        raise ValueError('"now" is a table of texts')
    if line["kind"] == "game" and not is_game(line):
        raise ValueError('"ground" and "path" are lists of points')
    if line["kind"] == "task":
        missing = [key for key in ("id", "name", "state") if key not in line]
        if missing or line["state"] not in STATES:
            raise ValueError("a task has an id, a name, and a known state")
    return line


def _is_table(now: Any) -> bool:
    return isinstance(now, dict) and all(
        isinstance(text, str) for text in now.values()
    )


def is_game(line: Any) -> bool:
    """Return whether a game can be drawn: it has numbers alone."""
    if not isinstance(line, dict) or not all(
        _is_number(line.get(key)) for key in ("value", "step_s")
    ):
        return False
    for key, length in (("ground", 2), ("path", 4)):
        points = line.get(key)
        if not isinstance(points, list) or not 1 < len(points) <= MOST_POINTS:
            return False
        for point in points:
            if not isinstance(point, list) or len(point) != length:
                return False
            if not all(map(_is_number, point)):
                return False
    return True


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _tuple(types: Any) -> tuple[type, ...]:
    return types if isinstance(types, tuple) else (types,)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")


def attempts(run: Run) -> Iterator[Line]:
    """Yield the attempts that began, with `begin` and `end`, in order.

    If a worker died before it said when an attempt began, that was when it
    was sent, and those before it had ended.
    """
    found, last = [], dict[Any, float]()
    for task in run.of("task"):
        begin = _first(task, "started", "sent")
        end = _first(task, "ended", "answered")
        if begin is None or task["state"] == "WAITING":
            continue
        if end is None:
            end = run.wall_s
        found.append({**task, "begin": begin, "end": max(begin, end)})
    for task in sorted(found, key=lambda task: float(task["end"])):
        place = task.get("node"), task.get("worker")
        if task.get("started") is None:
            task["begin"] = max(task["begin"], last.get(place, 0.0))
        last[place] = task["end"]
    yield from sorted(found, key=lambda task: task["begin"])


def _first(line: Line, *keys: str) -> float | None:
    for key in keys:
        if line.get(key) is not None:
            return float(line[key])
    return None
