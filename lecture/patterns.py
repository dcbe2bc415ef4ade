"""Patterns and anti-patterns of Ray's documents, named in any run.

    tasks ──────────── submitted, begun, ended, parent, worker ─┐
    wait ───────────── a task waits in get                      ├─> findings
    call, seen ─────── what the driver's program was seen to do ┘

Rules:

1. A rule looks at what is so in a run, and never at the names in it.
2. Of a pattern that helps, it says that it is there; of one that harms, what
   it cost in this run, and what to do. What costs less than its bound, or
   may be meant so, is not named.

https://docs.ray.io/en/latest/ray-core/patterns/index.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

from lecture.findings import SHARE, Finding, by_name, lane
from lecture.trace import Line, Run

FEW = 3  # what happens less often is no loop
COPY_BYTES = 1_000_000  # to copy and send them takes about a millisecond
PENDING = 5000  # some kilobytes each, in its owner: 10 MB
MOSTLY = 0.7  # of what calls take, a task waits: nothing else goes on
# {what was seen: how many names and ids it is about}
ABOUT = {"after": 2, "put": 2, "captured": 1, "changed": 1}
FULL = 0.5  # of a store, for one get: what tasks make needs room as well


def patterns(run: Run, tried: list[Line]) -> Iterator[Finding]:
    """Yield the patterns of a run, those that harm first.

    Args:
        tried: its attempts, as `attempts` yields them.
    """
    seen = _Seen(run)
    yield from _loop(run, tried, seen)
    yield from _order(run, tried)
    yield from _too_much(run, seen)
    yield from _handed(run, tried, seen)
    yield from _put(tried, seen)
    yield from _program(seen)
    for name, at_once, total in _pending(tried):
        yield from _limited(run, name, at_once, total)
    yield from _pieces(run, tried)
    yield from _resources(run, tried, seen)
    yield from _nested(tried)
    yield from _actors(tried)


class _Seen:
    """What the driver's program was seen to do: {what: lines}."""

    def __init__(self, run: Run) -> None:
        self.lines: dict[str, list[Line]] = defaultdict(list)
        for line in run.of("seen"):
            what = line["what"]
            if len(line["about"]) >= ABOUT.get(what, 0):
                self.lines[what].append(line)

    def of(self, what: str) -> list[Line]:
        """Return the lines of a kind."""
        return self.lines.get(what, [])


# ---- how results are fetched ----


def _loop(run: Run, tried: list[Line], seen: _Seen) -> Iterator[Finding]:
    """Tasks of which each is submitted when all before it have ended.

    Not those that take what the one before has given, nor the calls of an
    actor, which run one at a time anyway.
    """
    top = [a for a in _top(tried) if not _is_call(a)]
    chained = {each["about"][1] for each in seen.of("after")}
    rows: list[list[Line]] = [[]]
    last = 0.0
    for a, b in pairwise(top):
        last = max(last, a.get("answered") or a["end"])
        alone = b["submitted"] >= last and a["name"] == b["name"]
        if b["id"] in chained or a["id"] in (b.get("after") or ()):
            alone = False
        if not alone:
            rows.append([])
        elif not rows[-1]:
            rows[-1] += [a, b]
        else:
            rows[-1].append(b)
    loops = [row for row in rows if len(row) > FEW]
    took = sum(a["end"] - a["begin"] for row in loops for a in row)
    if took > SHARE * run.wall_s:
        number = sum(map(len, loops))
        yield Finding(
            "a get in a loop",
            f"{number} of {len(top)} tasks were submitted only when "
            f"the one before had answered: one ran at a time, {took:.3f} s "
            "in all. Submit all of them first, then get all at once",
        )


def _order(run: Run, tried: list[Line]) -> Iterator[Finding]:
    """The driver waits for one result, and works on none that is there."""
    ended = {a["id"]: a.get("answered") or a["end"] for a in _top(tried)}
    gets = [
        (line, line["tasks"][0])
        for line in run.of("call")
        if line["name"] == "get"
        and len(line["tasks"]) == line["times"] == 1
        and line["tasks"][0] in ended
    ]
    wasted = 0.0
    for place, (line, _) in enumerate(gets[:-1]):
        ready = min(ended[id] for _, id in gets[place + 1 :])
        wasted += max(0.0, line["end"] - max(line["begin"], ready))
    works = sum(
        max(0.0, b["begin"] - a["end"]) for (a, _), (b, _) in pairwise(gets)
    )
    saved = min(wasted, works)
    if len(gets) > FEW and saved > SHARE * run.wall_s:
        yield Finding(
            "results are taken in the order of their tasks",
            f"in {len(gets)} gets the driver waited {wasted:.3f} s for a "
            "result while a later one was there, and worked "
            f"{works:.3f} s on results. Take what wait() says is ready: "
            f"up to {saved:.3f} s less",
        )


