"""What cost time in a run, in words: what its tasks tell.

Rules:

1. A finding says what was seen, with its numbers, and what would help.
2. To say nothing is better than to be wrong: each has a least size.

What the program does otherwise than Ray's documents say is in `patterns.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from lecture.trace import Line, Run

SMALL_S = 0.02  # a task that computes longer is not small
FEW, GOOD = 4, 20  # a task should compute so many times what it costs
MANY = 20
SHARE = 0.1  # of a run's time: to mend what costs less is not felt


@dataclass(frozen=True)
class Finding:
    """Something that cost time, and what would help; or what did help."""

    name: str
    text: str
    good: bool = False

    def __str__(self) -> str:
        return f"{'well done: ' if self.good else ''}{self.name}: {self.text}"


def findings(run: Run, tried: list[Line]) -> Iterator[Finding]:
    """Yield what cost time.

    Args:
        tried: the attempts of the run, as `attempts` yields them.
    """
    yield from _died(tried)
    yield from _small(tried)
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
    for name, each in by_name(tried):
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
        before = last.get(lane(task))
        if before is not None and before["name"] == task["name"]:
            done = before.get("executed") or before["end"]
            ready = task.get("loaded") or task["begin"]
            gaps[task["name"]].append(max(0.0, ready - done))
        last[lane(task)] = task
    return gaps


def _straggler(tried: list[Line]) -> Iterator[Finding]:
    for name, each in by_name(tried):
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
    took = sum(w["end"] - w["begin"] for w in waits)
    if took > SHARE * run.wall_s:
        yield Finding(
            "tasks wait in get",
            f"{took:.3f} s in all, in {len(waits)} waits of tasks for "
            "others; each holds a process meanwhile. Return the references, "
            "or pass them on as arguments",
        )


def _arguments(tried: list[Line]) -> Iterator[Finding]:
    # The first of a function in a worker loads its code as well.
    known: dict[Any, Line] = {}
    for a in tried:
        known.setdefault((*lane(a), a["name"]), a)
    first = {id(a) for a in known.values()}
    timed = [
        a for a in tried if a.get("loaded") is not None and id(a) not in first
    ]
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


def by_name(tried: list[Line]) -> Iterator[tuple[str, list[Line]]]:
    """Yield functions with their attempts that finished."""
    names = defaultdict(list)
    for attempt in tried:
        if attempt["state"] == "FINISHED":
            names[attempt["name"]].append(attempt)
    yield from names.items()


def _computes(attempt: Line) -> float:
    loaded = attempt.get("loaded") or attempt["begin"]
    return float((attempt.get("executed") or attempt["end"]) - loaded)


def lane(attempt: Line) -> tuple[Any, Any]:
    """Return the worker that an attempt ran in, with its node."""
    return attempt.get("node"), attempt.get("worker")
