"""A job on the page that can be run again, and disturbed.

first, undisturbed ──> runs of each engine ─┐
"run sockets"     ──> once more             ├─> side by side
"kill a worker of sockets" ──> once more; ──┘
               half of its map tasks are done: SIGKILL
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from lecture.processes import kill, processes
from lecture.stage import Button, PressError, Stage, story
from lecture.trace import Line, Run

# At each progress of the job: (verbs or None, phase, done, total) ─> a line
# of the trace, if something was done to the job.
Disturb = Callable[[Any, str, int, int], Line | None]
Again = Callable[[str, Disturb], Run]  # runs the job on an engine


class JobStage(Stage):
    """Runs of one job, on engines that can run it again.

    Args:
        runs: one of each engine, undisturbed.
        again: runs the job on an engine.
        killable: the engines that have workers.
    """

    live = True

    def __init__(
        self, runs: Sequence[Run], again: Again, killable: Sequence[str]
    ) -> None:
        super().__init__(runs)
        self._again, self._killable = again, killable

    def _acts(self) -> list[tuple[Button, Callable[[], str]]]:
        acts: list[tuple[Button, Callable[[], str]]] = []
        for name in dict.fromkeys(run.engine for run in self._runs):
            button = Button("run", name, "once more, undisturbed")
            acts.append((button, partial(self._run, name, False)))
            if name in self._killable:
                about = "it runs once more, and loses a worker half-way"
                button = Button("kill", f"a worker of {name}", about)
                acts.append((button, partial(self._run, name, True)))
        return acts

    def _run(self, name: str, deadly: bool) -> str:
        """Run it, in the place of the last run that was like it."""
        killed: list[Line] = []

        def disturb(
            api: Any, phase: str, done: int, total: int
        ) -> Line | None:
            if deadly and not killed and phase == "map" and 2 * done >= total:
                killed.append(_kill_one(api))
                return killed[0]
            return None

        try:
            run = self._again(name, disturb)
        except (OSError, RuntimeError, ValueError, LookupError) as error:
            raise PressError(f"{name}: {error}") from error
        if deadly:
            run.about["program"] += ", a worker killed"
        self._keep(run)
        told = [line["text"] for line in killed]
        return "; ".join([*told, f"{name} took {run.wall_s:.2f} s"])

    def _keep(self, run: Run) -> None:
        key = run.engine, run.about["program"]
        there = [(each.engine, each.about["program"]) for each in self._runs]
        if key in there:
            self._runs[there.index(key)] = run
        else:  # behind that of the same engine
            number = [engine for engine, _ in there].index(run.engine)
            self._runs.insert(number + 1, run)


def _kill_one(api: Any) -> Line:
    """Kill a worker, one that runs something if there is one."""
    workers = [each for each in processes(api) if each.kind == "worker"]
    busy = [each for each in workers if each.runs] or workers
    if not busy:
        return story("no worker was killed: none is on this machine")
    was = kill(api, "worker", busy[0].pid)
    return story(f"worker process {was.pid} killed, half-way through the map")