def _too_much(run: Run, seen: _Seen) -> Iterator[Finding]:
    room = max([each["bytes"] for each in seen.of("store")], default=0)
    gets = [line for line in run.of("call") if line["name"] == "get"]
    most = max(gets, key=lambda line: line["bytes"], default=None)
    if most and most["times"] > 1 and room and most["bytes"] > FULL * room:
        yield Finding(
            "too much is fetched at once",
            f"one get of {most['times']} results brings "
            f"{_mb(most['bytes'])}, {most['bytes'] / room:.0%} of what the "
            "stores hold. Get and work on a few at a time",
        )


def _handed(run: Run, tried: list[Line], seen: _Seen) -> Iterator[Finding]:
    """Tasks that wait, and have no tasks of their own to wait for."""
    names = {line["name"] for line in seen.of("handed")}
    parents = {a.get("parent") for a in tried}
    ids = {
        a["id"]: a["name"]
        for a in tried
        if a["name"] in names and a["id"] not in parents
    }
    waits = [line for line in run.of("wait") if line["id"] in ids]
    took = sum(line["end"] - line["begin"] for line in waits)
    if took > SHARE * run.wall_s:
        yield Finding(
            "a task gets its arguments",
            f"{ids[waits[0]['id']]}() is handed references inside of a "
            f"container, and waits {took:.3f} s for them, in "
            f"{len(waits)} waits, with a worker held. Pass each as an "
            "argument: then it begins when they are there",
        )


def _put(tried: list[Line], seen: _Seen) -> Iterator[Finding]:
    names = {a["id"]: a["name"] for a in tried}
    own = [
        names.get(task, "a task")
        for task, made in (line["about"][:2] for line in seen.of("put"))
        if task == made or made not in names
    ]
    if own:
        yield Finding(
            "a task returns what it has put",
            f"{len(own)} results of {own[0]}() are references to what it had "
            "put: the value is lost with that worker, and takes one step "
            "more. Return the value itself",
        )


# ---- what the program passes, and defines ----


Rule = Callable[[Line, _Seen], str]


def _by_value(line: Line, seen: _Seen) -> str:
    if line["times"] + 1 < FEW or line["bytes"] < COPY_BYTES:
        return ""
    return (
        f"{line['name']}() was called {line['times'] + 1} times with the "
        f"same large value: {_mb(line['bytes'])} were copied again. put() "
        "it once, and pass the reference"
    )


def _passed_on(line: Line, seen: _Seen) -> str:
    if line["bytes"] < COPY_BYTES:
        return ""
    return (
        f"{_mb(line['bytes'])} were fetched, and passed to "
        f"{line['name']}() as they were: they went through the driver, "
        "there and back. Pass the reference"
    )


def _captured(line: Line, seen: _Seen) -> str:
    if line["bytes"] < COPY_BYTES:
        return ""
    return (
        f"{line['name']} takes {line['about'][0]!r} from around it, "
        f"{_mb(line['bytes'])} that are sent with its code to each worker. "
        "put() it, and pass the reference as an argument"
    )


def _defined(line: Line, seen: _Seen) -> str:
    same = [c for c in seen.of("called") if c["about"] == line["about"]]
    calls = sum(each["times"] for each in same if each["name"] == line["name"])
    if line["times"] < FEW or calls >= FEW * line["times"]:
        return ""
    return (
        f"{line['name']} was defined {line['times']} times, for {calls} "
        "calls: each time it is pickled, sent and loaded anew. Define it "
        "once, outside of the loop"
    )


def _changed(line: Line, seen: _Seen) -> str:
    return (
        f"{line['about'][0]!r} has changed since {line['name']} was sent: "
        f"{line['times']} calls saw the old one, for each process has its "
        "own. Pass it as an argument, or keep it in an actor"
    )


