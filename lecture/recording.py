"""Records what an engine does while it runs, as a run of a trace.

with Recording(name, program, api) as recording: ... the program ...
recording.run ──> file, page, `why`

samples: CPU and memory of this process and all below it ──> usage
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

import psutil

from lecture import from_ray
from lecture.calls import Calls
from lecture.ray_usage import ASK_S
from lecture.trace import Line, Run, run_of

SAMPLE_S = 0.1
SERIAL = ("which process runs it: there is one",)
BY_HAND = ("when an answer was on its way", "what was said between workers")


class Recording:
    """Notes when a program begins and ends, and what its machine does.

    Args:
        engine: its name.
        program: what is run, for people.
        api: the module with the verbs, of an engine that has them.
    """

    def __init__(self, engine: str, program: str, api: Any = None) -> None:
        self.engine, self.program, self.api = engine, program, api
        self.began = self.ended = 0.0
        self.lines: list[Line] = []  # of engines that have no verbs
        self.said: list[Line] = []  # stories of those who looked on
        self._usage: list[Line] = []
        self._over = threading.Event()
        self._samplers = [threading.Thread(target=self._sample, daemon=True)]
        if api is not None and api.__name__ == "ray":
            asks = threading.Thread(target=self._ask_nodes, daemon=True)
            self._samplers.append(asks)
        self._steps: list[tuple[float, str, int]] = []
        # {(process, its child that is no other program): how often seen}:
        # one that is seen once may be about to begin another.
        self._alike: Counter[tuple[int, int]] = Counter()
        self._calls = None if api is None else Calls(api)

    def __enter__(self) -> Recording:
        if self._calls is not None:
            self._calls.__enter__()
        self.began = time.time()
        for each in self._samplers:
            each.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended = time.time()
        if self._calls is not None:
            self._calls.__exit__(*error)
        self._over.set()
        for each in self._samplers:
            each.join()

    def progress(
        self, then: Callable[[str, int, int], None]
    ) -> Callable[[str, int, int], None]:
        """Return a progress of a MapReduce that notes when each task ended."""

        def note(phase: str, done: int, total: int) -> None:
            self._steps.append((time.time(), phase, done))
            then(phase, done, total)

        return note

    def run(self) -> Run:
        """Return what was recorded. Blocks: until all have told."""
        absent: tuple[str, ...] = ()
        lines = self.lines
        if self._calls is not None:
            lines = [*filter(self._is_of_run, lines_of(self.api))]
            absent = absent_of(self.api, lines)
            lines = [*lines, *self._calls.lines(), *self._forked(lines)]
        elif self.engine == "serial":
            lines, absent = self._one_by_one(), SERIAL
        else:
            absent = BY_HAND
        return run_of(
            [*lines, *self.said, *self._usage],
            engine=self.engine,
            program=self.program,
            began=self.began,
            ended=self.ended or time.time(),
            absent=absent,
        )

    def _is_of_run(self, line: Line) -> bool:
        """Return whether a line is no measurement of what was later."""
        late = self.ended and line["kind"] == "usage"
        return not late or bool(line["at"] <= self.ended)

    def _one_by_one(self) -> list[Line]:
        """Make tasks of the progress of a for loop: one after the other."""
        lines, begin = [], self.began
        for end, phase, number in self._steps:
            task = {"kind": "task", "id": f"{phase} {number - 1}"}
            times = {"started": begin, "ended": end}
            about = {"name": phase, "state": "FINISHED", "worker": "driver"}
            lines.append({**task, **about, **times})
            begin = end
        return lines

    def _forked(self, lines: list[Line]) -> Iterator[Line]:
        """Yield the workers that have forked, and how often."""
        workers = {line.get("worker") for line in lines}
        found = Counter(
            f"worker {parent}"
            for (parent, child), times in self._alike.items()
            if times > 1 and f"worker {child}" not in workers
        )
        for name, times in found.items():
            if name in workers:
                about = {"kind": "seen", "what": "forked", "name": name}
                yield {**about, "about": [], "times": times, "bytes": 0}

    def _ask_nodes(self) -> None:
        """Ask the nodes of Ray, which keep nothing of what they used."""
        while not self._over.wait(ASK_S):
            with suppress(Exception):  # of Ray, if it ends: no class of ours
                from_ray.usage.look(self.api)

    def _sample(self) -> None:
        known: dict[int, tuple[psutil.Process, float]] = {}
        before = 0.0
        wait = 0.0
        while not self._over.wait(wait):
            wait = SAMPLE_S
            now, busy, memory = time.time(), 0.0, 0
            for process in _processes():
                with suppress(psutil.Error):
                    times, size = process.cpu_times(), process.memory_info()
                    used = times.user + times.system
                    last = known.get(process.pid, (process, used))[1]
                    known[process.pid] = process, used
                    busy += max(0.0, used - last)
                    above = known.get(process.ppid())
                    if above and process.cmdline() == above[0].cmdline():
                        self._alike[above[0].pid, process.pid] += 1
                    memory += size.rss
            about = {"kind": "usage", "at": now, "node": "this machine"}
            if before:  # with the first look, it knows whom to compare with
                cpu = round(busy / max(now - before, 1e-6), 3)
                self._usage.append({**about, "cpu": cpu, "memory": memory})
            before = now


def lines_of(api: Any, settle: bool = True) -> list[Line]:
    """Return what a cluster has done, by the module with its verbs.

    Args:
        settle: wait until all of it is told; only Ray needs that.
    """
    if api.__name__ == "ray":
        return from_ray.lines(api, settle)
    found: list[Line] = import_module(f"{api.__name__}.util.trace").lines()
    return found


def absent_of(api: Any, lines: Iterable[Line] = ()) -> tuple[str, ...]:
    """Return what an engine with verbs does not tell, by its lines."""
    return from_ray.absent(lines) if api.__name__ == "ray" else ()


def state_of(api: Any) -> dict[str, Any]:
    """Return what a cluster is and does now. Blocks: until it has told."""
    if api.__name__ == "ray":
        return from_ray.now(api)
    overview = import_module(f"{api.__name__}.util.overview")
    found: dict[str, Any] = overview.now()
    return found


def _processes() -> list[psutil.Process]:
    own = psutil.Process()
    with suppress(psutil.Error):
        return [own, *own.children(recursive=True)]
    return [own]
