"""Runs that were never run: a few lines of a trace each."""

from __future__ import annotations

from typing import Any

from lecture.trace import FORMAT, Line, Run

HOSTILE = (
    "<script>window.broken = 1</script>",
    "</script><script>window.broken = 2</script>",
    "<img src=x onerror='window.broken = 3'>",
    "\"'`${window.broken = 4}",
    "two\nlines\r\n\u2028and a third",
    "x" * 10_000,
    "\u202ereversed, \u05e9\u05dc\u05d5\u05dd, \u4f60\u597d, \U0001f600",
    "{{script}}{{data}}",
    "__proto__",
)


def task(name: str, begin: float, end: float, **more: Any) -> Line:
    """Return a task that has finished; its id is its name by default."""
    times = {"submitted": 0.0, "sent": begin, "started": begin}
    ends = {"loaded": begin, "executed": end, "ended": end, "answered": end}
    about = {"kind": "task", "id": name, "name": name, "state": "FINISHED"}
    place = {"node": "n1", "worker": "worker 1", "attempt": 0}
    rest = {"parent": "", "after": []}
    return {**about, **place, **rest, **times, **ends, **more}


def game(**more: Any) -> Line:
    """Return a game of a training: a lander that falls."""
    path = [[0.0, 1.4 - n / 10, 0.0, n % 4] for n in range(15)]
    about = {"kind": "game", "at": 1.0, "name": "Lander", "value": 12.5}
    ground = [[-1.0, -0.2], [-0.2, -0.09], [0.2, -0.09], [1.0, 0.1]]
    return {**about, "step_s": 0.04, "ground": ground, "path": path, **more}


def run(*lines: Line, wall_s: float = 1.0, engine: str = "minimr") -> Run:
    """Return a run of these lines."""
    about = {"kind": "run", "format": FORMAT, "engine": engine}
    rest = {"program": "a test", "began": 1e9, "wall_s": wall_s, "absent": []}
    return Run({**about, **rest}, [*lines])


def with_a_death() -> Run:
    """Return a run in which a worker dies, and its task runs again."""
    lost = task("f", 0.1, 0.3, id="a", state="DIED")
    lost = {k: v for k, v in lost.items() if k not in ("started", "loaded")}
    again = task("f", 0.4, 0.6, id="a", attempt=1, worker="worker 2")
    last = task("g", 0.65, 0.9, id="b", after=["a"], worker="worker 2")
    text = "f() runs again: worker 1 killed by SIGKILL"
    story = {"kind": "story", "at": 0.3, "text": text, "what": "retry"}
    node = {"kind": "node", "id": "n1", "name": "here", "cpus": 2}
    return run(node, lost, again, last, story)


def hostile() -> Run:
    """Return a run in which every text tries to be more than a text."""
    lines: list[Line] = []
    for number, text in enumerate(HOSTILE):
        begin = number / 10
        names = {"id": f"{text}{number}", "worker": text, "node": text}
        lines.append(task(text, begin, begin + 0.1, **names))
        story = {"kind": "story", "at": begin, "text": text, "what": "death"}
        source = {"kind": "source", "name": text, "file": text, "line": 1}
        lines += [story, {**source, "text": text}]
        lines.append({"kind": "node", "id": text, "name": text, "cpus": 1})
        lines += of_a_simulation(begin, text)
    made = run(*lines, game(at=0.5, name=HOSTILE[0]))
    made.about |= {"program": HOSTILE[0], "engine": HOSTILE[1]}
    made.about["absent"] = [*HOSTILE]
    return made


def of_a_simulation(at: float, text: str) -> list[Line]:
    """Return lines that only simulated runs have, with a text everywhere."""
    ends = {"source": text, "target": f"{text}2"}
    message = {"kind": "message", "at": at, "name": text, "of": text}
    process = {"kind": "process", "name": text, "role": text, "home": text}
    known = {"process": text, "table": text, "now": {text: text}}
    return [
        {**process, "begin": 0.0, "end": at, "how": text},
        {**message, **ends, "id": text, "entry": 1, "beat": False},
        {"kind": "knows", "at": at, **known},
    ]


def thousand() -> Run:
    """Return a run of 1,000 tasks on eight workers of two nodes."""
    lines: list[Line] = [
        {"kind": "node", "id": f"n{n}", "name": f"node {n}", "cpus": 4}
        for n in (1, 2)
    ]
    for number in range(1000):
        row, lane = divmod(number, 8)
        begin = row * 0.04 + 0.001 * lane
        place = {"node": f"n{1 + lane // 4}", "worker": f"worker {lane}"}
        name = ("load", "join", "train")[number % 3]
        after = [f"t{number - 8}"] if row else []
        about = {"id": f"t{number}", "after": after, **place}
        lines.append(task(name, begin, begin + 0.03, **about))
    for number in range(12):
        place = {"node": f"n{1 + number % 2}", "at": number * 0.4}
        used = {"cpu": number / 4, "memory": 50_000_000 + number * 1_000_000}
        lines.append({"kind": "usage", **place, **used})
    return run(*lines, wall_s=5.2)