def _pickled(line: Line, seen: _Seen) -> str:
    where = f"captured by {line['name']}" if line["name"] else "by itself"
    return (
        f"{line['times']} references were pickled {where}: the engine cannot "
        "count who has them, and frees them too late or too early. Pass "
        "them as arguments"
    )


def _forked(line: Line, seen: _Seen) -> str:
    return (
        f"{line['name']} forked {line['times']} processes: they have copies "
        "of its sockets and locks, and no thread that serves them. Submit "
        "tasks, or start a program anew"
    )


HABITS: dict[str, tuple[str, Rule]] = {
    "by value": ("a large argument is passed again and again", _by_value),
    "passed on": ("a result is fetched for nothing", _passed_on),
    "captured": ("a closure is large", _captured),
    "defined": ("a function is defined again and again", _defined),
    "changed": ("a global variable is shared", _changed),
    "pickled": ("a reference goes its own way", _pickled),
    "forked": ("a worker forks", _forked),
}


def _program(seen: _Seen) -> Iterator[Finding]:
    for what, (name, rule) in HABITS.items():
        lines = sorted(seen.of(what), key=lambda line: -line["times"])
        texts = [text for line in lines if (text := rule(line, seen))]
        if texts:
            yield Finding(name, "; ".join(texts[:FEW]))
    for line in seen.of("generator")[:1]:
        text = (
            f"{line['times']} calls of {line['name']}() yield: a value is "
            "sent as soon as it is made, and the task need not hold all"
        )
        yield Finding("a generator", text, good=True)


# ---- how much goes on at once ----


def _pending(tried: list[Line]) -> Iterator[tuple[str, int, int]]:
    """Yield functions: how many were pending at once, and in all."""
    for name, each in by_name(_top(tried)):
        yield name, most_at_once(each, "submitted"), len(each)


def _limited(run: Run, name: str, most: int, total: int) -> Iterator[Finding]:
    """A wait between submissions limits what is pending, or should."""
    if most >= PENDING:
        yield Finding(
            "too many tasks are pending",
            f"up to {most:,} of {name}() at once, all in the memory of the "
            "driver with their arguments. wait() for some, before more "
            "are submitted",
        )
        return
    waits = [line for line in run.of("call") if line["name"] == "wait"]
    tasks = [a for a in run.of("task") if a["name"] == name]
    starts = sorted(a.get("submitted") or 0.0 for a in tasks)
    between = [line for line in waits if starts[0] < line["end"] < starts[-1]]
    if len(between) >= FEW and 2 * most <= total:
        yield Finding(
            "wait limits what is pending",
            f"at most {most} of {total} {name}() at a time, by "
            f"{len(between)} calls of wait()",
            good=True,
        )


def _resources(run: Run, tried: list[Line], seen: _Seen) -> Iterator[Finding]:
    cpus = sum(node.get("cpus") or 0 for node in run.of("node"))
    for what, lines in seen.lines.items():
        _, asks, amount = what.partition("asks for ")
        for line in lines if asks and amount != "1 CPU" else ():
            mine = [a for a in tried if a["name"] == line["name"]]
            most, waited = most_at_once(mine), most_at_once(mine, "submitted")
            if 0 < most < min(cpus, waited):
                yield Finding(
                    "resources limit what runs at once",
                    f"each {line['name']}() asks for {amount}: at most {most} "
                    f"of {len(mine)} ran at a time, on {cpus:g} CPUs",
                    good=True,
                )


def most_at_once(some: Iterable[Line], begin: str = "begin") -> int:
    """Return how many of those there were at once."""
    turns = sorted(
        turn
        for a in some
        if a.get(begin) is not None
        for turn in ((a[begin], 1), (max(a["end"], a[begin]), -1))
    )
    now = most = 0
    for _, by in turns:
        now += by
        most = max(most, now)
    return most


# ---- tasks of tasks, and actors ----


