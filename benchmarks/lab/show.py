"""A lab on a page: what its cluster does, live, and buttons for its nodes.

    browser ── kill, cut, slow, heal n3 ──> Lab
            ── add a node ────────────────> Lab.grow
            ── run 100 naps ──────────────> a driver in n1
            <── lines, state ────────────── another driver in n1

The page is served outside of the lab; only a process inside reaches the
cluster. Both drivers are `driver.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.lab.lab import Lab
from benchmarks.lab.plan import LabError
from benchmarks.lab.team import Team
from lecture.recording import absent_of, lines_of, state_of
from lecture.stage import Button, PressError, Stage, story
from lecture.trace import TIMES, Line, Run, run_of
from minimr.interface.mapreduce import MapReduce
from minimr.ladder import verbs_of

NAPS, NAP_S = 100, 0.3
JOB = Button("run", f"{NAPS} naps", f"each is a task of {NAP_S} s")
ADD = Button("add", "a node", "one more node, which starts its engines")
# {verb: what a lecturer says, what to expect}
VERBS = {
    "kill": ("{} killed", "all its processes, at once, as in a power cut"),
    "cut": ("{} cut off", "its link; its processes keep running"),
    "slow": ("{} is slow", "a fifth of its share of the CPU"),
    "heal": ("{} is back", "its link, its share, and its engines"),
}
HURT = ("kill", "cut", "slow")


class LabStage(Stage):
    """A lab that is up, and one engine of it.

    Raises:
        LabError: its cluster does not take drivers.
    """

    live = True

    def __init__(self, lab: Lab, engine: str) -> None:
        super().__init__()
        self._lab, self._engine = lab, engine
        self._eyes, self._hands = Team(lab, engine), Team(lab, engine)
        self._told: list[Line] = []  # what was pressed, and the ends of jobs
        self._hurt: dict[str, str] = {}  # {node: what was done to it}
        self._began = 0.0  # the job that runs; 0: none

    def close(self) -> None:
        """End the drivers."""
        self._eyes.close()
        self._hands.close()

    def look(self) -> list[Run]:
        """Return what has run by now. Blocks: until all have told."""
        self._end_job()
        found = self._eyes.ask("benchmarks.lab.show:told")
        lines = [*found["lines"], *self._told]
        self._state = found["state"]
        times = [line[k] for line in lines for k in TIMES if k in line]
        now = time.time()
        return [
            run_of(
                lines,
                engine=self._engine,
                program=self._lab.plan.in_words(),
                began=min(times, default=now),
                ended=max(times, default=now),
                absent=found["absent"],
            )
        ]

    def state(self) -> dict[str, Any]:
        """Return what there was at the last look."""
        return self._state

    _state: dict[str, Any] = {}  # noqa: RUF012  replaced, never changed

    def _acts(self) -> list[tuple[Button, Callable[[], str]]]:
        acts: list[tuple[Button, Callable[[], str]]] = []
        if not self._began:
            acts.append((JOB, self._run))
        acts.append((ADD, self._add))
        for node in self._lab.plan.all()[1:]:  # without its head all ends
            for verb in ("heal",) if node.name in self._hurt else HURT:
                button = Button(verb, node.name, VERBS[verb][1])
                acts.append((button, partial(self._do, verb, node.name)))
        return acts

    def _do(self, verb: str, node: str) -> str:
        try:
            getattr(self._lab, verb)(node)
        except LabError as error:
            raise PressError(str(error)) from None
        if verb == "heal":
            del self._hurt[node]
        else:
            self._hurt[node] = verb
        return self._tell(VERBS[verb][0].format(node))

    def _add(self) -> str:
        try:
            self._lab.grow(self._lab.plan.nodes + 1)
        except LabError as error:
            raise PressError(str(error)) from None
        return self._tell(f"n{self._lab.plan.nodes} has joined")

    def _run(self) -> str:
        """Begin the job, and do not wait: nodes are to be killed meanwhile."""
        self._hands.send("benchmarks.lab.show:nap", number=NAPS, each=NAP_S)
        self._began = time.time()
        return self._tell(f"{NAPS} naps have begun")

    def _end_job(self) -> None:
        if self._began and self._hands.answered(0.0):
            took, self._began = time.time() - self._began, 0.0
            try:
                self._hands.receive(0.0)
                self._tell(f"the naps are over, after {took:.1f} s")
            except LabError as error:
                self._tell(f"the naps have failed: {error}")

    def _tell(self, text: str) -> str:
        self._told.append(story(text))
        return text


def told(engine: MapReduce) -> dict[str, Any]:
    """Return what the cluster tells. Runs in: a driver in n1."""
    api = verbs_of(engine)
    lines = lines_of(api, settle=False)
    return {
        "lines": lines,
        "absent": absent_of(api, lines),
        "state": state_of(api),
    }


def nap(engine: MapReduce, number: int, each: float) -> None:
    """Sleep in so many tasks, spread over the nodes. Runs in: a driver."""
    api = verbs_of(engine)
    task = api.remote(_nap).options(name="nap", scheduling_strategy="SPREAD")
    api.get([task.remote(each) for _ in range(number)])


def _nap(seconds: float) -> None:
    time.sleep(seconds)
