"""Where the time of a run went, in words.

    the last end ──> what it waited for ──> ... ──> the beginning
                     one chain of parts, without a gap: they add up

Rules:

1. A part is one of KINDS. Each moment of the run is in exactly one.
2. Only what the trace tells is used; `absent` of the run says what is not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lecture.findings import Finding, findings, lane
from lecture.patterns import patterns
from lecture.trace import Line, Run, attempts

KINDS = {
    "compute": "tasks compute",
    "arguments": "arguments come, and are read",
    "worker": "waits for a worker",
    "again": "done for nothing: its worker died",
    "hop": "on its way between processes",
    "nested": "a task waits in get for others",
    "results": "the driver takes results",
    "driver": "the driver's own code",
    "between": "between tasks: nobody tells for what",
}
NEAR_S = 0.002  # two moments that are one, for cause and effect


@dataclass(frozen=True)
class Part:
    """A piece of the critical path."""

    begin: float
    end: float
    kind: str  # of KINDS
    text: str
    task: str = ""  # its id


@dataclass(frozen=True)
class Why:
    """Where the time of a run went."""

    parts: list[Part]
    findings: list[Finding]

    def sums(self) -> dict[str, float]:
        """Return seconds by kind of part."""
        sums: dict[str, float] = dict.fromkeys(KINDS, 0.0)
        for part in self.parts:
            sums[part.kind] += part.end - part.begin
        return {kind: took for kind, took in sums.items() if took > 0}


def why(run: Run) -> Why:
    """Return where the time of a run went."""
    tried = list(attempts(run))
    parts = list(_Chain(tried).parts(run.wall_s))
    spans = _Spans(run)
    parts = [piece for part in parts[::-1] for piece in spans.cut(part)]
    return Why(parts, [*findings(run, tried), *patterns(run, tried)])


def lines_of(run: Run) -> Iterator[str]:
    """Yield the lines that `minimr why` prints."""
    found = why(run)
    wall = run.wall_s or 1e-9
    yield f"{run.about.get('program', '?')} on {run.engine}: {wall:.3f} s"
    yield "the longest chain of causes:"
    for kind, took in sorted(found.sums().items(), key=lambda each: -each[1]):
        yield f"  {took:9.3f} s  {took / wall:4.0%}  {KINDS[kind]}"
    yield from (str(finding) for finding in found.findings)
    if all(finding.good for finding in found.findings):
        yield "nothing stands out"
    for absent in run.about.get("absent", ()):
        yield f"not told by {run.engine}: {absent}"


# ---- the critical path, from its end ----


Step = tuple[float, str, str, str]  # its begin, kind, text, id of the task


class _Chain:
    """Attempts, by what may have come before one."""

    def __init__(self, tried: list[Line]) -> None:
        self.by_end = sorted(tried, key=_end)
        self.by_id: dict[str, list[Line]] = defaultdict(list)
        self.by_lane: dict[Any, list[Line]] = defaultdict(list)
        for attempt in self.by_end:
            self.by_id[attempt["id"]].append(attempt)
            self.by_lane[lane(attempt)].append(attempt)

    def parts(self, wall: float) -> Iterator[Part]:
        """Yield the parts, the last one first."""
        now, task = wall, self.by_end[-1] if self.by_end else None
        while task is not None and now > 0:
            steps, task = self._back(task)
            for begin, kind, text, id in steps:
                if max(0.0, begin) < now:
                    yield Part(max(0.0, begin), now, kind, text, id)
                    now = max(0.0, begin)
        if now > 0:
            yield Part(0.0, now, "driver", "the driver, before all tasks")

    def _back(self, task: Line) -> tuple[list[Step], Line | None]:
        """Return the parts of an attempt, and what came before it."""
        id, name, begin = task["id"], task["name"], task["begin"]
        # From the answer to what is submitted next, it is the driver's turn.
        kind = "between" if task.get("answered") is None else "driver"
        answered = max(task["end"], task.get("answered") or 0.0)
        steps: list[Step] = [(answered, kind, f"after {name}()", "")]
        steps.append((task["end"], "hop", f"the answer of {name}()", id))
        if task["state"] == "DIED":
            text = f"{name}(), until its worker died"
            steps.append((begin, "again", text, id))
        else:
            loaded = task.get("loaded") or begin
            steps.append((loaded, "compute", f"{name}()", id))
            text = f"the arguments of {name}()"
            steps.append((begin, "arguments", text, id))
        sent = min(task.get("sent") or begin, begin)
        submitted = task.get("submitted")
        submitted = sent if submitted is None else submitted
        cause = _before(self.by_id[id], begin, task)  # it died, or raised
        if cause is None:
            inputs = [a for i in task.get("after", ()) for a in self.by_id[i]]
            cause = _before(sorted(inputs, key=_end), begin + NEAR_S, task)
        if cause is not None and cause["end"] < submitted:
            cause = None
        ready = submitted if cause is None else cause["end"]
        other = _before(self.by_lane[lane(task)], begin + NEAR_S, task)
        if other is not None and ready < other["end"]:
            cause, ready = other, other["end"]
        steps.append((max(sent, ready), "hop", f"{name}() is sent", id))
        steps.append((ready, "worker", f"{name}() waits for a worker", id))
        if cause is not None:
            return steps, cause
        if self.by_id[task.get("parent", "")]:
            parent = self.by_id[task["parent"]][-1]
            text = f"{parent['name']}(), until it submits {name}()"
            steps.append((parent["begin"], "compute", text, parent["id"]))
            at = parent["begin"]
            return steps, {**parent, "end": at, "loaded": at}
        return steps, _before(self.by_end, submitted, task)


class _Spans:
    """Spans of time in which it is known what was waited for."""

    def __init__(self, run: Run) -> None:
        self._calls = deque(sorted(run.of("call"), key=_begin))
        self._tell = bool(self._calls)
        self._waits: dict[str, deque[Line]] = defaultdict(deque)
        for line in sorted(run.of("wait"), key=_begin):
            self._waits[line["id"]].append(line)

    def cut(self, part: Part) -> Iterator[Part]:
        """Yield the pieces of a part: in such a span, or not.

        Parts come in order, so a span that is over is of no use any more.
        """
        spans: deque[Line] = deque()
        outside = part.kind
        if part.kind == "compute":
            spans = self._waits[part.task]
        elif part.kind in ("driver", "between") and self._tell:
            spans, outside = self._calls, "driver"
        while spans and spans[0]["end"] <= part.begin:
            spans.popleft()
        now = part.begin
        inside = "nested" if outside == "compute" else "results"
        for span in spans:
            begin, end = max(span["begin"], now), min(span["end"], part.end)
            if begin >= part.end:
                break
            if now < begin:
                yield replace(part, begin=now, end=begin, kind=outside)
            if begin < end:
                yield replace(part, begin=begin, end=end, kind=inside)
            now = max(now, end)
        if now < part.end:
            yield replace(part, begin=now, kind=outside)


def _before(some: list[Line], at: float, task: Line) -> Line | None:
    """Return the last of those, sorted by their end, that had ended then.

    It began before the task did: so the chain has an end, whatever the
    clocks of two machines say.
    """
    for place in range(bisect_right(some, at, key=_end) - 1, -1, -1):
        if some[place]["begin"] < task["begin"]:
            return some[place]
    return None


def _begin(line: Line) -> float:
    return float(line["begin"])


def _end(line: Line) -> float:
    return float(line["end"])