def _pieces(run: Run, tried: list[Line]) -> Iterator[Finding]:
    """Tasks that ask an actor for one piece after the other."""
    absent = run.about.get("absent", ())
    if any(text.startswith("waits in get") for text in absent):
        return
    kids = _kids(tried)
    waits: dict[str, list[Line]] = defaultdict(list)
    for line in run.of("wait"):
        waits[line["id"]].append(line)
    for task in tried:
        mine = sorted(kids[task["id"]], key=lambda a: float(a["submitted"]))
        if len(mine) <= FEW or not _is_sequence(mine):
            continue
        # Not the first: it waits for the actor to start.
        pieces = [_asked(a, waits[task["id"]]) for a in mine[1:]]
        waited = sum(w for _, w in pieces)
        asked = sum(a for a, _ in pieces)
        between = mine[-1]["submitted"] - mine[0]["submitted"] - waited
        if min(asked, between) < SHARE * run.wall_s:
            continue  # it gets them at once, or does nothing with them
        told = f"{len(pieces)} calls of {mine[0]['name']}()"
        if _most(w > MOSTLY * a for a, w in pieces):
            yield Finding(
                "a task waits for each piece",
                f"{task['name']}() waits {waited:.3f} s for {told}, and asks "
                "for the next when it is done with the last. If it can know "
                "what it will need, let it ask before it works on what it "
                "has",
            )
            return
        if _most(w < a / 2 for a, w in pieces):
            yield Finding(
                "the next piece is fetched ahead",
                f"{task['name']}() works while {told} are under way, which "
                f"take {asked:.3f} s: it waits {waited:.3f} s for them",
                good=True,
            )
            return


def _most(flags: Iterable[bool]) -> bool:
    each = [*flags]
    return sum(each) > len(each) / 2


def _asked(call: Line, waits: list[Line]) -> tuple[float, float]:
    """Return how long a call took, and how long of it was waited."""
    begin, end = call["submitted"], call.get("answered") or call["end"]
    waited = sum(
        max(0.0, min(w["end"], end) - max(w["begin"], begin)) for w in waits
    )
    return max(0.0, end - begin), waited


def _is_sequence(kids: list[Line]) -> bool:
    """Return whether those are calls of one method, one after the other."""
    return _is_call(kids[0]) and all(
        a["name"] == b["name"] and b["submitted"] >= a["end"]
        for a, b in pairwise(kids)
    )


def _nested(tried: list[Line]) -> Iterator[Finding]:
    tasks = {a["id"] for a in tried if not _is_call(a)}
    inner = [a for a in tried if a.get("parent") in tasks and not _is_call(a)]
    most = most_at_once(inner)
    if most >= 2:
        yield Finding(
            "nested tasks",
            f"{len(inner)} tasks were submitted by tasks, and up to {most} "
            "of them ran at once",
            good=True,
        )


def _actors(tried: list[Line]) -> Iterator[Finding]:
    calls: dict[Any, list[Line]] = defaultdict(list)
    for a in tried:
        if _is_call(a):
            calls[lane(a)].append(a)
    by_id = {a["id"]: a for a in tried}
    masters: dict[Any, set[Any]] = defaultdict(set)
    for where, mine in calls.items():
        name = mine[0]["name"].partition(".")[0]
        most = most_at_once(mine)
        if most >= 2:
            text = f"up to {most} calls of {name} at once, in one process"
            yield Finding("calls of an actor overlap", text, good=True)
        parents = [by_id.get(a.get("parent") or "") for a in mine]
        lanes = {None if p is None else lane(p) for p in parents}
        tasks = {p["id"] for p in parents if p is not None}
        if len(lanes - {None}) >= 2:
            text = f"{len(tasks)} tasks of {len(lanes - {None})} processes "
            text += f"call one {name}, so what they share is in one place"
            yield Finding("an actor is shared", text, good=True)
        if len(lanes) == 1 and lanes <= calls.keys() - {where}:
            masters[lanes.pop()].add(where)
    for where, below in masters.items():
        if len(below) >= 2:
            name = calls[where][0]["name"].partition(".")[0]
            text = f"one {name} alone calls {len(below)} other actors"
            yield Finding("a tree of actors", text, good=True)


def _kids(tried: list[Line]) -> dict[str, list[Line]]:
    kids: dict[str, list[Line]] = defaultdict(list)
    for a in tried:
        if a.get("parent") and a.get("submitted") is not None:
            kids[a["parent"]].append(a)
    return kids


def _top(tried: list[Line]) -> list[Line]:
    """Return what the driver submitted and has finished, in that order."""
    top = [
        a
        for a in tried
        if not a.get("parent")
        and a.get("submitted") is not None
        and a["state"] == "FINISHED"
    ]
    return sorted(top, key=lambda a: float(a["submitted"]))


def _is_call(task: Line) -> bool:
    """Return whether that is a call of an actor: CLASS.method."""
    return "." in task["name"]


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
