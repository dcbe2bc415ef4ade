"""The workloads: how large each is on N nodes, and its correct result.

    strong   the same work on 1, 2, ... nodes: N times as fast at best
    weak     N times the work on N nodes: as fast as one at best

The numbers of tasks are multiples of 1, 2, 3, 4 and 5, so that on no number
of nodes some are idle in the last round.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.scaling.jobs import Check, add_up, check_counts
from minimr.ladder import ENGINES as LADDER
from minimr.ladder import WITH_VERBS
from minimr.serial.mapreduce import MapReduce as Serial
from minimr.shared.mapreduce.corpus import split_files
from minimr.shared.mapreduce.wordcount import COMBINED

MAP_TASKS, REDUCE_TASKS = 60, 20
SHUFFLE_TASKS = 15  # reduce tasks: blocks of 107 kB, never sent inline
ENGINES = LADDER[1:]
WITH_ACTORS = WITH_VERBS


@dataclass(frozen=True)
class Size:
    """How much there is to do: the usual size, or a small one."""

    words: tuple[str, ...]  # files, of the strong word count
    parts: tuple[str, ...]  # a file per node, of the weak one
    short_tasks: int = 120
    long_tasks: int = 60
    shuffle_bytes: int = 96_000_000
    rounds: int = 3  # of the parameter server
    dqn_rounds: int = 3

    def warm_up(self) -> Size:
        """Return as much work as makes a first round no slower than others.

        The words and the shuffle are whole: memory is slower the first time.
        """
        return replace(
            self,
            short_tasks=max(self.short_tasks // 10, 5),
            long_tasks=max(self.long_tasks // 10, 5),
            rounds=1,
            dqn_rounds=1,
        )


@dataclass(frozen=True)
class Workload:
    """One kind of work on any number of nodes."""

    name: str
    title: str
    unit: str  # of the throughput, per second
    call: str  # module:function, in the driver
    arguments: Callable[[Size, int], dict[str, Any]]  # of (size, nodes)
    units: Callable[[dict[str, Any]], float]  # of the arguments
    expected: Callable[[dict[str, Any]], Check]  # of the arguments
    weak: bool = False
    engines: tuple[str, ...] = ENGINES
    begin: str = ""  # module:function, called before the clock starts
    end: str = ""  # module:function, called when a point is measured


def _words(
    paths: tuple[str, ...], tasks: int, reduce_tasks: int
) -> dict[str, Any]:
    return {
        "paths": list(paths),
        "map_tasks": tasks,
        "reduce_tasks": reduce_tasks,
    }


def _megabytes(arguments: dict[str, Any]) -> float:
    return sum(map(os.path.getsize, arguments["paths"])) / 1e6


def _count(arguments: dict[str, Any]) -> Check:
    splits = split_files(arguments["paths"], MAP_TASKS)
    with Serial() as engine:
        result = engine.run(COMBINED, splits, REDUCE_TASKS)
        return add_up(result.apply(check_counts))


def _sleeping(
    name: str, title: str, seconds: float, tasks: str, weak: bool = False
) -> Workload:
    def arguments(size: Size, nodes: int) -> dict[str, Any]:
        number = getattr(size, tasks)
        share = number * nodes // 5 if weak else number
        return {"tasks": share, "seconds": seconds}

    return Workload(
        name,
        title,
        "tasks",
        "benchmarks.scaling.jobs:sleep",
        arguments,
        lambda arguments: float(arguments["tasks"]),
        lambda arguments: {"sum": arguments["tasks"]},
        weak,
    )


WORDS = Workload(
    "words",
    "word count",
    "MB",
    "benchmarks.scaling.jobs:count_words",
    lambda size, nodes: _words(size.words, MAP_TASKS, REDUCE_TASKS),
    _megabytes,
    _count,
)
WORDS_WEAK = Workload(
    "words-weak",
    "word count, a part for each node",
    "MB",
    "benchmarks.scaling.jobs:count_words",
    lambda size, nodes: _words(
        size.parts[:nodes], MAP_TASKS * nodes // 5, REDUCE_TASKS * nodes // 5
    ),
    _megabytes,
    _count,
    weak=True,
)
SHUFFLE = Workload(
    "shuffle",
    "shuffle",
    "MB",
    "benchmarks.scaling.jobs:shuffle",
    lambda size, nodes: {
        "size": size.shuffle_bytes,
        "map_tasks": MAP_TASKS,
        "reduce_tasks": SHUFFLE_TASKS,
    },
    lambda arguments: arguments["size"] / 1e6,
    lambda arguments: {"sum": _sent(**arguments)},
)


def _sent(size: int, map_tasks: int, reduce_tasks: int) -> int:
    pieces = map_tasks * 4 * reduce_tasks
    return size // pieces * pieces


def _training(size: Size, nodes: int) -> dict[str, Any]:
    return {
        "workers": nodes,
        "rounds": size.rounds,
        "units": 180,
        "size": 100_000,
    }


def _trained(arguments: dict[str, Any]) -> Check:
    rounds, pushes = arguments["rounds"], arguments["rounds"]
    pushes *= arguments["workers"]
    return {"sum": pushes, "applied": rounds, "pushes": pushes}


TRAINING = Workload(
    "parameter-server",
    "rounds of a parameter server",
    "rounds",
    "benchmarks.scaling.training:train",
    _training,
    lambda arguments: float(arguments["rounds"]),
    _trained,
    begin="benchmarks.scaling.training:begin",
)


def _played(arguments: dict[str, Any]) -> Check:
    steps = arguments["rounds"] * arguments["steps"]
    return {"nodes": arguments["agents"], "steps": steps, "odd_pushes": 0}


DQN = Workload(
    "dqn",
    "rounds of DQN",
    "steps",
    "benchmarks.scaling.dqn_rounds:train",
    lambda size, nodes: {
        "agents": nodes,
        "rounds": size.dqn_rounds,
        "steps": 480,  # 60 in lockstep: a multiple of 1, 2, 3, 4 and 5
    },
    lambda arguments: float(arguments["rounds"] * arguments["steps"]),
    _played,
    engines=WITH_ACTORS,
    begin="benchmarks.scaling.dqn_rounds:begin",
    end="benchmarks.scaling.dqn_rounds:end",
)

WORKLOADS = {
    workload.name: workload
    for workload in (
        WORDS,
        _sleeping("sleep-10ms", "tasks that sleep 10 ms", 0.01, "short_tasks"),
        _sleeping("sleep-100ms", "tasks that sleep 0.1 s", 0.1, "long_tasks"),
        SHUFFLE,
        TRAINING,
        DQN,
        WORDS_WEAK,
        _sleeping(
            "sleep-10ms-weak",
            "10 ms tasks, as many for each node",
            0.01,
            "short_tasks",
            weak=True,
        ),
        _sleeping("empty", "tasks that do nothing", 0.0, "short_tasks"),
    )
}
USUAL = tuple(name for name in WORKLOADS if name != "empty")
