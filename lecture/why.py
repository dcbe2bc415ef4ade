"""Where the time of a run went, in words.

    the last end ──> what it waited for ──> ... ──> the beginning
                     one chain of parts, without a gap: they add up

Rules:

1. A part is one of KINDS. Each moment of the run is in exactly one.
2. A finding says what was seen, with its numbers, and what would help.
3. Only what the trace tells is used; `absent` of the run says what is not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from lecture.trace import Line, Run, attempts

KINDS = {
    "compute": "tasks compute",
    "arguments": "arguments come, and are read",
    "worker": "waits for a worker",
    "again": "done for nothing: its worker died",
    "hop": "on its way between processes",
    "driver": "the driver, between tasks",
}
SMALL_S = 0.02  # a task that computes longer is not small
FEW, GOOD = 4, 20  # a task should compute so many times what it costs
NEAR_S = 0.002  # two moments that are one, for cause and effect
MANY = 20


@dataclass(frozen=True)
class Part:
    """A piece of the critical path."""

    begin: float
    end: float
    kind: str  # of KINDS
    text: str
    task: str = ""  # its id


@dataclass(frozen=True)
class Finding:
    """Something that cost time, and what would help."""

    name: str
    text: str


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
    return Why(parts[::-1], list(_findings(run, tried)))


def lines_of(run: Run) -> Iterator[str]:
    """Yield the lines that `minimr why` prints."""
    found = why(run)
    wall = run.wall_s or 1e-9
    yield f"{run.about.get('program', '?')} on {run.engine}: {wall:.3f} s"
    yield "the longest chain of causes:"
    for kind, took in sorted(found.sums().items(), key=lambda each: -each[1]):
        yield f"  {took:9.3f} s  {took / wall:4.0%}  {KINDS[kind]}"
    for finding in found.findings:
        yield f"{finding.name}: {finding.text}"
    if not found.findings:
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
            self.by_lane[_lane(attempt)].append(attempt)

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
        steps: list[Step] = [(task["end"], "driver", f"after {name}()", "")]
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
        other = _before(self.by_lane[_lane(task)], begin + NEAR_S, task)
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


def _before(some: list[Line], at: float, task: Line) -> Line | None:
    """Return the last of those, sorted by their end, that had ended then.

    It began before the task did: so the chain has an end, whatever the
    clocks of two machines say.
    """
    for place in range(bisect_right(some, at, key=_end) - 1, -1, -1):
        if some[place]["begin"] < task["begin"]:
            return some[place]
    return None


def _end(attempt: Line) -> float:
    return float(attempt["end"])


def _lane(attempt: Line) -> tuple[Any, Any]:
    return attempt.get("node"), attempt.get("worker")


# ---- findings ----


def _findings(run: Run, tried: list[Line]) -> Iterator[Finding]:
    yield from _died(tried)
    yield from _small(tried)
    yield from _loop(run, tried)
    yield from _straggler(tried)
    yield from _nested(run)
    yield from _arguments(tried)
    yield from _copies(run)
    yield from _idle(run, tried)


def _died(tried: list[Line]) -> Iterator[Finding]:
    dead = [a for a in tried if a["state"] == "DIED"]
    if dead:
        lost = sum(a["end"] - a["begin"] for a in dead)
        names = ", ".join(sorted({f"{a['name']}()" for a in dead})[:5])
        yield Finding(
            "work was lost",
            f"attempts that ended with their worker: {len(dead)}, of "
            f"{names}; {lost:.3f} s of work were done again. Shorter tasks "
            "lose less",
        )


def _small(tried: list[Line]) -> Iterator[Finding]:
    between = _between(tried)
    for name, each in _by_name(tried):
        if len(each) < MANY or not between[name]:
            continue
        took = max(median(_computes(a) for a in each), 1e-6)
        lost = median(between[name])
        if took < SMALL_S and took < FEW * lost:
            batch = max(2, round(GOOD * lost / took))
            yield Finding(
                "tasks are too small",
                f"{len(each):,} times {name}(): each computes "
                f"{took * 1000:.3f} ms, and {lost * 1000:.3f} ms pass until "
                f"its worker begins the next. Let one task do {batch:,} of "
                "them",
            )


def _between(tried: list[Line]) -> dict[str, list[float]]:
    """Return, for each function, what passes between two of it in a worker."""
    last: dict[Any, Line] = {}
    gaps: dict[str, list[float]] = defaultdict(list)
    for task in tried:
        before = last.get(_lane(task))
        if before is not None and before["name"] == task["name"]:
            done = before.get("executed") or before["end"]
            ready = task.get("loaded") or task["begin"]
            gaps[task["name"]].append(max(0.0, ready - done))
        last[_lane(task)] = task
    return gaps


def _loop(run: Run, tried: list[Line]) -> Iterator[Finding]:
    top = [
        a
        for a in tried
        if not a.get("parent")
        and a.get("submitted") is not None
        and a["state"] == "FINISHED"
    ]
    top.sort(key=lambda a: a["submitted"])
    pairs = list(pairwise(top))
    alone = [
        (a, b)
        for a, b in pairs
        if b["submitted"] >= (a.get("answered") or a["end"])
        and a["id"] not in (b.get("after") or ())
    ]
    if len(pairs) >= 3 and len(alone) > 0.8 * len(pairs):
        took = sum(a["end"] - a["begin"] for a in top)
        yield Finding(
            "a get in a loop",
            f"{len(alone)} of {len(pairs)} tasks were submitted only when "
            f"the one before had answered: one ran at a time, {took:.3f} s "
            "in all. Submit all of them first, then get all at once",
        )


def _straggler(tried: list[Line]) -> Iterator[Finding]:
    for name, each in _by_name(tried):
        if len(each) < 4:
            continue
        longest = max(each, key=lambda a: a["end"] - a["begin"])
        usual = median(a["end"] - a["begin"] for a in each)
        took = longest["end"] - longest["begin"]
        last = max(a["end"] for a in each)
        if took > 2 * usual and took > SMALL_S and longest["end"] >= last:
            yield Finding(
                "a straggler",
                f"one {name}() in {longest.get('worker') or 'a worker'} took "
                f"{took:.3f} s, the others {usual:.3f} s, and it ended last. "
                "Cut the work finer, or give a backup to an idle worker",
            )


def _nested(run: Run) -> Iterator[Finding]:
    waits = run.of("wait")
    if waits:
        took = sum(w["end"] - w["begin"] for w in waits)
        yield Finding(
            "tasks wait in get",
            f"{took:.3f} s in all, in {len(waits)} waits of tasks for "
            "others; each holds a process meanwhile. Return the references, "
            "or pass them on as arguments",
        )


def _arguments(tried: list[Line]) -> Iterator[Finding]:
    timed = [a for a in tried if a.get("loaded") is not None]
    loads = sum(a["loaded"] - a["begin"] for a in timed)
    busy = sum(a["end"] - a["begin"] for a in timed)
    if timed and loads > 0.3 * busy and loads > 0.05:
        yield Finding(
            "arguments take long",
            f"{loads:.3f} of the {busy:.3f} s of tasks went into reading "
            "their arguments. put() once what many tasks take, or send the "
            "task to where its data is",
        )


def _copies(run: Run) -> Iterator[Finding]:
    nodes = defaultdict(set)
    for line in run.of("object"):
        if str(line.get("name", "")).startswith("fetch"):
            nodes[line["id"]].add(line.get("node"))
    number = len([n for n in run.of("node") if n.get("state") == "ALIVE"])
    copied = [id for id, there in nodes.items() if len(there) >= number - 1]
    if number > 2 and copied:
        yield Finding(
            "an object was copied to every node",
            f"{len(copied)} objects, the first {copied[0]}. Send the tasks "
            "to the data, or cut the object",
        )


def _idle(run: Run, tried: list[Line]) -> Iterator[Finding]:
    busy: dict[str, float] = defaultdict(float)
    for attempt in tried:
        lane = f"{attempt.get('node')} {attempt.get('worker')}"
        busy[lane] += attempt["end"] - attempt["begin"]
    cpus = sum(n.get("cpus", 0) for n in run.of("node"))
    places = int(cpus) or len(busy)
    if not tried or places < 2:
        return
    first = min(a["begin"] for a in tried)
    span = max(a["end"] for a in tried) - first
    idle = 1 - sum(busy.values()) / (places * max(span, 1e-9))
    if idle > 0.3:
        waiting = [a for a in tried if a["begin"] > first + 0.5 * span]
        inputs = [a for a in waiting if a.get("after")]
        for_what = (
            "tasks waited for their inputs"
            if len(inputs) > len(waiting) / 2
            else "there was nothing to run: the driver had not submitted it"
        )
        yield Finding(
            "workers waited",
            f"{places} places for tasks were idle {idle:.0%} of the time; "
            f"mostly {for_what}",
        )


def _by_name(tried: list[Line]) -> Iterator[tuple[str, list[Line]]]:
    names = defaultdict(list)
    for attempt in tried:
        if attempt["state"] == "FINISHED":
            names[attempt["name"]].append(attempt)
    yield from names.items()


def _computes(attempt: Line) -> float:
    loaded = attempt.get("loaded") or attempt["begin"]
    return float((attempt.get("executed") or attempt["end"]) - loaded)
