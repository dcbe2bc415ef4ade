"""The trace of a simulated run, as a run of the page.

    bytes, start, end, knows, kill, log
        ──> message, process, knows, story, task

A lane is a process, and every message an arrow. Its times are virtual
seconds. On rung 1 a task is what a worker does from an order to its answer;
on rung 2 processes log what they send, begin and have back.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from lecture.messages import role_of
from lecture.trace import FORMAT, Run

Line = dict[str, Any]

ORDERS = {"RunMap": "map", "RunReduce": "reduce"}
ANSWERS = {
    "Done": "FINISHED",
    "TaskFailed": "FAILED",
    "FetchFailed": "FAILED",
    "Cancelled": "CANCELLED",
}
BEATS = ("Heartbeat", "Report", "View")  # that somebody lives
PRINTS = ("print", "error print")
TASK = re.compile(
    r"task (?P<name>.+)\(\) (?P<id>[0-9a-f]+) "
    r"(?P<what>is sent|begins|has ended|has failed)(, attempt (?P<n>\d+))?"
)
HOME = re.compile(r"(fork of )?(?P<node>(head|node) \d+)")
PROCESS = re.compile(r"(worker|process) (?P<pid>\d{8})\b")
AGAIN = re.compile(r"(task |the actor )?(?P<text>.+ (runs|starts) again: .*)")


def is_simulated(line: Line) -> bool:
    """Return whether a line is an entry of a simulation's trace."""
    return "what" in line and "at" in line and "kind" not in line


def run_of(entries: Iterable[Line], program: str = "simulation") -> Run:
    """Return the run of a simulation's trace."""
    reader = _Reader()
    for number, entry in enumerate(entries):
        reader.entry = number
        reader.read(float(entry["at"]), entry)
    about = {
        "kind": "run", "format": FORMAT, "engine": "simulation",
        "program": program, "began": 0.0, "wall_s": reader.last,
        "rung": reader.rung, "absent": ["which results a task takes"],
    }  # fmt: skip
    return Run(about, reader.lines)


class _Reader:
    """Reads the entries in their order.

    Attributes:
        lines: of the run.
        entry: the number of the one that is read.
        last: the time of the last entry.
        rung: the engine that is simulated.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.last, self.entry = 0.0, 0
        self.rung = "sockets"
        self._processes: dict[str, Line] = {}
        self._names: dict[str, str] = {}  # {process id: name}
        self._running: dict[str, list[Line]] = defaultdict(list)
        self._sent: dict[str, float] = {}  # {task: when}
        self._begun: dict[str, Line] = {}  # {task: its last attempt}

    def read(self, at: float, entry: Line) -> None:
        """Take an entry."""
        self.last = max(self.last, at)
        what = entry["what"]
        known = {
            "start": self._start,
            "end": self._end,
            "bytes": self._bytes,
            "knows": self._knows,
            "log": self._log,
        }
        if what in known:
            known[what](at, entry)
        else:
            facts = {k: v for k, v in entry.items() if k not in ("at", "what")}
            told = ", ".join(f"{key} {value}" for key, value in facts.items())
            if what == "doom":  # a kill at the worst moment
                told = f"{facts['process']}, when it next says something"
                what = "to be killed"
            kind = "log" if what in PRINTS else "strike"
            self._story(at, f"{what}: {told}", kind, "")

    def _start(self, at: float, entry: Line) -> None:
        name = entry["process"]
        home = HOME.match(name)
        line = {
            "kind": "process", "name": name, "begin": at,
            "role": role_of(name), "home": home["node"] if home else "",
        }  # fmt: skip
        self._processes[name] = line
        self._names[str(entry.get("pid"))] = name
        self.lines.append(line)

    def _end(self, at: float, entry: Line) -> None:
        name, code = entry["process"], entry.get("code") or 0
        self._processes.get(name, {}).update(end=at, how=f"code {code}")
        for task in self._running.pop(name, ()):
            task.update(ended=at, state="DIED")
        if code < 0:
            self._story(at, f"{name} was killed", "death", name)
        else:
            self._story(at, f"{name} has ended", "note", name)

    def _bytes(self, at: float, entry: Line) -> None:
        source, target = str(entry["source"]), str(entry["target"])
        names = entry.get("says", ())
        nothing = [""] * len(names)
        ids, modules = entry.get("about", nothing), entry.get("of", nothing)
        for name, id, module in zip(names, ids, modules, strict=True):
            line = {
                "kind": "message", "at": at, "source": source,
                "target": target, "name": name, "of": module, "id": id,
                "entry": self.entry, "beat": name in BEATS,
            }  # fmt: skip
            self.lines.append(line)
            if name in ORDERS and not self._running[target]:
                id = f"{ORDERS[name]} {at:.6f} {target}"
                self._begin(at, ORDERS[name], id, target)["sent"] = at
            elif name in ANSWERS and self._running[source]:
                task = self._running[source].pop(0)
                task.update(ended=at, state=ANSWERS[name])

    def _knows(self, at: float, entry: Line) -> None:
        told = {key: entry[key] for key in ("process", "table")}
        now = {
            self._named(key): self._named(text)
            for key, text in entry["now"].items()
        }
        self.lines.append({"kind": "knows", "at": at, **told, "now": now})

    def _named(self, text: str) -> str:
        """Return a text with the names of processes for their numbers."""
        return PROCESS.sub(
            lambda found: self._names.get(found["pid"], found[0]), text
        )

    def _log(self, at: float, entry: Line) -> None:
        who = entry.get("process") or next(
            (key for key in entry if key not in ("at", "what")), ""
        )
        text = str(entry.get("text") or entry.get(who, ""))
        found = TASK.match(text)
        if found is None:
            again = AGAIN.match(text)
            what = "log" if again is None else "retry"
            self._story(at, f"{who}: {text}", what, who)
            return
        self.rung, id, what = "minimr", found["id"], found["what"]
        if what == "is sent":
            self._sent[id] = at
        elif what == "begins":
            line = self._begin(at, found["name"], id, who)
            line["attempt"] = int(found["n"] or 0)
            line["sent"] = self._sent.get(id, at)
            self._begun[id] = line
        elif id in self._begun:
            line = self._begun.pop(id)
            line["answered"] = at
            if what == "has failed":
                line["state"] = "FAILED"

    def _begin(self, at: float, name: str, id: str, who: str) -> Line:
        line = {
            "kind": "task", "id": id, "name": name, "state": "RUNNING",
            "worker": who, "started": at, "after": [],
        }  # fmt: skip
        self._running[who].append(line)
        self.lines.append(line)
        return line

    def _story(self, at: float, text: str, what: str, who: str) -> None:
        about = {"kind": "story", "at": at, "text": self._named(text)}
        place = {"worker": who, "entry": self.entry}
        self.lines.append({**about, "what": what, **place})
