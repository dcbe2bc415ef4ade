"""A cluster that runs, ours or Ray's, on the page: live, with its buttons.

the cluster ── lines, state ──> page
            <── SIGKILL ─────── "kill worker 4711"
            <── `start` ─────── "add a node"
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from lecture.processes import kill, processes
from lecture.recording import absent_of, lines_of, state_of
from lecture.stage import Button, PressError, Stage, story
from lecture.trace import TIMES, Line, Run, run_of

START_S = 60.0
START = {
    "minimr": ["-m", "minimr", "start"],
    "ray": ["-m", "ray.scripts.scripts", "start", "--disable-usage-stats"],
}
ADD = Button("add", "a node", "one more node on this machine")


class ClusterStage(Stage):
    """A cluster that this process has joined.

    Args:
        api: the module with the verbs.
        where: HOST:PORT of the head.
        adds: it may start nodes. Not below the head, which ends all that
            its processes leave behind.
    """

    live = True

    def __init__(self, api: Any, where: str, adds: bool = True) -> None:
        super().__init__()
        self._adds = adds
        self._api, self._where = api, where
        self._told: list[Line] = []  # what was pressed

    def look(self) -> list[Run]:
        """Return what has run by now. Blocks: until all have told."""
        lines = [*lines_of(self._api, settle=False), *self._told]
        times = [line[k] for line in lines for k in TIMES if k in line]
        now = time.time()
        return [
            run_of(
                lines,
                engine=self._api.__name__,
                program=f"the cluster at {self._where}",
                began=min(times, default=now),
                ended=max(times, default=now),
                absent=absent_of(self._api, lines),
            )
        ]

    def state(self) -> dict[str, Any]:
        """Return the nodes, workers, objects and prints."""
        return state_of(self._api)

    def _acts(self) -> list[tuple[Button, Callable[[], str]]]:
        acts: list[tuple[Button, Callable[[], str]]] = []
        for each in processes(self._api):
            name = each.node[:8] if each.kind == "node" else str(each.pid)
            about = f"runs {each.runs}()" if each.runs else "idle"
            if each.kind == "node":
                about = f"process {each.pid}, and all its workers"
            button = Button("kill", f"{each.kind} {name}", about)
            acts.append((button, partial(self._kill, each.kind, each.pid)))
        return [*acts, (ADD, self._add)] if self._adds else acts

    def _kill(self, kind: str, pid: int) -> str:
        try:
            was = kill(self._api, kind, pid)
        except LookupError as error:
            raise PressError(str(error)) from None
        if kind == "node":
            text = f"node {was.node[:8]} killed: all that ran there is lost"
        else:
            what = f"{was.runs}() ran there" if was.runs else "it was idle"
            text = f"worker {pid} killed: {what}"
        self._told.append(story(text))
        return text

    def _add(self) -> str:
        """Start a node as a person would; `stop` ends it."""
        engine = self._api.__name__
        command = [sys.executable, *START[engine], "--address", self._where]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=START_S,
            start_new_session=True,
        )
        if done.returncode:
            raise PressError(
                f"no node was started: {done.stderr.strip()[-500:]}"
            )
        text = "one more node has joined"
        self._told.append(story(text))
        return text
