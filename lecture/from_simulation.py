"""The trace of a simulated run, as a run of the page.

    bytes, start, end, doom, log ──> message, process, story

A lane is a process, and every message an arrow. Its times are virtual
seconds. A task is what a worker does from an order to its answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lecture.trace import FORMAT, Run

Line = dict[str, Any]

ORDERS = {"RunMap": "map", "RunReduce": "reduce", "Push": "task"}
ANSWERS = {
    "Done": "FINISHED",
    "TaskFailed": "FAILED",
    "FetchFailed": "FAILED",
    "Cancelled": "CANCELLED",
}
SILENT = ("Heartbeat",)


def is_simulated(line: Line) -> bool:
    """Return whether a line is an entry of a simulation's trace."""
    return "what" in line and "at" in line and "kind" not in line


def run_of(entries: Iterable[Line], program: str = "simulation") -> Run:
    """Return the run of a simulation's trace."""
    lines: list[Line] = []
    processes: dict[str, Line] = {}
    running: dict[str, Line] = {}  # {process: what it does}
    last = 0.0
    for entry in entries:
        at, what = float(entry["at"]), entry["what"]
        last = max(last, at)
        if what == "start":
            line = {"kind": "process", "name": entry["process"], "begin": at}
            processes[entry["process"]] = line
            lines.append(line)
        elif what == "bytes":
            lines += _messages(at, entry, running)
        elif what == "end":
            name = entry["process"]
            code = entry.get("code", 0)
            died = bool(code) and code < 0
            processes.get(name, {}).update(end=at, how=f"code {code}")
            if name in running:
                running.pop(name).update(ended=at, state="DIED")
            text = f"{name} {'was killed' if died else 'has ended'}"
            told = "death" if died else "note"
            lines.append(_story(at, text, told, name))
        elif what == "log":
            who = entry.get("process") or next(
                (key for key in entry if key not in ("at", "what")), ""
            )
            text = entry.get("text") or entry.get(who, "")
            lines.append(_story(at, f"{who}: {text}", "log", who))
        else:
            facts = {k: v for k, v in entry.items() if k not in ("at", "what")}
            told = ", ".join(f"{k} {v}" for k, v in facts.items())
            lines.append(_story(at, f"{what}: {told}", "strike", ""))
    about = {
        "kind": "run", "format": FORMAT, "engine": "simulation",
        "program": program, "began": 0.0, "wall_s": last,
        "absent": ["which task an order is for"],
    }  # fmt: skip
    return Run(about, lines)


def _story(at: float, text: str, what: str, worker: str) -> Line:
    line = {"kind": "story", "at": at, "text": text, "what": what}
    return {**line, "worker": worker}


def _messages(at: float, entry: Line, running: dict[str, Line]) -> list[Line]:
    source, target = str(entry["source"]), str(entry["target"])
    lines: list[Line] = []
    for name in entry.get("says", ()):
        if name in SILENT:
            continue
        lines.append(
            {
                "kind": "message", "at": at, "name": name,
                "source": source, "target": target,
            }
        )  # fmt: skip
        if name in ORDERS and target not in running:
            task = {
                "kind": "task", "id": f"{ORDERS[name]} {at:.6f} {target}",
                "name": ORDERS[name], "state": "RUNNING", "worker": target,
                "sent": at, "started": at, "after": [],
            }  # fmt: skip
            running[target] = task
            lines.append(task)
        elif name in ANSWERS and source in running:
            running.pop(source).update(
                ended=at, answered=at, state=ANSWERS[name]
            )
    return lines
